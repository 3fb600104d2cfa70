"""Running one step of a unit: one flow, and what its result or its failure makes durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from longshore.errors import (
    AccountError,
    BatchError,
    CancelledByUser,
    ClaimTaken,
    DocumentError,
    JournalError,
    PluginError,
    SessionLost,
    UnknownOutcome,
)
from longshore.journal import ChangeDocument, ChangeUnit, ClaimJob, FactKind, PutFact, Write
from longshore.lifecycle import Action, Job, Outcome, Session, Transfer
from longshore.pipeline._conclude import (
    check_size,
    conclude,
    follow,
    may_be_at_work,
    why_at_work,
    with_digest,
)
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice, Polled, TransferSent
from longshore.pipeline._failures import failed
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._ready import Next
from longshore.pipeline._requests import begin, check_returned
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._unit import Step, Unit, Verdict
from longshore.pipeline._watching import Watched, tally_of
from longshore.provider import Flow
from longshore.transfer import Tally

__all__ = ["ask_to_cancel", "run_step"]

T = TypeVar("T")

_ROOM = 10.0
"""Seconds that a signed URL must be good for when its transfer begins, and besides:"""

_SLOWEST = 500_000.0
"""bytes a second that a transfer is expected to make at least,"""

_MOST_ROOM = 120.0
"""but no more than this: S3 looks at the time when a request begins, and no URL is for ever."""


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
            writes = await _VERBS[step.verb](engine, unit, step, tally)
        except asyncio.CancelledError:
            unit.count(step.verb, tally, began, engine.clock.now())
            raise
        unit.count(step.verb, tally, began, engine.clock.now())
        following = _follower(engine, unit, step, writes)
        if following is None:
            await _make_durable(engine, unit, step, writes)
        else:
            unit.defer(writes, owing=bool(tally.requests))
        if step in unit.asked:
            unit.asked.remove(step)
        _tell(engine, unit, step)
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
        unit.count(step.verb, tally, began, engine.clock.now())
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


def _tell(engine: Engine, unit: Unit, step: Step) -> None:
    """Tell the listener what is durable now, or will be before another request leaves."""
    if engine.listener is None:
        return
    if step.verb == "send" and unit.session is not None:
        transfers = unit.session.transfers
        transfer = unit.transfers[step.object]
        documents = tuple(dict.fromkeys(piece.document for piece in transfer.pieces))
        engine.emit(
            TransferSent(unit.id, documents, transfer.size, transfer.number, len(transfers))
        )
    elif step.verb == "poll" and unit.job is not None and unit.status is not None:
        engine.emit(Polled(unit.id, unit.job.id, unit.record.outcome, unit.status.word))


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


# ------------------------------------------------------------------------------ the verbs


async def _flow(
    engine: Engine,
    unit: Unit,
    step: Step,
    tally: Tally,
    verb: Callable[..., Flow[T]],
    *arguments: object,
) -> T:
    """Run the step's flow to its end, and look at what it returns."""
    flow = begin(verb, *arguments)
    result = await FlowRunner(engine, unit, step.flow, tally).run(flow)
    check_returned(step.verb, result)
    return result


