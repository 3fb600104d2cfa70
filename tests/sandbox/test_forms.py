"""The form reader: exact on what is well-formed, strict on what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.sandbox import BadCall, Blob, Call, Spool

TYPE = "multipart/form-data; boundary=B0"


def encode(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def build(fields: list[tuple[str, str | None, bytes]], boundary: str = "B0") -> bytes:
    out = b""
    for name, filename, data in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{encode(name)}"'
        if filename is not None:
            head += f'; filename="{encode(filename)}"\r\nContent-Type: application/pdf'
        out += head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def call(body: bytes | Blob, content_type: str = TYPE) -> Call:
    return Call.of("POST", "https://x.example/f", {"Content-Type": content_type}, body)


# Names that hold an escape themselves cannot be told from encoded ones: browsers have that too.
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda name: not any(code in name for code in ("%22", "%0D", "%0A"))
)
fields = st.lists(
    st.tuples(
        names,
        st.one_of(st.none(), names),
        st.binary(max_size=60).filter(lambda d: b"--B0" not in d),
    )
)


@given(fields)
def test_what_was_built_is_read(parts: list[tuple[str, str | None, bytes]]) -> None:
    """Every name, file name and content comes back, in memory and cut into pieces."""
    body = build(parts)
    cut = Blob.join(Blob(body[at : at + 5]) for at in range(0, len(body), 5))
    for blob in (Blob(body), cut):
        form = call(blob).form()
        assert parts == [(part.name, part.filename, part.blob.read()) for part in form]


def test_a_spooled_form_is_read_in_place(tmp_path: Path) -> None:
    """A form on disk gives slices of the file: contents with CRLF and dashes stay whole."""
    spool = Spool(tmp_path)
    path = spool.new_path()
    content = b"\r\n--B\r\n--" + b"x" * 3_000_000 + b"\r\n"
    path.write_bytes(build([("file", "a.pdf", content), ("name", None, b"n")]))
    form = call(Blob.spooled(path)).form()
    assert Blob(content) == form[0].blob
    assert form.text("name") == "n"
    assert [part.filename for part in form.files("file")] == ["a.pdf"]
    spool.close()


WELL = build([("a", None, b"1")])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (WELL, "application/json", 415),
        (WELL, "multipart/form-data", 400),
        (WELL, "multipart/form-data; boundary=other", 400),
        (WELL, "multipart/form-data; boundary=" + "b" * 71, 400),
        (b"preamble\r\n" + WELL, TYPE, 400),
        (WELL + b"epilogue", TYPE, 400),
        (WELL[:-4], TYPE, 400),
        (WELL.replace(b"--B0\r\n", b"--B0 \r\n"), TYPE, 400),
        (WELL.replace(b"form-data", b"attachment"), TYPE, 400),
        (WELL.replace(b' name="a"', b' title="a"'), TYPE, 400),
        (WELL.replace(b'name="a"', b"name=\"a\"; filename*=UTF-8''x"), TYPE, 400),
        (WELL.replace(b'name="a"', b'name="a"; name="b"'), TYPE, 400),
        (WELL.replace(b'name="a"', b'name="\xff"'), TYPE, 400),
        (WELL.replace(b"\r\n\r\n1", b"\r\nnot a header\r\n\r\n1"), TYPE, 400),
        (WELL.replace(b"\r\n\r\n1", b"1"), TYPE, 400),
        (b"--B0\r\n\r\n--B0--\r\n", TYPE, 400),
        (b"", TYPE, 400),
    ],
)
def test_a_malformed_form_is_refused(body: bytes, content_type: str, status: int) -> None:
    """Each deviation from the grammar is a BadCall with the status that fits."""
    with pytest.raises(BadCall) as caught:
        call(body, content_type).form()
    assert status == caught.value.status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "3"}, 400),
        ({"Content-Length": f"{len(WELL) + 1}"}, 400),
        ({"Transfer-Encoding": "gzip"}, 411),
    ],
)
def test_the_length_must_be_declared_and_right(headers: dict[str, str], status: int) -> None:
    """A form whose Content-Length is wrong or missing is refused."""
    broken = Call.of("POST", "https://x.example", {"Content-Type": TYPE, **headers}, WELL)
    with pytest.raises(BadCall) as caught:
        broken.form()
    assert status == caught.value.status


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"{"])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    """Also one that is nested without end: the vendor's answer is 400, and no traceback."""
    with pytest.raises(BadCall, match="not JSON") as caught:
        Call.of("POST", "https://x.example", {"Content-Type": "application/json"}, body).json()
    assert caught.value.status == 400


def test_only_the_browsers_escapes_are_decoded() -> None:
    """A quote, CR and LF are decoded; other percent signs and backslashes stay."""
    body = WELL.replace(b'name="a"', b'name="%22%0D%0A%20\\n"; filename="%C3%BC.pdf"')
    part = call(body).form()[0]
    assert (part.name, part.filename) == ('"\r\n%20\\n', "%C3%BC.pdf")


def test_a_text_field_must_be_one_text() -> None:
    """A text field that came twice, as a file or not as UTF-8 is refused when it is read."""
    form = call(
        build([("a", None, b"1"), ("a", None, b"2"), ("f", "x", b""), ("u", None, b"\xff")])
    )
    for name in ("a", "f", "u"):
        with pytest.raises(ValueError, match=name):
            form.form().text(name)
    assert form.form().text("missing", "default") == "default"
