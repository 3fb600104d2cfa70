"""One request of a flow, from credentials to an answer: who is told what, and what is counted."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ProtocolError, SourceChanged, VendorUnavailable
from longshore.provider import Headers, Json, Raw, Request, Response
from longshore.transfer import AnswerLost, Concurrency, NotSent, Policy
from tests.transfer.driving import DATA, DOCUMENT, FORM, KEY, OK, PUT, World


def test_a_relative_url_goes_to_the_vendor_with_credentials() -> None:
    """Behind the base URL and its path."""
    world = World()
    assert world.exchange(Request.get("/jobs", {"limit": 5})) == OK
    assert world.sent[0].url == "https://api.example.com/v1/jobs?limit=5"
    assert world.headers()["authorization"] == f"Bearer {KEY}"
    assert world.sent[0].timeout == 60.0


@given(
    st.sampled_from(["api.example.com", "API.EXAMPLE.COM", "api.example.com:443", "evil.example"]),
    st.text("abc/?=&@:.%-", max_size=20),
    st.sampled_from(["https", "HTTPS"]),
)
def test_an_absolute_url_never_gets_credentials(host: str, path: str, scheme: str) -> None:
    """Whatever its host, the vendor's own included: it carries its own."""
    world = World()
    url = f"{scheme}://{host}/{path}"
    world.exchange(Request.put(url, Raw(DOCUMENT.whole()), headers={"x-amz-acl": "private"}))
    assert world.sent[0].url == url
    assert KEY not in str(world.sent[0])
    assert set(world.headers()) == {"x-amz-acl", "content-length"}


@pytest.mark.parametrize(
    ("base", "url", "allowed"),
    [
        ("https://a.example", "https://s3.example/k", True),
        ("https://a.example", "http://s3.example/k?X-Amz-Signature=hunter2", False),
        ("https://a.example", "ftp://s3.example/k", False),
        ("https://a.example", "https:///k", False),
        ("https://a.example", "https://[s3/k", False),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001/k", True),
        ("HTTP://127.0.0.1:9000", "http://127.0.0.1:9001/k", True),
        ("http://127.0.0.1:9000", "https://s3.example/k", True),
        ("http://127.0.0.1:9000", "file:///etc/passwd", False),
    ],
)
def test_nothing_goes_in_the_clear_unless_the_vendor_does(
    base: str, url: str, allowed: bool
) -> None:
    """A signed URL from a reply must be https; the error shows it without its signature."""
    world = World(base_url=base)
    if allowed:
        world.exchange(Request.get(url))
    else:
        with pytest.raises(ProtocolError) as error:
            world.exchange(Request.get(url))
        assert "hunter2" not in error.value.message
    assert len(world.sent) == allowed


def test_the_key_goes_where_the_vendor_wants_it_and_names_the_boundary() -> None:
    """The same for every try, and another for another step."""
    world = World(answers=[Response(429)])
    world.exchange(Request.post("/d", FORM.body, step="s", key="Idempotency-Key"), "key-7")
    for number in (0, 1):
        headers = world.headers(number)
        assert headers["idempotency-key"] == "key-7"
        assert headers["content-type"] == "multipart/form-data; boundary=longshore-key-7"
    assert world.bodies[0] == world.bodies[1]
    world.exchange(PUT, "key-8")
    assert "idempotency-key" not in world.headers()


@pytest.mark.parametrize(
    ("request_", "length", "kind"),
    [
        (PUT, "50", None),
        (Request.post("/d", step="s"), "0", None),
        (Request.post("/d", Json({"a": "ä"}), step="s"), "10", "application/json"),
        (Request.get("/d"), None, None),
    ],
)
def test_content_length_is_that_of_the_bytes(
    request_: Request, length: str | None, kind: str | None
) -> None:
    """Also nothing at all of a POST; and no type where there is none to tell."""
    world = World()
    world.exchange(request_)
    assert (world.headers().get("content-length"), world.headers().get("content-type")) == (
        length,
        kind,
    )
    assert len(world.bodies[0]) == int(length or 0)


def test_the_size_of_a_form_is_exact() -> None:
    """Files and what stands between them."""
    world = World()
    world.exchange(FORM)
    assert world.headers()["content-length"] == str(len(world.bodies[0]))


def test_a_type_that_the_flow_chose_stays() -> None:
    """Signed uploads dictate theirs, in any letter case."""
    world = World()
    world.exchange(
        Request.put("/d", Raw(DOCUMENT.whole(), "application/pdf"), headers={"content-type": "a/b"})
    )
    assert world.headers()["content-type"] == "a/b"
    assert "Content-Type" not in world.sent[0].headers


def test_credentials_are_made_right_before_each_try() -> None:
    """After the pause: a signature with a time in it would be too old."""
    world = World(answers=[Response(503, Headers({"Retry-After": "9"})), NotSent()])
    world.exchange(PUT)
    signed = [world.headers(number)["x-signed-at"] for number in range(3)]
    assert signed[:2] == ["1000", "1009"]
    assert float(signed[2]) > 1009


def test_each_try_reads_the_file_again_from_its_place() -> None:
    """And leaves nothing open."""
    world = World(answers=[AnswerLost(), Response(500)])
    world.exchange(PUT)
    assert world.bodies == [DATA[10:60]] * 3
    assert world.open == 0


