"""What fuzzing and reading found once, each by its name."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.documents import Document
from longshore.errors import DocumentError, ProtocolError, SourceUnreadable
from longshore.pipeline import find_documents
from longshore.provider import Headers, Response
from longshore.testing._carry import Sent
from longshore.testing.conformance import Kit
from longshore.testing.conformance._story import Story, tell
from longshore_geolens.provider import _transfers
from longshore_geolens.wire import PresignedUpload
from longshore_subworkflow.lookup import _date
from longshore_subworkflow.wire import JobReply
from tests.fuzz.hostile import body_of
from tests.fuzz.test_flows import KITS

PLANGREP, GEOLENS, SUBWORKFLOW, _ = KITS


def changed(kit: Kit, mode: str, script: str, path: str, change: Callable[[Any], Any]) -> Story:
    """Tell a story in which the replies of one route are changed."""

    def between(_: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
        reply = deliver()
        if not sent.template.endswith(path):
            return reply
        return Response(reply.status, reply.headers, body_of(change(reply.json())))

    (found,) = [m for m in kit.modes if m.name == mode]
    return tell(kit, found, script, between=between)


def test_a_tiny_part_size_does_not_fill_the_memory() -> None:
    """The parts are counted before they are made: one byte each of 100 GB would be 100 billion."""
    document = Document(id="d", name="a.tif", size=100_000_000_000)
    upload = PresignedUpload(job_id="j", urls=("https://s3.example/1",), upload_id="u", part_size=1)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="100000000000 parts"):
            _transfers(document, upload)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("url", ["//evil.example/x", "/x?u=https://e", "https:/e", "@evil.example"])
def test_an_upload_url_without_a_host_is_the_vendors_fault(url: str) -> None:
    """It is refused before anything is sent there, and not taken for a fault of the plugin."""
    told = changed(
        GEOLENS, "single", "upload", "/presigned", lambda reply: {**reply, "urls": [url]}
    )
    assert isinstance(told.error, ProtocolError)
    told = changed(
        PLANGREP,
        "put",
        "upload",
        "/uploads",
        lambda reply: {"uploads": [{**u, "uploadUrl": url} for u in reply["uploads"]]},
    )
    assert isinstance(told.error, ProtocolError)


def test_a_list_that_repeats_itself_ends() -> None:
    """A vendor that always gives a full page of items is stopped."""
    full = {"data": [{"id": str(n), "col": n, "row": "pdf"} for n in range(5000)]}
    told = changed(SUBWORKFLOW, "single", "results", "/items", lambda _reply: full)
    assert isinstance(told.error, ProtocolError)
    assert "goes on" in str(told.error)


def test_a_moment_of_four_hundred_digits_is_no_moment() -> None:
    """It was an OverflowError, which pydantic lets through."""
    reply = Response(200, body=b'{"data": {"id": "j", "createdAt": ' + b"9" * 400 + b"}}")
    assert reply.parse(JobReply).data.created_at is None


def test_a_date_of_an_absurd_year_is_no_date() -> None:
    """It was an OverflowError in the middle of a question after a lost answer."""
    date = "1 Jan 99999999999999 1:1:1 GMT"
    assert _date(Response(200, Headers({"Date": date}))) is None


# ----------------------------------------------------------------------------- odd files


def _loop(folder: Path) -> Path:
    (folder / "a.pdf").symlink_to(folder / "b.pdf")
    (folder / "b.pdf").symlink_to(folder / "a.pdf")
    return folder / "a.pdf"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.pdf")
    return folder / "pipe.pdf"


def _socket(folder: Path) -> Path:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s.pdf"))
    return folder / "s.pdf"


@pytest.mark.parametrize(
    "make",
    [
        _loop,
        _pipe,
        _socket,
        lambda folder: Path("/dev/zero"),
        lambda folder: folder,
        lambda folder: folder / ("x" * 300),
        lambda folder: folder / "a\x00b",
        lambda folder: folder / "a\ud800b",
        lambda folder: folder / "gone" / "a.pdf",
    ],
    ids=["loop", "pipe", "socket", "device", "folder", "long", "NUL", "surrogate", "gone"],
)
def test_what_is_no_regular_file_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """It is neither opened nor waited for; the error is one of its document alone."""
    with pytest.raises(DocumentError) as caught:
        Document.from_path(make(tmp_path), id="d")
    assert caught.value.message.encode()


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    """Links to folders are not followed below a folder: nothing is carried twice."""
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [c.path for c in find_documents([str(tmp_path)])] == [str(tmp_path / "a.pdf")]


def test_a_pipe_that_took_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    """What was planned as a file is opened without waiting, and refused."""
    from longshore.documents import SourceFile

    path = tmp_path / "a.pdf"
    path.write_bytes(b"x")
    document = Document.from_path(path, id="d")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceUnreadable, match="not a regular file any more"):
        SourceFile(document)


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.provider.name)
def test_half_a_surrogate_in_an_error_body_is_shown_replaced(kit: Kit) -> None:
    """It was a UnicodeEncodeError while the refusal was put into words."""
    words = dict.fromkeys(("message", "detail", "error", "code"), "no �")
    error = kit.adapter().refusal(Response(413, body=body_of(words)))
    assert error is not None
    (error.message + error.hint + error.code).encode()
