"""Carrying by a route: what counts, what only shadows it, and who steps in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from longshore.errors import AccountError, LongshoreError, VendorUnavailable
from longshore.journal import Journal, with_units
from longshore.migrate.routes._arrival import Arrival
from longshore.migrate.routes._fallback import catch_up, give_up, note_placed, orphans, shared_among
from longshore.migrate.routes._passage import Leg, Passage, RouteRequest
from longshore.pipeline import (
    Candidate,
    DocumentFinished,
    Environment,
    Event,
    Notice,
    RunOptions,
    RunReport,
    Told,
    Unit,
    begin,
    execute,
    summary,
)
from longshore.targets import Target

__all__ = ["Watch", "carry_passage"]

T = TypeVar("T")

SHADOW_GRACE = 30.0
"""Seconds that shadows get to end after everything that counts has; then only what is not with
the vendor yet is still sent."""

SHADOW_PATIENCE = 60.0
"""Seconds of an outage until a shadow is left for a later ``resume``."""

OUTAGE_PAUSE = 30.0
"""Seconds between two looks at a vendor that could not be reached."""

Watch = Callable[[Leg, Event], None]
"""Is told what happens, and in which run."""


async def carry_passage(
    journal: Journal,
    passage: Passage,
    request: RouteRequest,
    environment: Environment,
    *,
    watch: Watch | None = None,
    stop: asyncio.Event | None = None,
) -> Arrival:
    """Execute the runs of a passage as far as they go.

    Raises:
        LongshoreError: a run that counts could not be executed at all.
    """
    return await _Carrying(
        _journal=journal,
        _passage=passage,
        _request=request,
        _environment=environment,
        _watch=watch,
        _stop=stop or asyncio.Event(),
        _arrival=Arrival(passage),
    ).run()


@dataclass(slots=True)
class _Carrying:
    _journal: Journal
    _passage: Passage
    _request: RouteRequest
    _environment: Environment
    _watch: Watch | None
    _stop: asyncio.Event
    _arrival: Arrival
    _mains_over: asyncio.Event = field(default_factory=asyncio.Event)
    _told: defaultdict[str, Told] = field(default_factory=lambda: defaultdict(Told))

    async def run(self) -> Arrival:
        counting = await _to_its_end(self._catch_up())
        legs = self._passage.legs
        shadows = [asyncio.create_task(self._shadow(leg)) for leg in legs if leg.role == "shadow"]
        try:
            await _all(*map(self._carry, counting))
            self._mains_over.set()
            await asyncio.gather(*shadows)
        finally:
            for task in shadows:
                task.cancel()
            await asyncio.gather(*shadows, return_exceptions=True)
        for leg in legs:
            await self._tell_the_rest(leg)
        return self._arrival

    async def _execute(
        self,
        leg: Leg,
        stop: asyncio.Event,
        *,
        give_up_after: float | None = None,
        until: Callable[[Unit], bool] | None = None,
    ) -> RunReport:
        options = dict(leg.run.options)
        if give_up_after is not None:
            usual = RunOptions.model_validate(options).give_up_after
            options["give_up_after"] = min(usual, give_up_after)
        report = await execute(
            self._journal,
            leg.target,
            leg.run.model_copy(update={"options": options}),
            self._environment,
            listener=lambda event: self._tell(leg, event),
            stop=stop,
            until=until,
        )
        leg.run = report.run
        return report

    def _tell(self, leg: Leg, event: Event) -> None:
        """Tell of each document once: when its outcome is final, else at the end.

        A document that is not finished may still be handed over, and a run may be executed again.
        """
        if not isinstance(event, DocumentFinished):
            self._pass_on(leg, event)
            return
        record, told = event.record, self._told[leg.run.id]
        waited = leg.run.options.get("wait", True)
        has_job = event.unit is not None and event.unit.job_id is not None
        if record in told:
            return
        if record.outcome.terminal or (has_job and not waited):
            told.add(record)
            self._pass_on(leg, event)

    async def _tell_the_rest(self, leg: Leg) -> None:
        """Tell of the documents that are not finished, unless nothing was heard of their run."""
        run, told = leg.run, self._told.get(leg.run.id)
        documents = sum((await self._journal.outcomes(run.id)).values())
        if told is None or told.count == documents:
            return
        async for record, unit in with_units(self._journal, run.id, lambda one: one not in told):
            self._pass_on(leg, DocumentFinished(run, record, unit))

    def _pass_on(self, leg: Leg, event: Event) -> None:
        if self._watch is not None:
            self._watch(leg, event)

    # ------------------------------------------------------------------ what counts

    async def _catch_up(self) -> list[Leg]:
        """Do what a killed call left undone, before anything is sent; returns what counts."""
        counting = [leg for leg in self._passage.legs if leg.role != "shadow"]
        for leg in counting:
            async with self._journal.lock_run(leg.run.id):
                await catch_up(self._journal, leg.run.id)
        for leg in list(counting):
            counting += await self._plan_orphans(leg, self._others(leg))
        return counting

    async def _carry(self, leg: Leg) -> None:
        """Execute a run that counts; hand over what its target cannot take now."""
        others = self._others(leg)
        patience = self._passage.route.fallback_after if others else None
        report = await self._execute(leg, self._stop, give_up_after=patience)
        self._arrival.reports[leg.run.id] = report
        if not others or self._stop.is_set() or not isinstance(report.trouble, AccountError):
            return
        stepping_in = await _to_its_end(self._hand_over(leg, others, report.trouble))
        await _all(self._settle(leg, report), *map(self._carry, stepping_in))

    async def _settle(self, leg: Leg, report: RunReport) -> None:
        """Go on with what was begun before the trouble; if nothing was, there is none any more."""
        rest = await summary(self._journal, leg.run)
        if open_ := rest.open:
            self._tell(leg, Notice(f"{open_} documents were begun there and stay"))
            await self._go_on(leg)
            return
        finished = self._environment.clock.now()
        await self._journal.change_run(leg.run.id, finished_at=finished)
        rest.seconds, rest.interrupted = report.seconds, report.interrupted
        rest.run = await self._journal.run(leg.run.id)
        self._arrival.reports[leg.run.id] = rest

    async def _go_on(self, leg: Leg) -> None:
        """Execute a run again, as long as its vendor cannot be reached and nobody gives up."""
        clock = self._environment.clock
        until = clock.now() + RunOptions.model_validate(leg.run.options).give_up_after
        while True:
            report = await self._execute(leg, self._stop)
            self._arrival.reports[leg.run.id] = report
            outage = isinstance(report.trouble, VendorUnavailable)
            if not outage or self._stop.is_set() or clock.now() >= until:
                return
            with suppress(TimeoutError):  # wait_for() may lose a cancellation, until Python 3.12
                async with asyncio.timeout(OUTAGE_PAUSE):
                    await self._stop.wait()

    def _others(self, leg: Leg) -> list[str]:
        """Return the fallbacks that are left: those behind this one."""
        names = list(self._passage.route.fallback)
        if leg.role == "fallback" and leg.run.target in names:
            names = names[names.index(leg.run.target) + 1 :]
        return [name for name in names if name != leg.run.target]

    async def _hand_over(self, leg: Leg, others: list[str], trouble: AccountError) -> list[Leg]:
        """Give up what was not begun, and plan it for the first other target that takes it."""
        made: list[Leg] = []
        for name in others:
            try:
                target = self._request.target(name)
            except LongshoreError as error:  # a setting that was there when the upload began
                self._tell(leg, Notice(f"no documents can go to {name}: {error.message}"))
                continue
            async with self._journal.lock_run(leg.run.id):
                given_up = await give_up(self._journal, leg.run, target, trouble)
            if not given_up:
                continue
            words = f"no documents can go there now ({trouble.message}); {given_up} go to {name}"
            self._tell(leg, Notice(words))
            made += await self._plan_orphans(leg, [name])
        return made

    async def _plan_orphans(self, leg: Leg, names: list[str]) -> list[Leg]:
        """Plan what a run gave up and nobody has, for the first of these that takes it."""
        if not names:
            return []
        async with self._journal.lock_run(leg.run.id):
            if not (left := await orphans(self._journal, leg.run.id)):
                return []  # a fallback that is not needed may be one that cannot work now
            return [
                await self._step_in(leg, target, share)
                for target, share in shared_among(map(self._request.target, names), left)
            ]

    async def _step_in(self, leg: Leg, target: Target, share: Sequence[Candidate]) -> Leg:
        """Plan the run of a fallback, and mark its documents where they were given up."""
        options = RunOptions.model_validate(leg.run.options)
        notes = self._passage.notes("fallback", instead_of=leg.run.id)
        run = await begin(self._journal, target, share, options, self._environment, notes=notes)
        for record in await note_placed(self._journal, leg.run.id, run):
            self._tell(leg, DocumentFinished(leg.run, record, None))
        made = Leg("fallback", target, run)
        self._passage.legs.append(made)
        return made

    # ------------------------------------------------------------------ shadows

    async def _shadow(self, leg: Leg) -> None:
        """Execute a shadow's run; whatever goes wrong with it is only told."""
        try:
            report = await self._shadowed(leg)
        except LongshoreError as error:
            self._tell(leg, Notice(f"shadow traffic ended: {error.message}"))
            return
        self._arrival.shadows[leg.run.id] = report
        if report.trouble is not None:
            self._tell(leg, Notice(f"shadow traffic ended: {report.trouble.message}"))

    async def _shadowed(self, leg: Leg) -> RunReport:
        enough = asyncio.Event()
        watching = asyncio.create_task(self._watch_over(enough))
        try:
            report = await self._execute(leg, enough, give_up_after=SHADOW_PATIENCE)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        if report.trouble is None and enough.is_set() and not self._stop.is_set():
            report = await self._execute(
                leg,
                self._stop,
                give_up_after=SHADOW_PATIENCE,
                until=lambda unit: unit.job is not None,
            )
        return report

    async def _watch_over(self, enough: asyncio.Event) -> None:
        """Set ``enough`` when the command is stopped, or some time after all that counts."""
        stopped = asyncio.create_task(self._stop.wait())
        over = asyncio.create_task(self._mains_over.wait())
        try:
            await asyncio.wait({stopped, over}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                await asyncio.wait({stopped}, timeout=SHADOW_GRACE)
            enough.set()
        finally:
            stopped.cancel()
            over.cancel()


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Hand over as a whole, also when it is cancelled: what nobody has yet would count as skipped.

    A second cancellation waits for nothing.
    """
    doing = asyncio.create_task(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        from anyio import CancelScope  # rarely needed; it would make every start slower

        with CancelScope(shield=True), suppress(LongshoreError):
            await doing
        raise


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of it to its end, then raise the first error there was."""
    for error in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(error, BaseException):
            raise error
