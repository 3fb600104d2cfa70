"""Secrets out: no form of text lets one through, and no text makes the net fail."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.redaction import (
    HIDDEN,
    Redactor,
    excerpt,
    redact_headers,
    redact_json,
    redact_text,
)

SECRET = "hunter2abc"
ANY_TEXT = st.text(st.characters())  # half surrogates too
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "text",
    [
        f"PUT https://s3.example/k?X-Amz-Signature={SECRET}&partNumber=1",
        f"PUT HTTPS://S3.EXAMPLE/k?x-amz-signature={SECRET}",
        f"https://s3.example/k?X-Amz-Credential={SECRET}%2F20260101&X-Amz-Date=1",
        f"https://s3.example/k?a=1&amp;X-Amz-Signature={SECRET}</Url>",
        f'{{"url":"https://s3.example/k?a=1\\u0026X-Amz-Signature={SECRET}"}}',
        f"https:\\/\\/s3.example\\/k?X-Amz-Signature={SECRET}",
        f"https://a.example/?next=https%3A%2F%2Fs3%2F%3Fa%3D1%26X-Amz-Signature%3D{SECRET}",
        f"https://user:{SECRET}@host.example/path",
        f"https://user:{SECRET}@[broken/path",
        f"https://a.example/#access_token={SECRET}",
        f"GET /upload?token={SECRET}",
        f"/x?client_secret={SECRET}&a=b",
        f"Authorization: Bearer {SECRET}",
        f"basic {SECRET}==",
        f'{{"uploadToken": "{SECRET}", "id": 1',
        f'{{"uploadToken": "{SECRET}',
        f"{{'api_key': '{SECRET}'}}",
        f'{{\\"password\\": \\"{SECRET}\\"}}',
    ],
)
def test_credentials_in_text_are_hidden(text: str) -> None:
    """Signed URLs as loggers, JSON and XML writers print them; bearer words; cut-off JSON."""
    assert SECRET not in redact_text(text)
    assert HIDDEN in redact_text(text) or "@" in text


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example/v1/jobs?limit=10&offset=20",
        "the Bearer token is missing",
        "Basic Constraints of CA cert not marked critical",
        "status 404 of /jobs/job_1: no such job",
        "a key is needed",
        "max_tokens: 100",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """What is hidden needlessly is a message that helps nobody."""
    assert text == redact_text(text)


def test_what_is_not_secret_in_a_signed_url_stays() -> None:
    """Where it went and which part it was remain to be seen."""
    shown = redact_text(f"https://u:p@s3.example/k?partNumber=7&X-Amz-Signature={SECRET}&x-id=Put")
    assert shown == "https://s3.example/k?partNumber=7&X-Amz-Signature=REDACTED&x-id=Put"


@pytest.mark.parametrize(
    "value",
    [
        {"token": SECRET},
        {"uploadToken": SECRET},
        {"a": [{"b": {"client_secret": SECRET}}]},
        {"secrets": [SECRET, {"x": SECRET}]},
        {"credentials": {"id": SECRET, "more": [SECRET]}},
        {"headers": {"Authorization": f"ApiKey {SECRET}"}},
        {"session_key": SECRET, "private-key": SECRET, "accessKeyId": SECRET},
        {"url": f"https://s3.example/k?X-Amz-Signature={SECRET}"},
        [f"Bearer {SECRET}"],
        {f"https://s3.example/k?sig={SECRET}": 1},
        {"message": json.dumps({"token": SECRET})},
    ],
)
def test_credentials_in_json_are_hidden(value: object) -> None:
    """At any depth, in lists and objects under a secret's name, in keys, in JSON inside JSON."""
    assert SECRET not in json.dumps(redact_json(value))  # type: ignore[arg-type]
    assert SECRET not in excerpt(json.dumps(value).encode())


def test_numbers_and_ordinary_fields_of_json_stay() -> None:
    """A count of tokens is no secret, and neither is the rest."""
    value = {"tokens": 1200, "id": "job_1", "keyword": "plan", "ok": None}
    assert redact_json(value) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["Authorization", "x-api-key", "X-Auth-Token", "Cookie", "SET-COOKIE", "X-Vendor-Secret"],
)
def test_header_fields_that_carry_credentials_are_hidden(name: str) -> None:
    """Whatever the vendor calls them; the others stay."""
    shown = redact_headers({name: SECRET, "Content-Type": "a/b", "Location": f"/x?sig={SECRET}"})
    assert shown == {name: HIDDEN, "Content-Type": "a/b", "Location": f"/x?sig={HIDDEN}"}


def test_known_values_are_hidden_in_every_form() -> None:
    """Inside longer text, URL-encoded, inside JSON strings, as keys; short ones are not known."""
    redactor = Redactor(['a/b+c"d', "id"])
    assert redactor.text('xa/b+c"dx') == f"x{HIDDEN}x"
    assert redactor.text("?x=a%2Fb%2Bc%22d") == f"?x={HIDDEN}"
    assert redactor.text(json.dumps('a/b+c"d')) == f'"{HIDDEN}"'
    assert redactor.json({'a/b+c"d': ['a/b+c"d!'], "id": 1}) == {HIDDEN: [f"{HIDDEN}!"], "id": 1}


