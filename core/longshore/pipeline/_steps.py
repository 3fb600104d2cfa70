"""Running one step of a unit, and what its result or its failure makes durable."""

from __future__ import annotations

from collections.abc import Sequence

from longshore.errors import (
    AccountError,
    BatchError,
    ClaimTaken,
    DocumentError,
    JournalError,
    PluginError,
    UnknownOutcome,
)
from longshore.journal import PutFact, Write
from longshore.lifecycle import Outcome, Session
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._failures import failed
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._ready import Next
from longshore.pipeline._unit import Step, Unit, Verdict
from longshore.pipeline._verbs import VERBS, ask_to_cancel
from longshore.pipeline._watching import Watched, tally_of

__all__ = ["run_step"]


async def run_step(engine: Engine, unit: Unit, step: Step) -> Next | None:
    """Run one step; the unit then knows more, or waits, or has a verdict.

    Steps that follow it at once, and what they write, are a matter of ``Engine.follows``.

    Returns:
        ``blocked`` when the account cannot go on; otherwise None.

    Raises:
        JournalError: the record cannot be written, or another executor took the unit.
    """
    outcome = await _run(engine, unit, step)
    while isinstance(outcome, Step):
        outcome = await _run(engine, unit, outcome)
    if unit.unwanted:
        unit.unwanted = not unit.record.outcome.terminal
        if unit.unwanted:
            ask_to_cancel(engine, unit)
    return outcome


async def _run(engine: Engine, unit: Unit, step: Step) -> Step | Next | None:
    """Run one step; what is returned besides is the one that follows at once."""
    tally = tally_of(engine, unit)
    watched = Watched(engine, unit, step, tally)
    verdict = unit.verdict
    began = engine.clock.now()
    unit.begins(step.verb, began)
    unit.running.add(step.flow)
    unit.tallies[step.flow] = tally
    unit.delays.pop(step.flow, None)
    try:
        try:
            if unit.writer is not None and step.verb != "conclude":
                _check_writer(engine, unit)
            writes = await VERBS[step.verb](engine, unit, step, tally)
        finally:  # whatever came of them, requests were made
            unit.count(step.verb, tally, began, engine.clock.now())
        following = _follower(engine, unit, step, writes)
        if following is None:
            await _make_durable(engine, unit, step, writes)
        else:
            unit.defer(writes, owing=bool(tally.requests))
        if step in unit.asked:
            unit.asked.remove(step)
        watched.done()
        return following
    except ClaimTaken as error:
        watched.failed(error)
        unit.judge(Verdict(UnknownOutcome(error.message)))
    except JournalError:
        unit.verdict = unit.verdict or verdict  # it is not carried out: nothing else may begin
        raise
    except (Suspended, Restart, AccountError, BatchError, DocumentError, PluginError) as failure:
        watched.failed(failure)
        if step in unit.asked and not isinstance(failure, Suspended | AccountError):
            await _turn_down(engine, unit, step, failure)
            return None
        blocked = failed(engine, unit, step, failure, began)
        if blocked is not None and unit.verdict is not None and unit.running <= {step.flow}:
            await _run(engine, unit, Step("conclude"))  # what comes after the pause is durable
        return blocked or _conclusion(engine, unit, step)
    finally:
        unit.running.discard(step.flow)
        unit.tallies.pop(step.flow, None)
        watched.tell()
    return None


def _follower(engine: Engine, unit: Unit, step: Step, writes: list[Write]) -> Step | None:
    """Return the step with which a result can become durable, before anything leaves.

    That saves a commit for a session of one transfer, for the last part, and for parts that have
    an intent each.
    """
    if unit.verdict is not None or unit.asked or unit.unwanted:
        return None
    if step.verb == "send" and unit.missing.keys() == {step.object}:
        return _if_it_may(engine, unit, Step("complete"), writes)
    if step.verb == "send" and (following := _next_once(unit, step)):
        return _if_it_may(engine, unit, following, writes)
    if step.verb == "start":
        session = next(w.fact.value for w in writes if isinstance(w, PutFact))
        if isinstance(session, Session) and len(session.transfers) == 1:
            return _if_it_may(engine, unit, Step("send", session.transfers[0].id), writes)
    return None


def _next_once(unit: Unit, step: Step) -> Step | None:
    """Return the next transfer if it has an intent, too, as this one has: one commit for both."""
    if unit.stale or not any(flow == step.flow for flow, _ in unit.intents):
        return None
    steps = (Step("send", id) for id in unit.missing)
    return next(
        (s for s in steps if s.flow not in unit.running and s.flow not in unit.delays), None
    )


def _if_it_may(engine: Engine, unit: Unit, step: Step, writes: Sequence[Write] = ()) -> Step | None:
    then = unit if engine.until is None else unit.after(writes)
    if engine.follows is None or not engine.follows(then, step):
        return None
    unit.running.add(step.flow)
    return step


def _conclusion(engine: Engine, unit: Unit, step: Step) -> Step | None:
    """Return the end of a batch whose last running step has failed: it asks nobody anything."""
    alone = unit.running <= {step.flow} and not unit.prepares
    if unit.verdict is None or unit.asked or not alone:
        return None
    return _if_it_may(engine, unit, Step("conclude"))


async def _make_durable(engine: Engine, unit: Unit, step: Step, writes: list[Write]) -> None:
    if engine.landed is not None:
        engine.landed(step)
    if step.verb == "digest" and unit.job is None:
        unit.defer(writes)  # it can be computed again: no commit of its own
    else:
        await unit.write(engine.journal, [*writes, *step.besides, unit.cost()])


async def _turn_down(engine: Engine, unit: Unit, step: Step, failure: Exception) -> None:
    """What a person asked for in vain changes nothing, and may be asked for again."""
    unit.asked.remove(step)
    words = f"{step.verb} {step.object}".strip()
    engine.emit(Notice(f"{words}: {engine.redactor.text(str(failure))}"))
    await unit.write(engine.journal, [*unit.scratch(step.flow), *step.besides, unit.cost()])


def _check_writer(engine: Engine, unit: Unit) -> None:
    """Run no flow on what another version of the provider wrote: it may mean something else now.

    Raises:
        UnknownOutcome: in the words with which the batch was held, if it was.
    """
    provider, record = engine.provider, unit.record
    if unit.writer == provider.state_version:
        return
    if record.outcome is Outcome.UNKNOWN and record.error is not None:
        raise UnknownOutcome(record.error.message, hint=record.error.hint)
    raise UnknownOutcome(
        f"state version {unit.writer} of {provider.name} wrote it, now {provider.state_version}"
    )
