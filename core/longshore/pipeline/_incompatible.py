"""Going on with a run that another ``state_version`` of its provider wrote.

Step names, and what a session or a job holds, may mean something else by now, so this version runs
no flow on them. A batch that makes nobody work begins afresh. One that the vendor may be at work on
is held, and the words of its error name the version that can go on with it: sent again, it could
make a second job.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from enum import Enum
from typing import Literal, TypeAlias

from longshore.errors import SessionLost, UnknownOutcome
from longshore.journal import (
    ChangeUnit,
    DropFacts,
    FactKind,
    Journal,
    RunRecord,
    Write,
)
from longshore.lifecycle import Outcome
from longshore.pipeline._abandoned import is_open
from longshore.pipeline._advance import take, take_all
from longshore.pipeline._conclude import conclude
from longshore.pipeline._engine import Engine
from longshore.pipeline._environment import Environment
from longshore.pipeline._events import Listener, Notice
from longshore.pipeline._run import open_engine
from longshore.pipeline._scratch import SCRATCH
from longshore.pipeline._unit import Unit, Verdict
from longshore.plugins import load_plugins
from longshore.targets import Target

__all__ = ["OnIncompatible", "restart_incompatible"]

OnIncompatible: TypeAlias = Literal["fail", "restart"]

_PAGE = 256


class _Fate(Enum):
    AFRESH, LEFT_OPEN, HELD, AS_IT_IS = range(4)


async def restart_incompatible(
    journal: Journal,
    target: Target,
    run_id: str,
    environment: Environment,
    listener: Listener | None = None,
) -> None:
    """Make a run one of the present version of its provider; nothing is sent yet.

    The run itself changes hands last: interrupted before that, all of it is done again, or the
    version that wrote it goes on.

    Args:
        journal: the durable record.
        target: of the run, with the present provider.
        run_id: the run; one that its provider can read is left as it is.
        environment: of the machine.
        listener: is told what becomes of the batches.

    Raises:
        RunInUse: another process executes it.
    """
    provider = target.provider
    async with journal.lock_run(run_id):
        was = await journal.run(run_id)
        if was.state_version == provider.state_version:
            return
        version = load_plugins().version_of(provider)
        ours = {"provider_version": version, "state_version": provider.state_version}
        fates = Counter[_Fate]()
        async with open_engine(journal, target, was.changed(ours), environment) as engine:
            async for unit_ids in _pages(journal, run_id):
                fates.update(await _decide(engine, was, unit_ids))
            await _prepare_again(engine)
        await journal.change_run(run_id, **ours, checked=False)
    if listener is not None:
        for words in _words(was, engine.run, fates):
            listener(Notice(words))


async def _pages(journal: Journal, run_id: str) -> AsyncIterator[list[str]]:
    after = ""
    while page := await journal.units(run_id, after=after, limit=_PAGE):
        after = page[-1].id
        yield [unit.id for unit in page]


async def _decide(engine: Engine, was: RunRecord, unit_ids: Sequence[str]) -> list[_Fate]:
    """Decide about batches, at once, so that they share the journal's commits."""
    units = await take_all(engine, unit_ids)
    decided = [(unit, *_fate(engine, was, unit)) for unit in units]
    work = (unit.write(engine.journal, writes) for unit, _, writes in decided if writes)
    for error in await asyncio.gather(*work, return_exceptions=True):  # none outlives the lock
        if error is not None:
            raise error
    for unit in units:
        engine.forget(unit)
    return [fate for _, fate, _ in decided]


def _fate(engine: Engine, was: RunRecord, unit: Unit) -> tuple[_Fate, list[Write]]:
    """Decide about one batch, and what is to be written for that."""
    if unit.writer == engine.provider.state_version:  # ours, from before another one came
        return _Fate.AS_IT_IS, []  # the fact stays: the run is still the other's, until the end
    over, held = unit.record.outcome.terminal, _at_work(unit)
    if unit.writer not in (None, was.state_version):  # a third one's
        return _Fate.AS_IT_IS if over else _Fate.HELD, []
    if not (held or unit.session or unit.intents):
        return _Fate.AS_IT_IS, []
    written_by = unit.fact(FactKind.WRITER, "", "", was.state_version)
    if over:
        return _Fate.AS_IT_IS, [written_by]
    if held and not (engine.resend and unit.job is None):
        unit.verdict = Verdict(_held(engine.run, was, unit))
        return _Fate.HELD, [written_by, *conclude(engine, unit)]
    error = SessionLost(f"begun by {_named(was)}, and afresh by {_named(engine.run)}")
    unit.verdict = Verdict(error, restart=True, blame=False)
    known = unit.session is not None and is_open(unit.session)
    left = known and not engine.provider.offers("abort")
    return _Fate.LEFT_OPEN if left else _Fate.AFRESH, conclude(engine, unit)


def _at_work(unit: Unit) -> bool:
    """Tell whether the vendor may be at work, whatever the flows of the other version look like.

    The last receipt may have been the vendor's word for a job, and so may a session that leaves
    nothing to send. An answer without an intent is one that was found by a question: to the request
    that makes it work.
    """
    asked = any(intent.makes_work for intent in unit.intents.values())
    found = any(slot not in unit.intents for slot in unit.answers)
    arrived = unit.session is not None and not unit.missing
    unknown = unit.record.outcome is Outcome.UNKNOWN
    return unit.job is not None or asked or found or arrived or unknown


def _held(now: RunRecord, was: RunRecord, unit: Unit) -> UnknownOutcome:
    about = f"has job {unit.job.id}" if unit.job is not None else "may have a job"
    return UnknownOutcome(
        f"the vendor {about} of {_named(was)}, which {_named(now)} cannot ask about"
        f" (state version {was.state_version}, now {now.state_version})",
        hint=f"look at the vendor's own pages, or install {_named(was)} and resume the run with"
        " --on-incompatible restart",
    )


def _named(run: RunRecord) -> str:
    return f"{run.provider} {run.provider_version}".rstrip()


async def _prepare_again(engine: Engine) -> None:
    unit = await take(engine, engine.run.id)
    afresh = {"attempt": unit.record.attempt + 1, "restarts": 0, "settled": False, "at": 0.0}
    drop = DropFacts((*SCRATCH, FactKind.SETUP))
    await unit.write(engine.journal, [drop, ChangeUnit(afresh)])


def _words(was: RunRecord, now: RunRecord, fates: Counter[_Fate]) -> Iterator[str]:
    afresh, held = fates[_Fate.AFRESH] + fates[_Fate.LEFT_OPEN], fates[_Fate.HELD]
    yield (
        f"run {now.id} goes on with {_named(now)};"
        f" batches of {_named(was)}: {afresh} begun afresh, {held} held"
    )
    if left := fates[_Fate.LEFT_OPEN]:
        yield f"sessions left at the vendor, for {_named(now)} cannot give them back: {left}"
