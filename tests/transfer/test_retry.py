"""What follows a try: decided by one pure function, carried out without additions."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

import longshore
from longshore.provider import Bytes, Headers, Request, Response, Retry
from longshore.transfer import (
    AnswerLost,
    NotSent,
    Policy,
    decide,
    retry_after,
    retry_with_clock,
    retry_with_stamina,
)
from longshore.transfer._retry import Again, Deliver, GiveUp, Lost, RetryIn, Verdict, http_date

NOW = 1_767_323_045.0  # Fri, 02 Jan 2026 03:04:05 GMT
POLICY = Policy(tries=6, seconds=300.0, first=0.5, longest=15.0)

REQUESTS = {
    Retry.SAFE: Request.get("/x"),
    Retry.IDEMPOTENT: Request.put("/x", Bytes(b"", "a/b")),
    Retry.KEYED: Request.post("/x", step="s", key="Idempotency-Key"),
    Retry.ONCE: Request.post("/x", step="s"),
}
OUTCOMES: dict[str, Response | NotSent | AnswerLost] = {
    "not sent": NotSent(),
    "lost": AnswerLost(),
    **{str(status): Response(status) for status in (200, 202, 302, 400, 401, 402, 404, 408, 409)},
    **{str(status): Response(status) for status in (413, 425, 429, 500, 501, 502, 503, 504)},
}


def verdict(
    request: Request,
    outcome: Response | NotSent | AnswerLost,
    *,
    tries: int = 1,
    deadline: float = NOW + 300,
) -> Verdict:
    return decide(request, tries, outcome, now=NOW, deadline=deadline, jitter=1.0, policy=POLICY)


def answer(status: int, **headers: str) -> Response:
    return Response(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}))


AGAIN = {"not sent", "lost", "408", "425", "429", "500", "502", "503", "504"}


@pytest.mark.parametrize("word", [Retry.SAFE, Retry.IDEMPOTENT, Retry.KEYED])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_may_be_sent_twice_is_retried_when_it_may_pass(word: Retry, outcome: str) -> None:
    """Connection trouble and passing statuses again, everything else to the flow."""
    expected = RetryIn(0.5) if outcome in AGAIN else Deliver()
    assert expected == verdict(REQUESTS[word], OUTCOMES[outcome])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_once_is_retried_only_where_nothing_can_have_happened(outcome: str) -> None:
    """No connection or 429 again; any 5xx, a 408 and a broken connection are lost answers."""
    expected: Verdict = Deliver()
    if outcome in {"not sent", "429"}:
        expected = RetryIn(0.5)
    elif outcome in {"lost", "408", "500", "501", "502", "503", "504"}:
        expected = Lost()
    assert expected == verdict(REQUESTS[Retry.ONCE], OUTCOMES[outcome])


ANY_OUTCOME = st.sampled_from([NotSent(), AnswerLost()]) | st.builds(
    Response,
    st.integers(100, 599),
    st.sampled_from([Headers(), Headers({"Retry-After": "0"}), Headers({"Retry-After": "7"})]),
)


@given(
    ANY_OUTCOME,
    st.integers(1, 8),
    st.floats(-100, 100),
    st.frozensets(st.integers(400, 599), max_size=5),
    st.frozensets(st.integers(400, 599), max_size=5),
)
def test_once_is_never_sent_again_after_it_may_have_acted(
    outcome: Response | NotSent | AnswerLost,
    tries: int,
    left: float,
    not_acted: frozenset[int],
    final: frozenset[int],
) -> None:
    """Over all outcomes; and giving up too means that a later try would double nothing."""
    request = Request.post("/x", step="s", not_acted=not_acted, final=final)
    if isinstance(verdict(request, outcome, tries=tries, deadline=NOW + left), RetryIn | GiveUp):
        sure = isinstance(outcome, Response) and outcome.status in {429, *not_acted}
        assert sure or isinstance(outcome, NotSent)


@given(st.sampled_from(Retry), ANY_OUTCOME, st.integers(1, 8), st.floats(-100, 400))
def test_no_new_try_after_the_deadline_or_the_last_one(
    word: Retry, outcome: Response | NotSent | AnswerLost, tries: int, left: float
) -> None:
    """Whatever the server asks for; and an answer is never given up."""
    match verdict(REQUESTS[word], outcome, tries=tries, deadline=NOW + left):
        case RetryIn(seconds):
            assert tries < POLICY.tries
            assert seconds >= 0
            assert NOW + seconds <= NOW + left  # in floats, where a tiny ``left`` is none
        case Deliver():
            assert isinstance(outcome, Response)
        case _:
            assert not (isinstance(outcome, Response) and outcome.status < 400)


@pytest.mark.parametrize("status", [404, 409, 500, 503])
def test_a_status_refused_before_acting_is_retried(status: int) -> None:
    """The provider knows its vendor; `final` is stronger still."""
    for word in (Retry.SAFE, Retry.ONCE):
        request = Request.post("/x", step="s", retry=word, not_acted=[status])
        assert verdict(request, Response(status)) == RetryIn(0.5)
        request = Request.post("/x", step="s", retry=word, not_acted=[status], final=[status])
        assert verdict(request, Response(status)) == Deliver()


def test_pauses_double_up_to_the_longest() -> None:
    """Jitter takes up to half of them away, so that many clients do not come back at once."""
    lost = AnswerLost()
    request = REQUESTS[Retry.SAFE]
    patient = Policy(tries=99)

    def pause(tries: int, jitter: float) -> Verdict:
        return decide(
            request, tries, lost, now=NOW, deadline=NOW + 99, jitter=jitter, policy=patient
        )

    full = [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert [pause(tries, 1.0) for tries in range(1, 8)] == [RetryIn(s) for s in full]
    assert [pause(tries, 0.0) for tries in range(1, 8)] == [RetryIn(s / 2) for s in full]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": ""}, None),
        ({"retry_after": "7"}, 7.0),
        ({"Retry_After": " 1.5 "}, 1.5),
        ({"retry_after": "-5"}, 0.0),
        ({"retry_after": "86400"}, 120.0),
        ({"retry_after": "1e400"}, 120.0),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 GMT"}, 10.0),
        ({"retry_after": "Fri, 02 Jan 2026 03:03:05 GMT"}, 0.0),
        ({"retry_after": "Sat, 02 Jan 2027 03:03:05 GMT"}, 120.0),
        # The vendor's clock is an hour behind ours: its date counts against its own.
        (
            {
                "retry_after": "Fri, 02 Jan 2026 02:04:15 GMT",
                "date": "Fri, 02 Jan 2026 02:04:05 GMT",
            },
            10.0,
        ),
        ({"retry_after": "Fri, 02 Jan 2026 03:04:15 +99999999999999"}, None),
    ],
)
def test_retry_after_is_read_and_bounded(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds or a date, never past two minutes, never negative, nonsense is absent."""
    assert seconds == retry_after(answer(429, **headers), NOW)


