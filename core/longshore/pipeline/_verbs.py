"""The verbs: what each asks the vendor, and what its result makes durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from longshore.errors import CancelledByUser, DocumentError, PluginError, ProtocolError, SessionLost
from longshore.journal import ChangeDocument, ChangeUnit, ClaimJob, FactKind, Write
from longshore.lifecycle import Action, Job, Transfer
from longshore.pipeline._conclude import conclude, may_be_at_work, why_at_work, with_digest
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import Notice
from longshore.pipeline._follow import check_size, follow
from longshore.pipeline._requests import begin, check_returned, unusable
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._unit import Step, Unit, Verdict
from longshore.provider import Flow
from longshore.transfer import Tally

__all__ = ["VERBS", "ask_to_cancel"]

T = TypeVar("T")

_ROOM = 10.0
"""Seconds that a signed URL must be good for when its transfer begins, and besides:"""

_SLOWEST = 500_000.0
"""bytes a second that a transfer is expected to make at least,"""

_MOST_ROOM = 120.0
"""but no more than this: S3 looks at the time when a request begins, and no URL is for ever."""


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
    complete = engine.provider.complete
    try:
        job = await _flow(engine, unit, step, tally, complete, batch, session, receipts)
    except ProtocolError as error:
        if engine.provider.offers("complete"):
            raise
        raise unusable(error) from None  # the reply to what was sent: it made the job
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
    engine.over_since = engine.over_since or engine.run.finished_at
    await engine.note_open()
    status = await _flow(
        engine, unit, step, tally, engine.provider.act, unit.job, Action.parse(step.object)
    )
    engine.over_since = None
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

VERBS: dict[str, _Verb] = {
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
