"""Dealing with deliveries: from a token to a wake in the mailbox of the run."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from os import PathLike
from pathlib import Path

from longshore.errors import LongshoreError, RunNotFound
from longshore.journal import FactKind, Journal, UnitRecord, open_journal
from longshore.pipeline import batch_of_token, hook_key
from longshore.webhooks._signature import Signature

__all__ = ["OF_TARGET", "Receiver", "Result"]

_log = logging.getLogger(__name__)

OF_TARGET = "to-"
"""Begins the name of a target in a token: for vendors that are told one address for all."""

_MOST_TEXTS = 200

_AT_ONCE = 256
"""Deliveries that are being dealt with; more are dropped: the next poll comes all the same."""


class Result(StrEnum):
    """What became of a delivery; nobody but us learns it."""

    WOKEN = "woken"
    WAITING = "waiting"
    OVER = "over"
    UNSIGNED = "unsigned"
    STRANGE = "strange"
    DROPPED = "dropped"


class Receiver:
    """Takes deliveries, and leaves a wake for the run of each that is ours.

    Args:
        journal: its file, or a journal that is open already; None: the usual place.
        signatures: target name -> how its vendor signs.
        now: the clock.
        told: called with the result of each delivery, its run and its batch ("" if strange); what
            it raises is logged.

    Attributes:
        counts: deliveries by result.
    """

    def __init__(
        self,
        journal: str | PathLike[str] | Journal | None = None,
        signatures: Mapping[str, Signature] | None = None,
        *,
        now: Callable[[], float] = time.time,
        told: Callable[[Result, str, str], None] = lambda _result, _run, _batch: None,
    ) -> None:
        self._given = journal
        self._signatures = dict(signatures or {})
        self._now = now
        self._told = told
        self._stack = AsyncExitStack()
        self._journal: Journal | None = None
        self._opening = asyncio.Lock()
        self._key: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._warned: set[str] = set()
        self.counts: Counter[Result] = Counter()

    async def open(self) -> Journal:
        """Open the journal, unless that was done; where no lifespan runs, the first delivery does.

        Raises:
            JournalError: it cannot be used.
        """
        async with self._opening:
            journal = self._journal
            if journal is None:
                journal = await self._open_given()
                self._key = hook_key(journal)
                self._journal = journal
            return journal

    async def _open_given(self) -> Journal:
        given = self._given
        if given is not None and not isinstance(given, str | PathLike):
            return given
        path = Path(given) if given is not None else None
        return await self._stack.enter_async_context(open_journal(path))

    async def settled(self) -> None:
        """Wait until every delivery that was taken is dealt with."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def aclose(self) -> None:
        """Deal with what was taken, and close the journal."""
        await self.settled()
        self._journal = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    # ------------------------------------------------------------------ one delivery

    def take(self, token: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Take a delivery and return at once: how long the rest takes tells the caller nothing."""
        if len(self._tasks) >= _AT_ONCE:
            self._note(Result.DROPPED)
            return
        task = asyncio.create_task(self._deal(token, list(headers), body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deal(self, token: str, headers: list[tuple[str, str]], body: bytes) -> None:
        try:
            journal = await self.open()
            assert self._key is not None
            batch_id = batch_of_token(self._key, token)
            if batch_id is None:
                self._note(Result.STRANGE)
                return
            if batch_id.startswith(OF_TARGET):
                target = batch_id.removeprefix(OF_TARGET)
                if not self._signed(target, headers, body):
                    self._note(Result.UNSIGNED)
                    return
                units = await _named(journal, target, body)
            else:
                units = await _unit(journal, batch_id)
            if not units:
                self._note(Result.STRANGE)
            for unit in units:
                result = await self._about(journal, unit, headers, body)
                self._note(result, unit.run_id, unit.id)
        except LongshoreError as error:
            self._note(Result.DROPPED)
            _log.warning("a delivery is lost, the next poll comes all the same: %s", error)

    def _signed(
        self,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        session: Mapping[str, str] | None = None,
    ) -> bool:
        how = self._signatures.get(target)
        if how is None or how.fits(headers, body, now=self._now(), session=session):
            return True
        self._warn(target)
        return False

    async def _about(
        self, journal: Journal, unit: UnitRecord, headers: list[tuple[str, str]], body: bytes
    ) -> Result:
        if unit.outcome.terminal:  # its secrets are deleted: a late delivery is no false alarm
            return Result.OVER
        run = await journal.run(unit.run_id)
        secrets = await self._secrets(journal, unit, run.target)
        if not self._signed(run.target, headers, body, secrets):
            return Result.UNSIGNED
        woken = await journal.post(run.id, "wake", {"unit": unit.id}, once=True)
        return Result.WOKEN if woken else Result.WAITING

    async def _secrets(self, journal: Journal, unit: UnitRecord, target: str) -> Mapping[str, str]:
        how = self._signatures.get(target)
        wanted = how is not None and how.names_session_secrets()
        return await _session_secrets(journal, unit) if wanted else {}

    def _note(self, result: Result, run_id: str = "", batch_id: str = "") -> None:
        self.counts[result] += 1
        _log.info("delivery: %s %s %s", result, run_id, batch_id)
        try:
            self._told(result, run_id, batch_id)
        except Exception as error:  # noqa: BLE001 - the others are to be dealt with all the same
            _log.warning("a delivery cannot be told of: %s: %s", type(error).__name__, error)

    def _warn(self, target: str) -> None:
        level = logging.DEBUG if target in self._warned else logging.WARNING
        self._warned.add(target)
        _log.log(level, "a delivery for target %r is not signed as it should be", target)


def _texts_of(body: bytes) -> list[str]:
    """Return the short texts in a JSON body that may be ids; at most 200, whatever comes."""
    found: dict[str, None] = {}
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return []
    while waiting and len(found) < _MOST_TEXTS:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and 4 <= len(value) <= 200 and value.isprintable():
            found[value] = None
    return list(found)


async def _named(journal: Journal, target: str, body: bytes) -> list[UnitRecord]:
    """Find the batches of a target whose job ids stand anywhere in a delivery.

    What the fields are called does not matter; only jobs that the journal knows count.
    """
    found: dict[str, UnitRecord] = {}
    for text in _texts_of(body):
        found |= {unit.id: unit for unit in await journal.find_job(text, target=target)}
    return list(found.values())


async def _unit(journal: Journal, batch_id: str) -> list[UnitRecord]:
    """Return a batch; none when its run was forgotten."""
    try:
        return [await journal.unit(batch_id)]
    except RunNotFound:
        return []


async def _session_secrets(journal: Journal, unit: UnitRecord) -> Mapping[str, str]:
    """Return the secrets that the vendor gave with the session; none when it is over."""
    for fact in (await journal.facts(unit.id)).facts:
        if fact.kind is FactKind.SESSION and isinstance(fact.value, dict):
            secrets = fact.value.get("secrets")
            if isinstance(secrets, dict) and fact.attempt == unit.attempt:
                return {name: str(value) for name, value in secrets.items()}
    return {}
