"""Where retries are decided: one pure function, and stamina to carry the decision out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Protocol, TypeAlias

import stamina

from longshore.provider import Request, Response, Retry
from longshore.transfer._endings import Ending
from longshore.transfer._port import AnswerLost, Clock

__all__ = [
    "Again", "Deliver", "GiveUp", "Lost", "Policy", "Retries", "RetryIn", "Verdict", "decide",
    "http_date", "retry_after", "retry_with_clock", "retry_with_stamina",
]  # fmt: skip

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass by themselves."""

MOST_RETRY_AFTER = 120.0
"""No vendor makes us wait longer than this at once, in seconds; then we ask again."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient one exchange is.

    Attributes:
        tries: at most.
        seconds: counted from the end of the first try, no new one begins later than this.
        first: pause after the first failure; it doubles.
        longest: longest pause of our own choosing.
    """

    tries: int = 8
    seconds: float = 30.0
    first: float = 0.5
    longest: float = 15.0


@dataclass(frozen=True, slots=True)
class Deliver:
    """The answer goes to the flow."""


@dataclass(frozen=True, slots=True)
class RetryIn:
    """The same request goes out again after some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Enough for now; nothing happened at the vendor that a later try would double."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The vendor may have acted: the request's remedy decides."""

    retry_after: float | None = None


Verdict: TypeAlias = Deliver | RetryIn | GiveUp | Lost


def decide(
    request: Request,
    tries: int,
    ending: Ending,
    *,
    now: float,
    deadline: float,
    jitter: float,
    policy: Policy,
) -> Verdict:
    """Decide what follows a try.

    Args:
        request: its retry word says what a lost answer means.
        tries: how many there were, this one included.
        ending: how the last one ended.
        now: seconds since the epoch.
        deadline: no new try begins after it.
        jitter: 0 to 1, spreads the pauses of many clients.
        policy: how patient to be.
    """
    once = request.retry is Retry.ONCE
    asked: float | None = None
    if isinstance(ending, Response):
        status = ending.status
        if status < 400 or status in request.final:
            return Deliver()
        surely_not_acted = status == 429 or status in request.not_acted
        if once and not surely_not_acted:
            lost = status >= 500 or status == 408
            return Lost(retry_after(ending, now)) if lost else Deliver()
        if status not in PASSING and not surely_not_acted:
            return Deliver()
        asked = retry_after(ending, now)
    elif once and isinstance(ending, AnswerLost):
        return Lost()
    pause = asked if asked is not None else _pause(tries, jitter, policy)
    if tries >= policy.tries or now + pause > deadline:
        return GiveUp(asked)
    return RetryIn(pause)


def _pause(tries: int, jitter: float, policy: Policy) -> float:
    full = min(policy.longest, policy.first * 2.0 ** (tries - 1))
    return full * (0.5 + jitter / 2)


def retry_after(response: Response, now: float) -> float | None:
    """Read ``Retry-After``, seconds or a date, as seconds from now: 0 to 120, None if absent."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = http_date(value)
        if moment is None:
            return None
        # A date is only good against the clock of whoever wrote it.
        seconds = moment - (http_date(response.headers.get("date", "")) or now)
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER)


@lru_cache(maxsize=16)  # the Date of all answers of one second is the same
def http_date(text: str) -> float | None:
    """Read an HTTP date as seconds since the epoch; None when it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: an absurd time zone
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# ------------------------------------------------------------------------ carrying it out


class Again(Exception):
    """Raised inside a try: the same once more, after ``delay`` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(delay)
        self.delay = delay


Attempt: TypeAlias = Callable[[int], Awaitable[Response]]


class Retries(Protocol):
    """Calls an attempt with 1, 2, 3, ... as long as it raises ``Again``."""

    async def __call__(self, attempt: Attempt) -> Response:
        """Return what the last attempt returned."""
        ...


def _delay(error: Exception) -> bool | float:
    return error.delay if isinstance(error, Again) else False


async def retry_with_stamina(attempt: Attempt) -> Response:
    """Carry out retries in real time; the pauses are those of ``decide``, nothing is added."""
    try:
        return await attempt(1)  # most need no more, and nothing of what retries cost
    except Again as again:
        failed = again
    if not stamina.is_active() or stamina.is_testing():  # a program's, for tests of its own
        await asyncio.sleep(failed.delay)
        return await _retry(attempt, asyncio.sleep, number=2)
    async for trial in stamina.retry_context(on=_delay, attempts=None, timeout=None):
        with trial:
            if trial.num == 1:
                raise failed
            return await attempt(trial.num)
    raise AssertionError("unreachable: the last attempt returns or raises")


def retry_with_clock(clock: Clock) -> Retries:
    """Carry out retries on a clock that is not the real one, as the simulator does."""

    async def retries(attempt: Attempt) -> Response:
        return await _retry(attempt, clock.sleep)

    return retries


async def _retry(
    attempt: Attempt, sleep: Callable[[float], Awaitable[None]], number: int = 1
) -> Response:
    while True:
        try:
            return await attempt(number)
        except Again as again:
            await sleep(again.delay)
        number += 1
