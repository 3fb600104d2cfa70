"""What a plugin author can rely on: defaults, checks, and what errors show."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import fields, replace
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

import longshore.provider as contract
from longshore.errors import (
    Forbidden,
    LongshoreError,
    PaymentRequired,
    ProtocolError,
    RequestRefused,
    Unauthorized,
)
from longshore.provider import (
    Batch,
    Capabilities,
    Document,
    Headers,
    Job,
    Multipart,
    Provider,
    ProviderSettings,
    Request,
    Response,
    Retry,
    Session,
    Setup,
    State,
    Transfer,
    Wait,
    immediately,
    refusal_of,
)

T = TypeVar("T")
DOCUMENT = Document(id="d", name="plan.pdf", size=9, media_type="application/pdf")
BATCH = Batch(id="b", documents=(DOCUMENT,))
SETTINGS = ProviderSettings(api_key=SecretStr("hunter2"), base_url="https://api.example.com")


def run(flow: Generator[Request | Wait, Response, T], *replies: object) -> tuple[list[Any], T]:
    """Drive a flow: what it asked for, and its result."""
    asked: list[Any] = []
    left = list(replies)
    try:
        asked.append(next(flow))
        while True:
            asked.append(flow.send(Response.of(left.pop(0))))  # type: ignore[arg-type]
    except StopIteration as end:
        assert left == []
        return asked, end.value


def example() -> tuple[type[Provider], Any]:
    """Execute the plugin in the docstring of ``longshore.provider``, as it stands there."""
    lines = (contract.__doc__ or "").partition("::\n")[2]
    names: dict[str, Any] = {name: getattr(contract, name) for name in contract.__all__}
    code = "\n".join(line.removeprefix("    ") for line in lines.splitlines())
    exec(compile(code, "docstring", "exec"), names)
    return names["Tiny"], names["longshore_providers"]


def test_the_plugin_of_the_docstring_carries_a_document() -> None:
    """Every step of the four, with the defaults for what it leaves out."""
    Tiny, hook = example()  # noqa: N806
    assert hook() == [Tiny]
    assert hook.longshore_impl
    tiny = Tiny(SETTINGS)
    assert run(tiny.prepare()) == ([], Setup())
    _, session = run(tiny.start(BATCH))
    (transfer,) = session.transfers
    assert transfer == Transfer.whole(BATCH)
    (upload,), receipt = run(tiny.send(BATCH, session, transfer), {"id": "job_1"})
    assert (upload.method, upload.url, upload.retry) == ("POST", "/upload", Retry.ONCE)
    assert isinstance(upload.body, Multipart)
    assert tiny.sign(upload, 0.0).headers == {"Authorization": "Bearer hunter2"}
    _, job = run(tiny.complete(BATCH, session, (receipt,)))
    assert job == Job(id="job_1")
    (poll,), status = run(tiny.poll(job), {"status": "DONE"})
    assert (poll.method, poll.url, status.state) == ("GET", "/jobs/job_1", State.SUCCEEDED)
    assert run(tiny.poll(job), {"status": "COOKING"})[1].state is State.RUNNING


def test_the_defaults_offer_nothing_optional() -> None:
    """Overriding a verb is declaring it."""
    verbs = ("renew", "abort", "cancel", "act", "results")

    class Some(Provider):
        name = "some"

        def abort(self, session: Session) -> contract.Flow[None]:
            return immediately(None)

    assert [Provider(SETTINGS).offers(verb) for verb in verbs] == [False] * 5
    assert [Some(SETTINGS).offers(verb) for verb in verbs] == [False, True, False, False, False]
    for verb in ("send", "poll", *verbs):
        with pytest.raises((NotImplementedError, TypeError)):
            getattr(Provider(SETTINGS), verb)()


def test_the_defaults_are_those_of_a_plain_vendor() -> None:
    """One document a batch, whole, Bearer, errors judged by their status."""
    provider = example()[0](SETTINGS)
    assert provider.capabilities() == Capabilities()
    assert provider.account() == "tiny@https://api.example.com"
    assert provider.refusal(Response(500)) is None
    bare = Provider(ProviderSettings())
    request = Request.get("/x")
    assert bare.sign(request, 0.0) == request


@pytest.mark.parametrize(
    ("tokens", "kind", "words"),
    [
        (("e1", "e2"), NotImplementedError, "Provider has no complete"),
        (("",), ProtocolError, "the upload's receipt has no token"),
    ],
)
def test_what_one_receipt_does_not_tell_is_said(
    tokens: tuple[str, ...], kind: type[Exception], words: str
) -> None:
    """The default takes the one receipt's token for the job's id, and says where it cannot."""
    session = Session(transfers=(Transfer.whole(BATCH),))
    receipts = tuple(session.transfers[0].receipt(token) for token in tokens)
    with pytest.raises(kind, match=words):
        Provider(SETTINGS).complete(BATCH, session, receipts)


def test_all_names_of_the_contract_exist_once() -> None:
    """A plugin author imports from this module only."""
    assert len(set(contract.__all__)) == len(contract.__all__)
    assert all(hasattr(contract, name) for name in contract.__all__)


@given(st.integers() | st.text())
def test_immediately_asks_for_nothing(value: object) -> None:
    """And gives back what it was given."""
    assert run(immediately(value)) == ([], value)


# --------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    "make",
    [
        lambda: Request("POST", "/x", retry=Retry.ONCE),
        lambda: Request.post("/x", step=""),
        lambda: Request("POST", "/x", step="s", retry=Retry.KEYED),
        lambda: Request.get("x"),
        lambda: Request.get("@evil.example/"),
        lambda: Request.get(".evil.example/"),
        lambda: Request.get(":443@evil.example/"),
        lambda: Request.get(""),
    ],
)
def test_a_request_that_cannot_be_right_is_refused(make: Any) -> None:
    """No step, no key header, or a relative URL that would change the host behind base_url."""
    with pytest.raises(ValueError, match=r"needs a|begins with /"):
        make()


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("https://s3.example/k", True),
        ("HTTP://s3.example/k", True),
        ("/v1/jobs", False),
        ("//s3.example/k", False),
        ("/fetch?url=https://s3.example/k", False),
        ("/jobs/a://b", False),
    ],
)
def test_only_a_scheme_at_its_beginning_makes_a_url_absolute(url: str, absolute: bool) -> None:
    """A URL inside a query or an id does not take the credentials away."""
    assert absolute == Request.get(url).absolute


def test_the_shorthands_choose_the_word() -> None:
    """GET is safe, PUT idempotent unless it makes work, POST once unless it has a key."""
    assert Request.get("/x", {"a": "b c", "n": 1}).url == "/x?a=b+c&n=1"
    assert Request.get("/x").retry is Retry.SAFE
    assert Request.put("/x", contract.Json(1)).retry is Retry.IDEMPOTENT
    started = Request.put("/x", contract.Json(1), lost=contract.Remedy.HOLD)
    assert (started.retry, started.lost) == (Retry.ONCE, contract.Remedy.HOLD)
    assert Request.post("/x", step="s").retry is Retry.ONCE
    assert Request.post("/x", step="s", key="K").retry is Retry.KEYED
    assert Request.post("/x", step="s", retry=Retry.SAFE).retry is Retry.SAFE


def test_header_names_have_no_case_and_values_are_not_printed() -> None:
    """A signed request in a log shows no credentials."""
    headers = Headers([("X-Api-Key", "hunter2")])
    assert (headers["x-api-key"], headers.get("X-API-KEY"), len(headers)) == ("hunter2",) * 2 + (1,)
    signed = Request.get("/x").with_header("Authorization", "hunter2")
    assert "hunter2" not in f"{headers!r} {signed!r} {signed}"


def test_header_fields_of_one_name_are_one() -> None:
    """As RFC 9110 has it: their values stand in a list."""
    headers = Headers([("Vary", "Accept"), ("ETag", "e"), ("vary", "Origin")])
    assert dict(headers) == {"vary": "Accept, Origin", "etag": "e"}
    assert headers.get("Link", "none") == "none"


def test_one_more_header_is_all_that_changes() -> None:
    """Whatever else a request says, it says when it is signed, too."""
    request = Request(
        method="POST",
        url="/x",
        body=contract.Json(1),
        headers={"A": "1"},
        step="s",
        retry=Retry.KEYED,
        key_header="K",
        lost=contract.Remedy.RERUN,
        not_acted=frozenset({409}),
        final=frozenset({503}),
        timeout=9.0,
    )
    assert all(getattr(request, field.name) != field.default for field in fields(request))
    assert request.with_header("B", "2") == replace(request, headers={"A": "1", "B": "2"})


# ---------------------------------------------------------------------------------- replies


class Reply(BaseModel):
    id: str
    state: Literal["on", "off"]


def test_a_reply_is_parsed() -> None:
    """Unknown fields do no harm."""
    reply = Response.of({"id": "a", "state": "on", "new": 1})
    assert reply.parse(Reply) == Reply(id="a", state="on")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON, escaped=st.booleans())
def test_a_reply_means_what_json_takes_it_for(value: JsonValue, escaped: bool) -> None:
    """Numbers of any size, letters of any kind, escaped or not."""
    text = json.dumps(value, ensure_ascii=escaped)
    assert Response(200, Headers(), text.encode()).json() == json.loads(text)


def test_a_reply_that_cannot_be_used_shows_what_came_and_no_secret() -> None:
    """What is wrong, where, and the reply without its credentials."""
    body: JsonValue = {
        "id": 7,
        "state": "maybe",
        "uploadToken": "hunter2",
        "url": "https://s3/?sig=hunter2",
    }
    with pytest.raises(ProtocolError) as error:
        Response.of(body, 201).parse(Reply)
    message = error.value.message
    assert "id: Input should be a valid string; state: Input should be 'on' or 'off'" in message
    assert '"state": "maybe"' in message
    assert error.value.status == 201
    assert "hunter2" not in message


def test_a_reply_wrong_in_a_thousand_places_is_one_short_message() -> None:
    """The first places tell it all."""

    class Many(BaseModel):
        items: list[int]

    with pytest.raises(ProtocolError) as error:
        Response.of({"items": [*"x" * 1000]}).parse(Many)
    assert "and 997 more" in error.value.message
    assert len(error.value.message) < 700


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b'{"token": "hunter2', b"[" * 10**5]
)
def test_a_reply_that_is_not_json_is_shown(body: bytes) -> None:
    """A web page, a cut-off reply, nonsense."""
    with pytest.raises(ProtocolError) as error:
        Response(200, Headers(), body).json()
    assert "is not JSON" in error.value.message
    assert "hunter2" not in error.value.message
    assert len(error.value.message) < 300


def test_what_a_vendor_says_can_always_be_stored() -> None:
    """Half a surrogate would stop the journal; other escapes mean what they did."""
    raw = Response(200, Headers(), b'{"a": "x\\ud800\\u00e4\\ud83d\\ude00"}').json()
    assert raw == {"a": "x?ä😀"}
    contract.Status(state=State.RUNNING, word="x", raw=raw).model_dump_json()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (402, PaymentRequired),
        (403, Forbidden),
        (404, RequestRefused),
        (409, RequestRefused),
        (422, RequestRefused),
        (500, RequestRefused),
        (301, ProtocolError),
        (308, ProtocolError),
    ],
)
def test_a_refusal_becomes_the_error_of_its_status(status: int, kind: type[LongshoreError]) -> None:
    """Account trouble, a matter of this batch, or a redirect that nobody follows."""
    error = refusal_of(Response(status))
    assert (type(error), error.status) == (kind, status)


def test_a_refusal_tells_the_vendors_words_or_its_reply() -> None:
    """The provider's hint wins over the usual one; secrets are not told."""
    body = json.dumps({"error": "no", "token": "hunter2"}).encode()
    error = refusal_of(Response(422, Headers(), body))
    assert error.message == "the vendor refused (422): no"
    error = refusal_of(Response(401, Headers(), body), "bad key", code="E1", hint="renew it")
    assert (error.message, error.code, error.hint) == (
        "the vendor refused (401): bad key",
        "E1",
        "renew it",
    )
    assert refusal_of(Response(404)).message == "the vendor refused (404): without a reason"
    assert "base_url" in refusal_of(Response(404)).hint


XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>BadDigest</Code><Message>The digest &quot;x&quot; is wrong.</Message></Error>"""
PAGE = b"<html><head><title>413 Request\nEntity Too Large</title></head><body>nginx</body></html>"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no"}, "no"),
        ({"title": "Bad Request", "detail": "no name"}, "no name"),
        ({"error": "invalid_grant", "error_description": "no such user"}, "no such user"),
        ({"error": True, "message": " too   large "}, "too large"),
        ({"success": False, "error": {"code": "x", "message": "no"}}, "no"),
        ({"success": False, "error": {"issues": [{"path": ["file"], "message": "Required"}]}},
         "file: Required"),
        ({"detail": [{"loc": ["body", "size"], "msg": "too small"}]}, "body.size: too small"),
        ({"errors": [{"field": "a", "detail": "long"}, {"path": "b.0", "msg": "odd"}, "more"]},
         "a: long; b.0: odd; more"),
        ({"errors": ["no"] * 9}, "no"),
        ({"code": "no_pages"}, "no_pages"),
        ("no", "no"),
        ({"success": False, "token": "hunter2"}, '{"success": false, "token": "REDACTED"}'),
        ({"message": "?token=hunter2"}, "?token=REDACTED"),
        ({"detail": {"detail": {"detail": {"detail": {"detail": "deep"}}}}, "title": "Bad"}, "Bad"),
        ([], "without a reason"),
        (b" ", "without a reason"),
        (b"Too many jobs", "Too many jobs"),
        (XML, 'BadDigest: The digest "x" is wrong.'),
        (PAGE, "a web page, '413 Request Entity Too Large'"),
        (b"<p>nothing", "<p>nothing"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_happened_in_words(body: Any, words: str) -> None:
    """Whatever the shape of the reply, it is not the reply itself that a user has to read."""
    reply = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert (
        refusal_of(Response(400, Headers(), reply)).message == f"the vendor refused (400): {words}"
    )


def test_a_redirect_tells_where_to_without_secrets() -> None:
    """And says nothing about an address that was not given."""
    told = refusal_of(Response(302, Headers({"Location": "https://b.example/?sig=hunter2"}))).hint
    assert told == "redirects are not followed; base_url may be https://b.example/?sig=REDACTED"
    assert refusal_of(Response(302)).hint == "redirects are not followed"


# --------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "api.example.com"},
        {"base_url": "ftp://api.example.com"},
        {"base_url": "https://user:pw@api.example.com"},
        {"base_url": "https://api.example.com/?a=b"},
        {"base_url": "https://[api"},
        {"timeout": 0},
        {"timeout": "soon"},
        {"poll_interval": -1},
        {"max_concurrency": 0},
        {"requests_per_minute": 0},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    """And no value is repeated in the message: it may be a secret."""
    with pytest.raises(ValidationError) as error:
        ProviderSettings(**wrong)
    assert "input_value" not in str(error.value)


def test_settings_are_read_as_people_write_them() -> None:
    """Times with units; a base URL without its last slash; what is missing is told."""
    settings = ProviderSettings(base_url="https://a.example/api/", timeout="5m")  # type: ignore[arg-type]
    assert (settings.base_url, settings.timeout) == ("https://a.example/api", 300.0)
    assert settings.missing() == ("api_key",)
    assert "hunter2" not in repr(SETTINGS)


def test_what_is_exchanged_shows_no_secret() -> None:
    """Signed URLs, keys in headers and tokens in replies: a traceback may show the objects."""
    request = Request.get("https://bucket.example/part?signature=hunter2")
    response = Response.of({"upload_token": "hunter2"})
    shown = repr(request.with_header("Authorization", "Bearer hunter2")) + repr(response)
    assert ("hunter2" in shown, "GET" in shown, "200" in shown) == (False, True, True)