async def _prepare(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    setup = await _flow(engine, unit, step, tally, engine.provider.prepare)
    return [
        unit.fact(FactKind.SETUP, "", "", setup),
        *unit.scratch(step.flow),
        ChangeUnit({"settled": True}),
    ]


async def _digest(engine: Engine, unit: Unit, _step: Step, _tally: Tally) -> list[Write]:
    writes: list[Write] = []
    for id, record in list(unit.documents.items()):
        if record.document.sha256 is None:
            try:
                digest = await engine.digest(record.document)
            except DocumentError:
                if engine.capabilities.wants_sha256 and unit.job is None:
                    raise
                unit.undigested.add(id)  # what is still to be sent notices by itself
                continue
            known = record.document.changed({"sha256": digest})
            writes.append(ChangeDocument(id, {"document": known}))
    return writes


async def _start(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    wants_digests = engine.checksum or engine.capabilities.wants_sha256
    if unit.small and wants_digests and unit.lacks_digest():
        digests = await _digest(engine, unit, step, tally)
        if engine.capabilities.wants_sha256:  # every run of the flow has to send the same
            unit.defer(digests)
        else:  # durable with what becomes of the document; until then it is computed again
            unit.apply(digests)
    batch = unit.batch(engine.capabilities)
    session = await _flow(engine, unit, step, tally, engine.provider.start, batch)
    engine.learn(unit, session)
    return [
        unit.fact(FactKind.SESSION, "", "", session),
        *unit.scratch(step.flow),
    ]


async def _send(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.session is not None
    transfer = unit.missing[step.object]
    if not any(flow == step.flow for flow, _ in unit.intents):  # what may have acted is asked about
        _check_expiry(engine, transfer)
    batch = unit.batch(engine.capabilities)
    receipt = await _flow(
        engine, unit, step, tally, engine.provider.send, batch, unit.session, transfer
    )
    unit.renewals = 0
    return [
        unit.fact(FactKind.RECEIPT, "", transfer.id, receipt),
        *unit.scratch(step.flow),
    ]


def _check_expiry(engine: Engine, transfer: Transfer) -> None:
    if transfer.expires_at is None:
        return
    needed = min(_ROOM + transfer.size / _SLOWEST, _MOST_ROOM)
    if engine.driver.vendor_now() + needed > transfer.expires_at:
        raise SessionLost(f"the signed URL of part {transfer.number} expires too soon")


async def _renew(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.session is not None
    wanted = _of_stale_documents(unit)
    batch = unit.batch(engine.capabilities)
    renew = engine.provider.renew
    renewed = await _flow(engine, unit, step, tally, renew, batch, unit.session, wanted)
    if not isinstance(renewed, Sequence) or not all(isinstance(t, Transfer) for t in renewed):
        raise PluginError(f"renew returns {type(renewed).__name__}, and not transfers")
    fresh = {transfer.id: transfer for transfer in renewed}
    transfers = tuple(fresh.get(t.id, t) for t in unit.session.transfers)
    session = unit.session.changed({"transfers": transfers})
    unit.stale.clear()
    unit.renewals += 1
    return [
        unit.fact(FactKind.SESSION, "", "", session),
        *unit.scratch(step.flow),
    ]


def _of_stale_documents(unit: Unit) -> tuple[Transfer, ...]:
    """What is left to send of the documents whose URLs expired: one renewal serves it all."""
    stale = [unit.missing[id] for id in unit.stale if id in unit.missing]
    documents = {piece.document for transfer in stale for piece in transfer.pieces}
    return tuple(
        transfer
        for transfer in unit.missing.values()
        if any(piece.document in documents for piece in transfer.pieces)
    )


async def _complete(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.session is not None
    session = unit.session
    receipts = tuple(unit.receipts[transfer.id] for transfer in session.transfers)
    batch = unit.batch(engine.capabilities)
    job = await _flow(engine, unit, step, tally, engine.provider.complete, batch, session, receipts)
    check_size(job)
    now = engine.clock.now()
    polls = engine.capabilities.polls
    first = max(polls.floor, min(polls.interval, 2.0))
    return [
        ClaimJob(engine.run.account, job.id, now, unit.record.created_at),
        unit.fact(FactKind.JOB, "", "", job),
        *unit.scratch(step.flow),
        ChangeUnit({"job_id": job.id, "restarts": 0, "at": now + first, "accepted_at": now}),
        *_carried(unit, job),
    ]


def _carried(unit: Unit, job: Job) -> list[Write]:
    """Note per document how many transfers carried it and what the vendor calls it."""
    accepted = [*job.documents, *(a for r in unit.receipts.values() for a in r.documents)]
    vendor_ids = {entry.document: entry.vendor_id for entry in accepted if entry.vendor_id}
    return [
        ChangeDocument(
            id,
            {
                **with_digest(unit.documents[id]),
                "parts": count,
                "vendor_id": vendor_ids.get(id),
            },
        )
        for id, count in unit.carried().items()
    ]


async def _poll(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.job is not None
    status = await _flow(engine, unit, step, tally, engine.provider.poll, unit.job)
    unit.asked_about = True
    return follow(engine, unit, status)


async def _cancel(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.job is not None
    status = await _flow(engine, unit, step, tally, engine.provider.cancel, unit.job)
    return [*follow(engine, unit, status), *unit.scratch(step.flow)]


async def _act(engine: Engine, unit: Unit, step: Step, tally: Tally) -> list[Write]:
    assert unit.job is not None
    await engine.note_open()
    status = await _flow(
        engine, unit, step, tally, engine.provider.act, unit.job, Action.parse(step.object)
    )
    # What was final may move again: a failed job that is retried.
    return [
        ChangeUnit({"settled": False, "finished_at": None, "error": None}),
        *follow(engine, unit, status),
        *unit.scratch(step.flow),
    ]


def ask_to_cancel(engine: Engine, unit: Unit) -> None:
    """Have a batch cancelled: before the vendor has a job, here; after that, at the vendor.

    One that is ``unwanted`` waits until that is known, as long as anything is done about it.
    """
    if unit.job is None and not may_be_at_work(engine, unit):
        unit.judge(Verdict(CancelledByUser("cancelled before the vendor had a job")))
        return
    if unit.job is None and unit.unwanted and not unit.record.settled:
        return
    unit.unwanted = False
    if unit.job is None:
        engine.emit(Notice(f"batch {unit.id} is not cancelled: {why_at_work(unit)}"))
    elif engine.provider.offers("cancel"):
        unit.ask(Step("cancel"))
    else:
        engine.emit(Notice(f"job {unit.job.id}: the vendor offers no way to cancel it"))


async def _conclude(engine: Engine, unit: Unit, _step: Step, _tally: Tally) -> list[Write]:
    verdict = unit.verdict
    cancelled = verdict is not None and isinstance(verdict.error, CancelledByUser)
    if cancelled and may_be_at_work(engine, unit):  # a request that was running has acted
        unit.verdict = None
        ask_to_cancel(engine, unit)
        return []
    writes = conclude(engine, unit)
    unit.verdict, unit.renewals, unit.sending_since = None, 0, None
    unit.stale.clear()
    unit.crashed.clear()
    unit.delays.clear()
    if verdict is not None and verdict.at:
        first = "prepare" if unit.prepares else "start"
        unit.delays[first] = (verdict.at, verdict.error.message)
    return writes


_Verb: TypeAlias = Callable[[Engine, Unit, Step, Tally], Awaitable[list[Write]]]

_VERBS: dict[str, _Verb] = {
    "prepare": _prepare,
    "digest": _digest,
    "start": _start,
    "send": _send,
    "renew": _renew,
    "complete": _complete,
    "poll": _poll,
    "cancel": _cancel,
    "act": _act,
    "conclude": _conclude,
}
