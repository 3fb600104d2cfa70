"""Vendors: routing, ids, assumptions, building blocks and the inspection view."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

import longshore.sandbox
from longshore.sandbox import (
    Assumption,
    Blob,
    Call,
    Faults,
    PartCounts,
    RateLimit,
    Recorder,
    Refuse,
    Reply,
    StatusWalk,
    Storage,
    Vendor,
    VendorState,
    document_state,
    iso_time,
    job_state,
    route,
)

BASE = "https://desk.example/api"


class Desk(Vendor):
    name = "desk"
    home = BASE
    table = (
        Assumption("missing_key", 401, "status of a missing key", "not documented", (401, 403)),
        Assumption("walk", "queued:1,done", "how jobs go on", "not documented"),
        Assumption("grace", 0.5, "seconds of grace", "not documented"),
        Assumption("strict", True, "unknown fields are refused", "not documented"),
    )

    def guard(self, call: Call, now: float) -> Reply | None:
        return None if call.bearer == "key" else Reply.empty(self.assumptions["missing_key"])

    @route("GET", "/jobs/{job}")
    def show(self, call: Call, now: float, job: str) -> Reply:
        return Reply.text(200, job + call.param("x"))

    @route("GET", "/jobs/latest")
    @route("GET", "/open", guarded=False)
    def latest(self, call: Call, now: float) -> Reply:
        return Reply.text(200, "latest of " + call.path)

    @route("POST", "/jobs")
    def create(self, call: Call, now: float) -> Reply:
        if call.json_object().get("refuse"):
            raise Refuse(Reply.text(422, "no"))
        return Reply.json(202, {"id": self.new_id("job_"), "uuid": self.new_uuid()})

    @route("POST", "/forms")
    def forms(self, call: Call, now: float) -> Reply:
        return Reply.text(200, str(call.form().text("a")))

    def state(self, now: float) -> VendorState:
        return {
            "documents": [document_state("a.pdf", Blob(b"abc"), "job_1")],
            "jobs": [job_state("job_1", "done", ["a.pdf"])],
            "parts": {"up": {"1": 1, "2": 3}},
        }


def ask(
    vendor: Vendor | Recorder,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    known = {"Authorization": "Bearer key", "Content-Type": "application/json", **(headers or {})}
    return vendor.handle(Call.of(method, BASE + path, known, body), 0.0)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/jobs/a%20b?x=1", 200, "a b1"),
        ("GET", "/jobs/latest", 200, "latest of /jobs/latest"),
        ("GET", "/jobs", 405, "method not allowed"),
        ("GET", "/jobs/", 404, "no such endpoint"),
        ("GET", "/jobs/a/b", 404, "no such endpoint"),
        ("GET", "", 404, "no such endpoint"),
        ("POST", "/jobs", 202, "job_000001"),
    ],
)
def test_calls_find_their_route(method: str, path: str, status: int, text: str) -> None:
    """Templates match whole paths below the base URL; literal segments come first."""
    reply = ask(Desk(), method, path)
    assert status == reply.status
    assert text in reply.body.decode()


def test_the_guard_stands_before_routes() -> None:
    """Credentials are asked for on every route but the open ones, and not for unknown paths."""
    call = {"Authorization": ""}
    answers = [
        ask(Desk(), "GET", path, headers=call).status for path in ("/jobs/1", "/open", "/no")
    ]
    assert answers == [401, 200, 404]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/jobs", b'{"refuse": 1}', {}, 422),
        ("/jobs", b"{", {}, 400),
        ("/jobs", b'{"a": NaN}', {}, 400),
        ("/jobs", b"[]", {}, 400),
        ("/jobs", b"{}", {"Content-Type": "text/plain"}, 415),
        ("/forms", b"--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}, 200),
        ("/forms", b"--C--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}, 400),
        (
            "/forms",
            b'--B\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n\r\n--B--',
            {"Content-Type": "multipart/form-data; boundary=B"},
            400,
        ),
    ],
)
def test_bad_calls_are_answers(
    path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    """What a client sends never raises: refusals and unreadable bodies become replies."""
    assert status == ask(Desk(), "POST", path, body, headers).status


class Formal(Desk):
    """It says every error in a form of its own."""

    def error(self, status: int, message: str) -> Reply:
        return Reply.text(status, f"sorry: {message}")

    @route("POST", "/never")
    def never(self, call: Call, now: float) -> Reply:
        self.refuse(418, "never")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/never", b"", 418, "sorry: never"),
        ("POST", "/jobs", b"[]", 400, "sorry: the JSON body must be an object"),
        ("GET", "/nowhere", b"", 404, "sorry: no such endpoint: GET /nowhere"),
        ("GET", "/jobs", b"", 405, "sorry: method not allowed"),
    ],
)
def test_every_error_has_the_vendors_form(
    method: str, path: str, body: bytes, status: int, text: str
) -> None:
    """One method says how; refusals, unreadable bodies and unknown paths go through it."""
    reply = ask(Formal(), method, path, body)
    assert (reply.status, reply.body.decode()) == (status, text)
    assert reply.headers.get("allow") == ("POST" if status == 405 else None)


def test_two_handlers_of_one_route_are_an_error() -> None:
    """A vendor with an ambiguous table cannot be defined."""
    with pytest.raises(TypeError, match="two handlers"):

        class Twice(Desk):
            @route("POST", "/jobs")
            def again(self, call: Call, now: float) -> Reply:
                return Reply.empty()


def test_an_override_keeps_its_route() -> None:
    """A subclass may replace a handler without marking it again."""

    class Changed(Desk):
        def create(self, call: Call, now: float) -> Reply:
            return Reply.empty(299)

    assert ask(Changed(), "POST", "/jobs", b"{}").status == 299


def test_ids_are_counted_not_random() -> None:
    """The same calls make the same ids."""
    first, second = (
        [ask(desk, "POST", "/jobs", b"{}").value() for _ in "ab"] for desk in (Desk(), Desk())
    )

    assert first == second
    assert [made["id"] for made in first] == ["job_000001", "job_000002"]
    assert first[0]["uuid"] != first[1]["uuid"]


def test_mounting_moves_vendor_and_storage() -> None:
    """After a move, routes and signed URLs live under the new base URL."""
    desk = Desk()
    desk.storages.append(Storage())
    desk.mount("http://127.0.0.1:9/desk/")
    assert desk.storages[0].url("k") == "http://127.0.0.1:9/desk/storage/uploads/k"
    reply = desk.handle(Call.of("GET", "http://127.0.0.1:9/desk/open"), 0.0)
    assert reply.body == b"latest of /open"
    put = desk.storages[0].presign("PUT", "k", now=0, expires=9)
    assert desk.handle(Call.of("PUT", put, {}, b"x"), 0.0).status == 200


def test_assumptions_are_switched_by_name() -> None:
    """Overrides take effect, also as the command line writes them; rows list them."""
    desk = Desk({"missing_key": "403", "grace": 2, "strict": "false", "walk": "done"})
    assert list(desk.assumptions.values()) == [403, "done", 2.0, False]
    assert ask(desk, "GET", "/jobs/1", headers={"Authorization": ""}).status == 403
    row = desk.assumptions.rows()[0]
    assert (
        row["name"],
        row["value"],
        row["default"],
        row["choices"],
    ) == ("missing_key", 403, 401, [401, 403])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"mising_key": 403}, "unknown assumption 'mising_key'; did you mean missing_key?"),
        ({"zzz": 1}, "there are: missing_key, walk, grace, strict"),
        ({"missing_key": 404}, "404 is none of 401, 403"),
        ({"missing_key": "x"}, "'x' is not of type int"),
        ({"strict": 1}, "1 is not of type bool"),
        ({"walk": 1}, "1 is not of type str"),
    ],
)
def test_a_wrong_assumption_says_what_is_right(overrides: dict[str, Any], message: str) -> None:
    """Unknown names list the known ones; wrong values say what they must be."""
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        Desk(overrides)


class Guarded(Vendor):
    """With a key, files that trigger something, and scopes."""

    table = (
        Assumption("api_key", "", "the only key; empty: any", "option"),
        Assumption("failing", "*fail*", "files of these names fail", "option"),
        Assumption("scopes", "jobs:read, jobs:write", "what the key may do", "option"),
    )


def test_an_assumption_is_a_value_a_pattern_or_words() -> None:
    """Any key but none is good until one is named; a pattern has no case; words are listed."""
    any_key, one_key = Guarded().assumptions, Guarded({"api_key": "k"}).assumptions
    assert [any_key.allows("api_key", key) for key in ("", "k", "x")] == [False, True, True]
    assert [one_key.allows("api_key", key) for key in ("", "k", "x")] == [False, True, False]
    assert [any_key.matches("failing", name) for name in ("FAIL.pdf", "a.pdf")] == [True, False]
    assert any_key.words("scopes") == ["jobs:read", "jobs:write"]


def test_a_walk_goes_through_its_states() -> None:
    """States hold for their seconds; the last one stays."""
    walk = StatusWalk.parse("queued:1, running:2.5, done")
    times = (10.0, 10.9, 11.0, 13.4, 13.5, 99.0)
    assert [walk.at(10.0, now) for now in times] == [
        "queued",
        "queued",
        "running",
        "running",
        "done",
        "done",
    ]
    assert [walk.entered(s, 10.0) for s in ("queued", "running", "done")] == [10.0, 11.0, 13.5]
    assert walk.ended(10.0) == 13.5
    with pytest.raises(KeyError):
        walk.entered("failed", 10.0)
    assert StatusWalk.parse("done").at(0.0, 0.0) == "done"


@pytest.mark.parametrize("text", ["", "a:1", "a,b", "a:x,b", ":1,b", "a:-1,b"])
def test_a_wrong_walk_is_refused(text: str) -> None:
    """A walk needs seconds for every state but the last, which has none."""
    with pytest.raises(ValueError, match="not a status walk"):
        StatusWalk.parse(text)


def test_a_rate_limit_slides() -> None:
    """The window slides for each key, and the refusal says how many whole seconds to wait."""
    limit = RateLimit(2, per=10.0)
    assert [limit.take("a", now) for now in (0.0, 1.0, 3.5)] == [0, 0, 7]
    assert [limit.take(key, 10.0) for key in ("b", "a", "a")] == [0, 0, 1]


def test_a_rate_of_nothing_is_no_limit() -> None:
    """As the switches of the sandboxes have it."""
    assert [RateLimit(0, per=10.0).take("a", 0.0) for _ in range(3)] == [0, 0, 0]


def test_a_reply_says_when_to_come_back() -> None:
    """Beside its other headers."""
    reply = Reply.text(429, "slow down").retry_after(7)
    assert (reply.headers["retry-after"], reply.status, reply.body) == ("7", 429, b"slow down")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


def test_part_counts_tell_repeats() -> None:
    """How often each has come."""
    counts = PartCounts()
    for number in (2, 1, 2):
        counts.add("u", number)
    assert counts.state() == {"u": {"1": 1, "2": 2}}


def test_times_are_written_in_utc() -> None:
    """Timestamps are ISO 8601 with milliseconds, or without where a vendor writes none."""
    assert iso_time(1730538000.25) == "2024-11-02T09:00:00.250Z"
    assert iso_time(1730538000.25, milliseconds=False) == "2024-11-02T09:00:00Z"


def test_the_recorder_counts_and_shows() -> None:
    """Calls are counted by route with bytes and answers; the view adds what the vendor holds."""
    recorder = Recorder(Desk(), Faults.from_json('[{"path": "/jobs/9", "drop": "after"}]'))
    ask(recorder, "POST", "/jobs", b'{"a":1}')
    ask(recorder, "GET", "/jobs/1")
    with pytest.raises(Exception, match="dropped"):
        ask(recorder, "GET", "/jobs/9")
    ask(recorder, "GET", "/nowhere")
    state = ask(recorder, "GET", "/_sandbox/state").value()
    assert state["calls"] == {
        "GET (no route)": {"count": 1, "bytes": 0, "answers": {"404": 1}},
        "GET /jobs/{job}": {"count": 2, "bytes": 0, "answers": {"200": 1, "dropped after": 1}},
        "POST /jobs": {"count": 1, "bytes": 7, "answers": {"202": 1}},
    }
    assert (state["vendor"], state["duplicates"]) == ("desk", 2)
    assert state["jobs"] == [{"id": "job_1", "state": "done", "documents": ["a.pdf"]}]
    assert ("a.pdf", 3, Blob(b"abc").sha256, "job_1") == tuple(state["documents"][0].values())


def test_the_example_of_the_package_works() -> None:
    """The vendor in the package's docstring can be run as it stands there."""
    lines = (inspect.getdoc(longshore.sandbox) or "").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("    class Acme"))
    end = next(index for index, line in enumerate(lines) if line.startswith("    Acme()"))
    scope: dict[str, Any] = {name: getattr(longshore.sandbox, name) for name in NAMES}
    exec(textwrap.dedent("\n".join(lines[start:end])), scope)
    acme, base = scope["Acme"](), "https://api.acme.example"
    head = {"Authorization": "Bearer test-key", "Content-Type": "multipart/form-data; boundary=B"}
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1\r\n--B--'
    assert acme.handle(Call.of("POST", base + "/v1/jobs", head, form), 0.0).status == 202
    show = Call.of("GET", base + "/v1/jobs/job_000001", head)
    assert [acme.handle(show, now).value()["status"] for now in (0.0, 1.0)] == ["queued", "done"]
    assert acme.state(1.0)["jobs"][0]["documents"] == ["a"]


NAMES = [name for name in longshore.sandbox.__all__ if name not in longshore.sandbox._SHELL]
