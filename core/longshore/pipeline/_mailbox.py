"""What other processes ask of the units of a run: messages that wait until it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from pydantic import JsonValue

from longshore.errors import JournalError, LongshoreError, RunNotFound
from longshore.journal import Journal, Message
from longshore.lifecycle import Action
from longshore.pipeline._asked import Hold, cancel_all, do_act, holding, wake
from longshore.pipeline._conclude import may_be_at_work
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._unit import Unit

__all__ = ["Mailbox", "mail_for"]


class Mailbox:
    """What other processes left for a run.

    A message stays until what it asks for is durable: should this process end before that, the
    next one reads it again. One that asks for an action goes in the same commit as what came of
    that. Where nothing can be done now (a batch out of memory, in an outage), people are told to
    ask again, and the message goes.

    Args:
        engine: of the run.
        hold: gives access to a unit, in memory or taken from the journal.
    """

    def __init__(self, engine: Engine, hold: Hold) -> None:
        self._engine = engine
        self._hold = hold
        self._read: dict[int, tuple[Message, list[Unit]]] = {}  # who has something left to do
        self._reading = asyncio.Lock()

    async def deal(self, told: Callable[[str], None]) -> None:
        """Deal with new messages, one reader at a time; what cannot be read is read again.

        Args:
            told: the ids of units that have something new to do.
        """
        try:
            async with self._reading:
                async for unit_id in self.read():
                    told(unit_id)
        except JournalError as error:
            self._engine.emit(Notice(f"the mailbox cannot be read: {error.message}"))

    async def end(self, grace: float) -> None:
        """Let what is being done come to its end, for so many seconds; read nothing after it."""
        with suppress(TimeoutError):  # wait_for() may lose a cancellation, until Python 3.12
            async with asyncio.timeout(grace):
                await self._reading.acquire()

    async def read(self) -> AsyncIterator[str]:
        """Deal with new messages; what cannot be done is told, once.

        Yields:
            The ids of units that have something new to do.

        Raises:
            JournalError: it cannot be read or written; the message is read again.
        """
        for message in await self._engine.journal.mail(self._engine.run.id):
            if message.id in self._read:
                continue
            left: list[Unit] = []
            try:
                async for unit in self._deliver(message):
                    if not self._is_done(message, unit):
                        left.append(unit)
                    yield unit.id
            except (LongshoreError, KeyError) as error:
                if isinstance(error, JournalError) and not isinstance(error, RunNotFound):
                    raise
                words = self._engine.redactor.text(str(error))
                self._engine.emit(Notice(f"{message.verb}: {words}"))
            self._read[message.id] = (message, left)
        await self.drop_done()

    async def drop_done(self) -> None:
        """Drop the messages of which all is durable; if that fails, later or by the next reader."""
        done = [
            id
            for id, (message, left) in self._read.items()
            if all(self._is_done(message, unit) for unit in left)
        ]
        if done:
            with suppress(JournalError):
                await self._engine.journal.drop_mail(done)
                for id in done:
                    self._read.pop(id, None)

    def _is_done(self, message: Message, unit: Unit) -> bool:
        """Tell whether what was asked of a unit is durable, or was told to be impossible."""
        if unit.asked:
            return False
        if message.verb != "cancel" or unit.record.outcome.terminal:
            return True
        if unit.unwanted:
            return False
        return unit.verdict is None and may_be_at_work(self._engine, unit)

    async def _deliver(self, message: Message) -> AsyncIterator[Unit]:
        engine = self._engine
        if message.verb == "cancel":
            async for unit in cancel_all(engine, self._hold):
                yield unit
            return
        async with holding(engine, self._hold, str(message.body["unit"])) as held:
            unit = held.unit
            if message.verb == "act":
                await do_act(engine, held, Action.parse(str(message.body["action"])), message)
            elif unit.job is not None and not unit.record.outcome.terminal:
                await wake(engine, unit)
        yield unit


async def mail_for(
    journal: Journal, run_id: str, verb: str, body: dict[str, JsonValue] | None = None
) -> list[int]:
    """Return the ids of what a run's mailbox asks by a verb; with a body, only the same wish."""
    return [
        message.id
        for message in await journal.mail(run_id)
        if message.verb == verb and body in (None, message.body)
    ]
