"""The local executor: one process, one run, many units at once.

One scheduler sees the steps of all units, so that requests in flight, digests and polls share
their budgets. Units that wait long leave memory; the journal says when they are due.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf

from longshore.errors import JournalError, LongshoreError, PluginError, VendorUnavailable
from longshore.journal import ChangeUnit
from longshore.lifecycle import Outcome
from longshore.pipeline._abandoned import give_all_back
from longshore.pipeline._active import LOOK, Active
from longshore.pipeline._advance import BEAT, prepare
from longshore.pipeline._engine import Engine
from longshore.pipeline._enqueue import recheck
from longshore.pipeline._events import Notice
from longshore.pipeline._flights import Flights
from longshore.pipeline._mailbox import Mailbox
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

_TICK = 1.0
"""Seconds between two looks into the mailbox."""

_ASIDE = Step("aside")
"""Writes down until when a unit leaves memory; no flow."""


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
        self._active = Active(engine, self._window)
        self._turns = Turns()
        self._flights = Flights()
        engine.landed, engine.follows = self._flights.note_landing, self._follows
        engine.places = Places(self._room, self._flights.wake)
        self._mailbox = Mailbox(engine, self._active.hold)
        self._others_run = False  # jobs that are out of memory, as far as is known
        self._failures, self._began = 0, engine.clock.now()
        self._paused_at = self._paused_until = 0.0
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
        waiting, begun = len(self._turns), self._enough_failures()
        for unit in await self._active.refill(lined_up=waiting, begun=begun):
            self._turns.line_up(unit.id)
            if unit.moves:
                self._others_run = False  # to be looked up again

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
            if (unit := self._active.units.get(self._turns.pop())) is not None:
                self._look_at(unit, now)

    def _room(self) -> int:
        most = 0 if self._ending() else self._concurrency
        return min(most, self._engine.driver.concurrency.level)

    def _look_at(self, unit: Unit, now: float) -> None:
        """Begin one step of a unit, if it has any."""
        engine = self._engine
        if self._enough_failures() and unit.untouched:
            self._active.drop(unit)
            return
        if engine.until is not None and not unit.asked and engine.until(unit):
            if unit.running:
                return  # nothing more begins; the end of a step brings it back
            # A job that nobody waits for is left; its documents' digests are wanted all the same.
            if unit.job is None or not (engine.checksum and unit.lacks_digest()):
                self._leave(unit)
                return
        steps = ready(unit, now, engine.capabilities, checksum=engine.checksum, limit=1)
        if isinstance(steps, Next):
            self._park(unit, steps, now)
            return
        (step,) = steps
        if unit.asked_about and step.verb == "poll" and self._others_wait():
            self._set_aside(unit, Next("later", unit.record.at, unit.record.why))
            return
        if step.verb == "poll" and self._waits_for_nobody(unit):
            self._turns.line_up_at(now + _TICK, unit.id)
            return
        unit.running.add(step.flow)  # before the task runs: the same step is not begun twice
        self._flights.begin(run_step(engine, unit, step), unit, step)
        self._turns.line_up(unit.id)  # there may be more to begin, when its turn comes again

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

    def _waits_for_nobody(self, unit: Unit) -> bool:
        """True for a blocked job that this command has asked about, when only such are left.

        Asking them again and again would keep the run from ending.
        """
        if unit.record.outcome is not Outcome.NEEDS_ACTION or unit.record.polled_at < self._began:
            return False
        return not self._others_run and not any(u.moves for u in self._active.units.values())

    def _others_wait(self) -> bool:
        """True when jobs that are asked about again and again would keep others out of memory."""
        return self._active.hungry and self._active.full

    # ------------------------------------------------------------------ leaving memory

    def _park(self, unit: Unit, outcome: Next, now: float) -> None:
        """Deal with a unit that can do nothing now."""
        if outcome.state == "busy":
            return  # the end of a step brings it back
        soon = outcome.at - now <= _KEEP and not self._active.full
        # What is only known in memory must stay there.
        stays = bool(unit.asked) or unit.unwanted or unit.record.outcome is Outcome.UNKNOWN
        if outcome.state in ("finished", "unknown"):
            self._leave(unit)
        elif soon or stays or len(self._active.units) <= self._window // 2:
            self._turns.line_up_at(outcome.at, unit.id)
        else:
            self._set_aside(unit, outcome)

    def _set_aside(self, unit: Unit, outcome: Next) -> None:
        """Let a unit leave memory until it is due, once the journal says so."""
        known = (unit.record.at, unit.record.why) == (outcome.at, outcome.why)
        if unit.id in self._active.held:  # the mailbox may be about to change when it is due
            self._turns.line_up_at(self._engine.clock.now() + LOOK, unit.id)
        elif known and not (unit.unsaved or unit.deferred or unit.running):
            self._let_go(unit)
        else:
            unit.running.add(_ASIDE.flow)
            self._flights.begin(self._save(unit, outcome), unit, _ASIDE)

    async def _save(self, unit: Unit, outcome: Next) -> None:
        change = ChangeUnit({"at": outcome.at, "why": outcome.why})
        await unit.write(self._engine.journal, [change, unit.cost()])
        unit.running.discard(_ASIDE.flow)
        held = unit.id in self._active.held
        if unit.asked or unit.unwanted or unit.running or unit.verdict or held:
            self._turns.line_up(unit.id)  # somebody asked for something meanwhile
        else:
            self._let_go(unit)

    def _let_go(self, unit: Unit) -> None:
        self._active.let_go(unit)
        self._flights.wake()  # no step ends that would do it

    def _leave(self, unit: Unit) -> None:
        """The unit is done with, for this command."""
        self._others_run = False  # to be looked up again
        for record in unit.documents.values():
            self._failures += record.outcome is Outcome.FAILED
            self.teller.tell(record, unit.record)
        self._active.drop(unit)

    # ------------------------------------------------------------------ waiting

    async def _wait(self) -> None:
        """Wait for the end of a step, a timer, more work in the journal, or the stop."""
        now = self._engine.clock.now()
        until = self._turns.soonest(now + LOOK)
        if now < self._paused_until:
            until = min(until, self._paused_until)
        elif self._active.hungry and not self._active.full and not self._flights:
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
        active, find = self._active, self._active.find
        if any(unit.moves or unit.record.polled_at < self._began for unit in active.units.values()):
            return False  # nobody asked about those in this command
        self._others_run = bool(await find(inf, 1, begun=True))
        if self._others_run or self._enough_failures():
            return not self._others_run
        due = await find(self._began, 1)
        active.hungry |= bool(due)  # nobody looked at it in this command
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
        units = [unit for unit in self._active.units.values() if unit.unsaved]
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
        self._active.hungry = True
        self._turns.line_up(unit_id)