def test_the_vendor_is_obeyed_or_left_alone() -> None:
    """Its pause replaces ours; one that does not fit is told to whoever comes back later."""
    request = REQUESTS[Retry.ONCE]
    slow = answer(429, retry_after="60")
    assert verdict(request, slow) == RetryIn(60.0)
    assert verdict(request, slow, deadline=NOW + 59) == GiveUp(60.0)
    assert verdict(request, Response(429), tries=6) == GiveUp(None)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_no_header_makes_it_fail(text: str) -> None:
    """A vendor may send anything."""
    http_date(text)
    seconds = retry_after(answer(503, retry_after=text, date=text), NOW)
    assert seconds is None or 0 <= seconds <= 120


# ------------------------------------------------------------------------- carrying it out


def failing(delays: list[float], seen: list[int]) -> Callable[[int], object]:
    async def attempt(number: int) -> Response:
        seen.append(number)
        if delays:
            raise Again(delays.pop(0))
        return Response(200)

    return attempt


DELAYS = [0.0, 0.25, 120.0, 3.0, 0.5, 0.0, 1.0, 2.0, 60.0, 5.0, 7.0, 15.0]


@pytest.fixture(params=["stamina", "inactive", "testing"])
def _switched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a program switch stamina for the whole process, as its tests may do."""
    stamina.set_active(request.param != "inactive")
    stamina.set_testing(request.param == "testing")
    yield
    stamina.set_active(True)
    stamina.set_testing(False)


@pytest.mark.usefixtures("_switched")
async def test_stamina_waits_exactly_what_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter, no backoff, no limit of tries or time of its own; zero is a pause too.

    Nor do the switches by which a program leaves retries out of its own tests change what we do.
    """
    slept: list[float] = []
    seen: list[int] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    response = await retry_with_stamina(failing(list(DELAYS), seen))  # type: ignore[arg-type]
    assert (response.status, slept) == (200, DELAYS)
    assert seen == list(range(1, len(DELAYS) + 2))


async def test_another_clock_waits_the_same() -> None:
    """What the simulator does is what happens in real time."""
    slept: list[float] = []
    seen: list[int] = []

    class Clock:
        def now(self) -> float:
            return NOW

        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    attempt = failing(list(DELAYS), seen)
    await retry_with_clock(Clock())(attempt)  # type: ignore[arg-type]
    assert (slept, seen) == (DELAYS, list(range(1, len(DELAYS) + 2)))


async def test_other_errors_pass_at_once() -> None:
    """Only what was decided is retried."""
    seen: list[int] = []

    async def attempt(number: int) -> Response:
        seen.append(number)
        raise AnswerLost("gone")

    for retries in (retry_with_stamina,):
        with pytest.raises(AnswerLost):
            await retries(attempt)
    assert seen == [1]


def test_nobody_switches_stamina_for_the_whole_process() -> None:
    """Its switches are global: the application's own retries would change with ours."""
    assert stamina.is_active()
    root = Path(longshore.__file__).parent
    used = {
        node.attr
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "stamina"
    }
    assert used == {"retry_context", "is_active", "is_testing"}