def test_the_tally_counts_what_left() -> None:
    """Tries, retries, and the bytes of documents that were answered; a form's own are not."""
    told: list[tuple[str, float]] = []
    world = World(answers=[NotSent("no route"), Response(429, Headers({"Retry-After": "2"}))])
    world.tally.retried = lambda why, seconds: told.append((why, seconds))
    world.exchange(FORM)
    tally = world.tally
    assert (tally.requests, tally.retries, tally.bytes_sent) == (3, 2, 200)
    assert [why for why, _ in told] == ["no route", "status 429"]
    assert told[1][1] == 2.0


@pytest.mark.parametrize("trouble", [Response(429), AnswerLost("no answer within 60 s")])
def test_trouble_halves_how_many_requests_leave_at_once(trouble: Response | Exception) -> None:
    """What is answered in time does not."""
    world = World()
    world.driver.concurrency = Concurrency(world, 8)
    world.exchange(PUT)
    assert world.driver.concurrency.level == 4
    world.answers = [trouble]
    world.exchange(PUT)
    assert world.driver.concurrency.level == 2


def test_a_429_pauses_the_account_although_the_file_changed() -> None:
    """It is about the account, whatever becomes of the request that it answers."""
    world = World()

    def change() -> Response:
        world.changed = True
        return Response(429, Headers({"Retry-After": "100"}))

    world.answers = [change]
    with pytest.raises(SourceChanged):
        world.exchange(PUT)
    world.changed = False
    began = world.time
    world.exchange(PUT)
    assert world.time - began >= 100.0


@pytest.mark.parametrize(
    ("answer", "status", "connected", "after"),
    [
        (NotSent("connection refused"), None, False, None),
        (AnswerLost("no answer"), None, True, None),
        (Response(503), 503, True, None),
        (Response(503, Headers({"Retry-After": "100"})), 503, True, 100.0),
    ],
)
def test_an_outage_says_what_it_was(
    answer: Response | Exception, status: int | None, connected: bool, after: float | None
) -> None:
    """After about half a minute of tries: where, why, when to come back; the rest others know."""
    world = World(answers=[answer] * 20)
    with pytest.raises(VendorUnavailable) as error:
        world.exchange(PUT)
    found = error.value
    assert (found.status, found.connected, found.retry_after) == (status, connected, after)
    said = "does not answer: " if status is None else f"answers with status {status}"
    assert f"https://api.example.com/v1 {said}" in found.message
    assert found.hint == "check base_url and the network"  # no command goes on with everything
    assert world.time - 1000 <= 30
    assert 1 <= len(world.sent) <= Policy().tries


def test_an_outage_elsewhere_names_its_host_only() -> None:
    """A signed URL is not shown."""
    world = World(answers=[Response(503)] * 20)
    with pytest.raises(VendorUnavailable) as error:
        world.exchange(Request.get("https://s3.example/k?X-Amz-Signature=hunter2"))
    assert error.value.message == "s3.example answers with status 503"


def test_a_long_upload_is_tried_again() -> None:
    """The patience begins when the first try ends, not when it began."""
    world = World(answers=[Response(503)], took=600.0)
    assert world.exchange(PUT) == OK
    assert len(world.sent) == 2


def test_slow_failures_do_not_prolong_the_patience() -> None:
    """Half a minute after the first one no new try begins."""
    world = World(answers=[AnswerLost()] * 20, took=20.0)
    with pytest.raises(VendorUnavailable):
        world.exchange(PUT)
    assert len(world.sent) == 3


def test_a_wait_for_a_turn_does_not_use_up_the_tries() -> None:
    """A 429 of another task may pause the account for minutes."""
    world = World(answers=[Response(503)])
    world.pace.throttled(120.0)
    assert world.exchange(Request.get("/jobs")) == OK


def test_a_lost_answer_to_a_once_request_is_raised() -> None:
    """Nothing is sent again."""
    for answer in (AnswerLost("no answer"), Response(502)):
        world = World(answers=[answer])
        with pytest.raises(AnswerLost):
            world.exchange(FORM)
        assert len(world.sent) == 1


def test_a_429_pauses_the_account_and_a_signed_upload_does_not() -> None:
    """The storage's rate is not the vendor's."""
    world = World(answers=[Response(429, Headers({"Retry-After": "20"}))])
    world.exchange(Request.get("/a"))
    assert world.time == 1020.0
    other = World(answers=[Response(429, Headers({"Retry-After": "100"}))])
    with pytest.raises(VendorUnavailable):
        other.exchange(Request.get("https://s3.example/k"))
    other.exchange(Request.get("/a"))
    assert other.time == 1000.0


@pytest.mark.parametrize(("ahead", "told"), [(3600, 3600.0), (-3600, -3600.0), (1, 0.0), (0, 0.0)])
def test_the_vendors_clock_is_read_from_its_date(ahead: int, told: float) -> None:
    """Up to two seconds are the rounding of the header; the storage's clock does not count."""
    world = World()
    date = {"Date": formatdate(world.time + ahead, usegmt=True)}
    storage = {"Date": formatdate(world.time + 99_999, usegmt=True)}
    world.answers = [
        Response(200, Headers(date)),
        Response(200, Headers(storage)),
        Response(200, Headers({"Date": "Fri, 02 Jan 2026 03:04:15 +99999999999999"})),
    ]
    world.exchange(Request.get("/a"))
    world.exchange(Request.get("https://s3.example/k"))
    world.exchange(Request.get("/a"))
    assert world.driver.vendor_now() == world.time + told
    assert world.driver.answered_at == world.time
