"""The local executor: one process, one run, many units at once.

One scheduler sees the steps of all units, so that requests in flight, digests and polls share
their budgets. Units that wait long leave memory; the journal says when they are due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from math import inf

from longshore.errors import JournalError, LongshoreError, PluginError, VendorUnavailable
from longshore.journal import ChangeUnit
from longshore.lifecycle import Outcome
from longshore.pipeline._abandoned import give_all_back
from longshore.pipeline._advance import BEAT, equip, prepare, take, take_all
from longshore.pipeline._aside import Aside
from longshore.pipeline._engine import Engine
from longshore.pipeline._enqueue import recheck
from longshore.pipeline._events import Notice
from longshore.pipeline._flights import Flights
from longshore.pipeline._mailbox import Held, Mailbox
from longshore.pipeline._options import RunOptions
from longshore.pipeline._places import Places
from longshore.pipeline._ready import Next, ready
from longshore.pipeline._steps import run_step
from longshore.pipeline._stopping import GRACE
from longshore.pipeline._telling import Teller
from longshore.pipeline._turns import Turns
from longshore.pipeline._unit import Step, Unit

__all__ = ["Executor"]

_KEEP = 2.0
"""Seconds: a unit that is due again sooner stays in memory."""

_LOOK, _TICK = 0.25, 1.0
"""Seconds between looks into the journal (so late may a poll be), and into the mailbox."""

_KEPT = 16_384
"""Documents whose jobs wait for their next poll in memory; 5 kB each."""


class Executor:
    """Moves all units of a run until nothing is left to do, or until it is told to stop.

    Args:
        engine: moves one unit.
        options: of the run; those that bound it.
        stop: set once: end in good order; the requests in flight may end.
    """

    def __init__(self, engine: Engine, options: RunOptions, stop: asyncio.Event) -> None:
        self._engine = engine
        self._options = options
        self._stop = stop
        self._concurrency = options.concurrency or engine.capabilities.concurrency
        self._window = max(4 * self._concurrency, 32)
        self._active: dict[str, Unit] = {}
        self._turns = Turns()
        self._flights = Flights()
        engine.landed, engine.follows = self._flights.note_landing, self._follows
        engine.places = Places(self._room, self._flights.wake)
        self._left: set[str] = set()  # came as far as wanted, without a job yet
        self._aside = Aside(_KEPT)
        self._taking = asyncio.Lock()
        self._held: set[str] = set()  # by the mailbox
        self._mailbox = Mailbox(engine, self._hold)
        self._hungry = True
        self._others_run = False  # jobs that are out of memory, as far as is known
        self._failures, self._began = 0, engine.clock.now()
        self._looked_at = self._paused_at = self._paused_until = 0.0
        self._fatal: Exception | None = None
        self.teller = Teller(engine)

    async def run(self) -> None:
        """Execute the run.

        Raises:
            AccountError: the account cannot go on; the run can be resumed.
            LongshoreError: ``prepare`` failed; nothing was sent.
            JournalError: the record cannot be written.
            Exception: of a listener; what was in flight has ended by then.
        """
        side_jobs = [asyncio.create_task(job) for job in (self._beat(), self._wake_to_stop())]
        try:
            await self._prepare()
            await self._mailbox.deal(self._wake)
            side_jobs.append(asyncio.create_task(self._mail()))
            await self._loop()
            if not self._ending():  # what was posted in the last second counts, too
                await self._mailbox.deal(self._wake)
                await self._loop()
            await self._save_costs()
            await self._mailbox.drop_done()
            await give_all_back(self._engine, self._ending)
        finally:
            await self._flights.cancel(*side_jobs)
        if self._fatal is not None:
            raise self._fatal

    # ------------------------------------------------------------------ before the batches

    async def _prepare(self) -> None:
        engine = self._engine
        while not self._stop.is_set():
            outcome = await prepare(engine, stop=self._stop)
            if isinstance(outcome, LongshoreError):
                raise outcome
            if outcome.state == "finished":
                break
            if outcome.state == "blocked" and engine.trouble is not None:
                raise engine.trouble
            with suppress(TimeoutError):  # wait_for() may lose a cancellation, until Python 3.12
                async with asyncio.timeout(outcome.at - engine.clock.now()):
                    await self._stop.wait()
        run = await engine.journal.run(engine.run.id)
        if engine.setup.capabilities is not None and not run.checked:
            await recheck(engine.journal, run, engine.capabilities, strict=self._options.strict)

    # ------------------------------------------------------------------ the scheduler

    async def _loop(self) -> None:
        while not self._ending():
            try:
                await self._refill()
                self._launch()
                if not self._flights and await self._is_over():
                    return
                await self._wait()
            except Exception as error:  # noqa: BLE001 - raised when what is in flight has ended
                self._fatal = self._fatal or error
        if self._engine.refused:
            self._fatal = self._fatal or self._engine.trouble
        self._engine.places.close()
        await self._drain()

    def _ending(self) -> bool:
        return self._stop.is_set() or self._fatal is not None or self._engine.refused

    async def _refill(self) -> None:
        """Take more units, as long as there is room and the journal has any that are due."""
        now = self._engine.clock.now()
        self._hungry |= now - self._looked_at >= _LOOK  # units that left memory may be due
        if not self._can_refill() or (self._has_plenty() and now - self._looked_at < _TICK):
            return
        async with self._taking:
            room = self._window - len(self._active)
            self._looked_at = now
            due = await self._due(now, room)
            for unit in await self._take(due):
                self._active[unit.id] = unit
                self._turns.line_up(unit.id)
        self._hungry = len(due) == room

    async def _take(self, due: Sequence[str]) -> list[Unit]:
        """Have units in memory, those that are not there any more in one go from the journal."""
        engine = self._engine
        kept = {unit.id: equip(engine, unit) for unit in map(self._aside.pop, due) if unit}
        if left := [unit_id for unit_id in due if unit_id not in kept]:
            kept |= {unit.id: unit for unit in await take_all(engine, left)}
        return [kept[unit_id] for unit_id in due]

    async def _due(self, now: float, room: int) -> tuple[str, ...]:
        """Choose units: half the room is for what was begun, if that is due.

        Else a job would only be asked about when every document has been sent.
        """
        known = self._known()
        if self._enough_failures():
            return await self._find(now, room, besides=known, begun=True)
        begun = await self._find(now, room // 2, besides=known, begun=True)
        return begun + await self._find(now, room - len(begun), besides=known.union(begun))

    @property
    def _find(self) -> Callable[..., Awaitable[tuple[str, ...]]]:
        """Names units of this run that are due, as the journal has them."""
        engine = self._engine
        return partial(engine.journal.due, engine.run.id, unsent=engine.until is not None)

    def _can_refill(self) -> bool:
        return self._hungry and len(self._active) < self._window

    def _has_plenty(self) -> bool:
        """True while asking the journal for a few more units would only cost time."""
        return len(self._turns) > 0 and len(self._active) > self._window * 3 // 4

    def _known(self) -> frozenset[str]:
        """Units that the journal need not name: in memory, or gone as far as wanted."""
        return frozenset(self._active) | self._left | self._held

    def _enough_failures(self) -> bool:
        most = self._options.max_failures
        return most is not None and self._failures >= most

    def _launch(self) -> None:
        """Begin steps, a unit after the other in turn, as long as there is room for requests."""
        now = self._engine.clock.now()
        self._turns.look(now)
        if now < self._paused_until:
            return
        room = self._room()  # a few more get ready while those have their places
        while self._turns and self._flights.landed <= self._window:  # more: the disk is too slow
            if self._flights.in_flight > room + room // 4:
                self._engine.driver.concurrency.full()
                return
            if (unit := self._active.get(self._turns.pop())) is not None:
                self._look_at(unit, now)

    def _room(self) -> int:
        most = 0 if self._ending() else self._concurrency
        return min(most, self._engine.driver.concurrency.level)

    def _look_at(self, unit: Unit, now: float) -> None:
        """Begin one step of a unit, if it has any."""
        engine = self._engine
        if self._enough_failures() and unit.untouched:
            self._active.pop(unit.id)
            self._left.add(unit.id)  # for a resume
            return
        if engine.until is not None and not unit.asked and engine.until(unit):
            if unit.running:
                return  # nothing more begins; the end of a step brings it back
            # A job that nobody waits for is left; its documents' digests are wanted all the same.
            if unit.job is None or not (engine.checksum and unit.lacks_digest()):
                if unit.job is None:
                    self._left.add(unit.id)
                self._leave(unit)
                return
        steps = ready(unit, now, engine.capabilities, checksum=engine.checksum, limit=1)
        if isinstance(steps, Next):
            self._park(unit, steps, now)
            return
        if steps[0].verb == "poll" and self._waits_for_nobody(unit):
            self._turns.line_up_at(now + _TICK, unit.id)
            return
        if unit.asked_about and steps[0].verb == "poll" and self._others_wait():
            self._set_aside(unit, Next("later", unit.record.at, unit.record.why))
            return
        self._begin(unit, steps[0])
        self._turns.line_up(unit.id)  # there may be more to begin, when its turn comes again

    def _begin(self, unit: Unit, step: Step) -> None:
        unit.running.add(step.flow)  # before the task runs: the same step is not begun twice
        self._flights.begin(run_step(self._engine, unit, step), unit, step)

    def _follows(self, unit: Unit, step: Step) -> bool:
        """Tell whether a step may begin at once, in the place of the one that ends."""
        engine = self._engine
        paused = self._paused_until and engine.clock.now() < self._paused_until
        enough = engine.until is not None and engine.until(unit)
        if step.verb != "conclude" and (paused or enough or self._ending()):
            return False
        if step.verb == "send" and len(unit.transfers) > 1 and self._turns:
            return False  # others have their turn first
        return self._flights.turn_to(step)

    def _park(self, unit: Unit, outcome: Next, now: float) -> None:
        """Deal with a unit that can do nothing now."""
        if outcome.state == "busy":
            return  # the end of a step brings it back
        soon = outcome.at - now <= _KEEP and len(self._active) < self._window
        # What is only known in memory must stay there.
        stays = bool(unit.asked) or unit.unwanted or unit.record.outcome is Outcome.UNKNOWN
        if outcome.state in ("finished", "unknown"):
            self._leave(unit)
        elif soon or stays or len(self._active) <= self._window // 2:
            self._turns.line_up_at(outcome.at, unit.id)
        else:
            self._set_aside(unit, outcome)

    def _others_wait(self) -> bool:
        """True when jobs that are asked about again and again would keep others out of memory."""
        return self._hungry and len(self._active) >= self._window

    def _waits_for_nobody(self, unit: Unit) -> bool:
        """True for a blocked job that this command has asked about, when only such are left.

        Asking them again and again would keep the run from ending.
        """
        if unit.record.outcome is not Outcome.NEEDS_ACTION or unit.record.polled_at < self._began:
            return False
        return not self._others_run and not any(other.moves for other in self._active.values())

    def _set_aside(self, unit: Unit, outcome: Next) -> None:
        """Let a unit leave memory until it is due, once the journal says so."""
        known = (unit.record.at, unit.record.why) == (outcome.at, outcome.why)
        if unit.id in self._held:  # the mailbox may be about to change when it is due
            self._turns.line_up_at(self._engine.clock.now() + _LOOK, unit.id)
        elif known and not (unit.unsaved or unit.deferred or unit.running):
            self._let_go(unit)
        else:
            unit.running.add(_ASIDE.flow)
            self._flights.begin(self._save(unit, outcome), unit, _ASIDE)

    async def _save(self, unit: Unit, outcome: Next) -> None:
        change = ChangeUnit({"at": outcome.at, "why": outcome.why})
        await unit.write(self._engine.journal, [change, unit.cost()])
        unit.running.discard(_ASIDE.flow)
        if unit.asked or unit.unwanted or unit.running or unit.verdict or unit.id in self._held:
            self._turns.line_up(unit.id)  # somebody asked for something meanwhile
        else:
            self._let_go(unit)

    def _let_go(self, unit: Unit) -> None:
        self._active.pop(unit.id, None)
        self._aside.put(unit)
        self._engine.forget(unit)
        self._hungry = True
        self._flights.wake()  # no step ends that would do it

    def _leave(self, unit: Unit) -> None:
        """The unit is done with, for this command."""
        self._active.pop(unit.id, None)
        self._others_run = False  # to be looked up again
        for record in unit.documents.values():
            self._failures += record.outcome is Outcome.FAILED
            self.teller.tell(record, unit.record)
        self._engine.forget(unit)

    # ------------------------------------------------------------------ waiting

    async def _wait(self) -> None:
        """Wait for the end of a step, a timer, more work in the journal, or the stop."""
        now = self._engine.clock.now()
        until = self._turns.soonest(now + _LOOK)
        if now < self._paused_until:
            until = min(until, self._paused_until)
        elif self._can_refill() and not self._flights:
            until = min(until, now + 0.05)
        await self._flights.wait(until - now)
        self._look_at_the_ended()

    def _look_at_the_ended(self) -> None:
        for task, unit, step in self._flights.ended():
            self._ended(task, unit, step)

    def _ended(self, task: asyncio.Task[Next | None], unit: Unit, step: Step) -> None:
        if task.cancelled():
            if not self._ending():  # not by us: nobody would bring the unit back
                self._fatal = PluginError("a listener, or the provider, cancelled a step")
            return
        try:
            outcome = task.result()
        except Exception as error:  # noqa: BLE001 - of the journal, of a listener
            self._fatal = self._fatal or error
            return
        if outcome is not None:
            self._blocked(outcome)
        elif (self._engine.driver.answered_at or 0.0) > self._paused_at:
            self._paused_until = 0.0  # somebody was answered since
        if unit.record.settled and not unit.asked and step is not _ASIDE:
            self._look_at(unit, self._engine.clock.now())  # it leaves, and its failures count
        elif step is not _ASIDE:
            self._turns.line_up(unit.id)

    def _blocked(self, outcome: Next) -> None:
        """The account is in trouble: nothing new begins, for a while or at all."""
        trouble, now = self._engine.trouble, self._engine.clock.now()
        answered_at = self._engine.driver.answered_at
        outage = isinstance(trouble, VendorUnavailable)
        if not outage or answered_at is None or now - answered_at > self._options.give_up_after:
            self._fatal = self._fatal or trouble
            return
        if outcome.at > self._paused_until + _TICK:  # others fail in the same moment
            self._paused_at, self._paused_until = now, outcome.at
            self._engine.emit(Notice(f"{outcome.why}; waiting {max(outcome.at - now, 1):.0f} s"))

    async def _is_over(self) -> bool:
        """True when nothing can move any more without somebody's help."""
        active = self._active.values()
        if any(unit.moves or unit.record.polled_at < self._began for unit in active):
            return False  # nobody asked about those in this command
        known = self._known()
        self._others_run = bool(await self._find(inf, 1, besides=known, begun=True))
        if self._others_run or self._enough_failures():
            return not self._others_run
        due = await self._find(self._began, 1, besides=known)
        self._hungry |= bool(due)  # nobody looked at it in this command
        return not due

    # ------------------------------------------------------------------ the end

    async def _drain(self) -> None:
        """Let the requests in flight end; those that must not be sent twice get longer."""
        await self._mailbox.end(GRACE)
        if not self._flights:
            return
        if patience := self._flights.patience():
            self._engine.emit(
                Notice(f"waiting up to {patience:.0f} s for an answer that must not get lost")
            )
        await self._flights.drain(GRACE, patience)
        await self._flights.cancel()
        self._look_at_the_ended()

    async def _save_costs(self) -> None:
        """Count the requests that led to nothing yet; at once: a locked journal is waited for."""
        units = [unit for unit in self._active.values() if unit.unsaved]
        work = [unit.write(self._engine.journal, [unit.cost()]) for unit in units]
        for error in await asyncio.gather(*work, return_exceptions=True):
            if error is not None and not isinstance(error, JournalError):
                raise error

    # ------------------------------------------------------------------ beside the scheduler

    async def _wake_to_stop(self) -> None:
        await self._stop.wait()
        self._engine.places.close()  # also for what is asked before or after the batches
        self._flights.wake()

    async def _beat(self) -> None:
        engine = self._engine
        while True:
            with suppress(JournalError):
                await engine.journal.change_run(engine.run.id, alive_at=engine.clock.now())
            await asyncio.sleep(BEAT)

    async def _mail(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            await self._mailbox.deal(self._wake)

    def _wake(self, unit_id: str) -> None:
        """Something was asked of a unit."""
        self._hungry = True
        self._turns.line_up(unit_id)

    @asynccontextmanager
    async def _hold(self, unit_id: str) -> AsyncIterator[Held]:
        """Give the mailbox a unit: the one in memory, or one that is not taken meanwhile."""
        try:
            async with self._taking:
                self._held.add(unit_id)
                if (unit := self._active.get(unit_id)) is not None:
                    held = Held(unit, scheduled=True)
                else:
                    self._aside.pop(unit_id)
                    held = Held(await take(self._engine, unit_id))
            yield held
            if held.unit.unwanted:  # few: those that may have a job
                self._active[unit_id] = held.unit
        finally:
            self._held.discard(unit_id)


_ASIDE = Step("aside")