@given(st.text('ab/"', min_size=6, max_size=12), st.text('ab/"', min_size=1, max_size=6), ANY_TEXT)
def test_a_secret_that_begins_another_uncovers_nothing(short: str, more: str, around: str) -> None:
    """In whatever order they were learned, the longer one goes as a whole."""
    for secrets in ([short, short + more], [short + more, short]):
        redactor = Redactor()
        for secret in secrets:
            redactor.learn([secret])
        assert redactor.text(f"<{short}{more}>") == f"<{HIDDEN}>"
        assert short not in redactor.text(around + short)


@given(ANY_TEXT)
def test_no_text_makes_it_fail_and_twice_is_once(text: str) -> None:
    """An exit that raises would hide the error it was to show."""
    once = redact_text(text)
    assert redact_text(once) == once
    assert redact_text(f"https://{text}?token={text}") is not None
    Redactor([text, "secret"]).text(text)


@given(ANY_JSON)
def test_any_json_keeps_its_shape(value: object) -> None:
    """Lists and objects stay as long as they were."""
    shown = Redactor(["secret"]).json(value)  # type: ignore[arg-type]
    assert type(shown) is type(value)


@given(st.binary(max_size=6000) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_an_excerpt_is_one_short_printable_line(body: bytes) -> None:
    """Whatever a vendor sends: no line ends, no control characters, no half surrogates."""
    shown = excerpt(body)
    assert len(shown) <= 201
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    shown.encode()


def test_an_excerpt_of_hostile_json() -> None:
    """Half a surrogate, escape sequences and endless nesting are shown, not raised."""
    assert excerpt(b'{"u": "https://a/?x=\\ud800"}') == '{"u": "https://a/?x=\ufffd"}'
    assert "\x1b" not in excerpt(b"\x1b[2Jgone")
    assert excerpt(b"[" * 100_000).startswith("[[[")


@pytest.mark.parametrize("written", ["a%2fb%2bc%22d", "a/b%2Bc%22d", "a/b%2bc%22d", 'a\\/b+c\\"d'])
def test_known_values_are_hidden_as_other_writers_put_them(written: str) -> None:
    """Escapes in small letters, paths that keep their slashes, JSON that escapes them."""
    assert Redactor(['a/b+c"d']).text(f"/x/{written}/y") == f"/x/{HIDDEN}/y"


def test_half_a_secret_is_hidden_where_a_text_was_cut() -> None:
    """An excerpt may end within the key that a vendor repeats; ordinary words stay."""
    key = "k3yAbCdEf9Zq7wXy1234567890"
    redactor = Redactor([key, "k3yAbC-other-key-of-ours"])
    for letters in range(len(key)):
        shown = redactor.text(excerpt(f"{'x' * (199 - letters)} {key} and more".encode()))
        assert key[:6] not in shown
    assert redactor.text("the key k3yAbCd… is not known") == f"the key {HIDDEN}… is not known"
    assert (
        redactor.text("k3yAbC is a word… and so is k3yAbC") == "k3yAbC is a word… and so is k3yAbC"
    )


def test_a_text_with_many_cuts_is_read_in_time() -> None:
    """Dots that lead to a page number are some vendors' ``…``, and many secrets may be known."""
    redactor = Redactor(f"https://storage.example/{'a' * 64}/{number}" for number in range(200))
    text = "…" * 20_000
    began = time.process_time()
    assert redactor.text(text) == text
    assert time.process_time() - began < 1.0
    assert redactor.text(f"{text}https://storage.ex…") == f"{text}{HIDDEN}…"


@pytest.mark.parametrize("name", ["Set-Cookie", "cookie", "X-Upload-Token", "Authorization"])
def test_header_fields_are_hidden_as_the_http_client_logs_them(name: str) -> None:
    """At DEBUG httpcore writes them as pairs of bytes."""
    fields = [(name.encode(), f"sid={SECRET}; Path=/".encode()), (b"X-Id", b"job_1")]
    shown = redact_text(f"receive_response_headers.complete return_value=(b'HTTP/1.1', {fields})")
    assert SECRET not in shown
    assert "(b'X-Id', b'job_1')" in shown


@pytest.mark.parametrize("name", ["Ocp-Apim-Subscription-Key", "AccountKey", "jwt", "auth", "pwd"])
def test_more_names_of_secrets_are_known(name: str) -> None:
    """As other services call them."""
    assert redact_headers({name: SECRET}) == {name: HIDDEN}
    assert redact_text(f"https://a.example/?{name}={SECRET}&a=1").endswith(f"{name}={HIDDEN}&a=1")


def test_what_a_storage_repeats_is_hidden() -> None:
    """S3 answers a wrong signature with it, and with the id of the key."""
    said = (
        f"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>{SECRET}</AWSAccessKeyId>"
        f"<SignatureProvided>{SECRET}</SignatureProvided><Key>plans/a.pdf</Key></Error>"
    )
    shown = redact_text(said)
    assert SECRET not in shown
    assert "<Code>SignatureDoesNotMatch</Code>" in shown
    assert "<Key>plans/a.pdf</Key>" in shown
