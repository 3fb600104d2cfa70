"""What a verdict makes of a unit: a fresh session, a smaller batch, or its end. Pure."""

from __future__ import annotations

from pydantic import JsonValue

from longshore.errors import (
    CancelledByUser,
    DocumentError,
    LongshoreError,
    PluginError,
    ResumeMismatch,
    UnknownOutcome,
)
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    DocumentRecord,
    DropFacts,
    ErrorInfo,
    FactKind,
    QueueAbort,
    Write,
)
from longshore.lifecycle import Outcome, Session
from longshore.pipeline._engine import MOST_RESTARTS, Engine
from longshore.pipeline._scratch import UPLOAD
from longshore.pipeline._unit import Unit, Verdict

__all__ = ["conclude", "may_be_at_work", "why_at_work", "with_digest"]


def _error_info(engine: Engine, error: LongshoreError) -> ErrorInfo:
    """Write an error down as it may be shown."""
    return ErrorInfo(
        kind=error.kind,
        message=engine.redactor.text(error.message),
        hint=engine.redactor.text(error.hint),
    )


def with_digest(record: DocumentRecord) -> dict[str, object]:
    """The digest as far as it is known: that of a small document is durable with this.

    One that is being computed must not be overwritten.
    """
    return {"document": record.document} if record.document.sha256 is not None else {}


def may_be_at_work(engine: Engine, unit: Unit) -> bool:
    """Tell whether the vendor has a job, or may have one that we do not know yet."""
    one_request = bool(unit.receipts) and not engine.provider.offers("complete")
    held = unit.writer not in (None, engine.provider.state_version)  # nobody here can tell
    return unit.job is not None or bool(unit.intents) or one_request or held


def why_at_work(unit: Unit) -> str:
    """Say why nobody knows whether there is a job, and what to do about it."""
    record = unit.record
    if record.outcome is Outcome.UNKNOWN and record.error is not None:
        return "; ".join(filter(None, [record.error.message, record.error.hint]))
    return "a request is open: go on with the run, then cancel again"


def conclude(engine: Engine, unit: Unit) -> list[Write]:
    """Turn the unit's verdict into what is to be written."""
    verdict = unit.verdict
    assert verdict is not None
    error = verdict.error
    if isinstance(error, DocumentError) and error.document in unit.documents:
        return _without(engine, unit, error, verdict.abandon)
    if verdict.restart and unit.record.restarts + verdict.blame <= MOST_RESTARTS:
        return _restart(engine, unit, verdict)
    unknown = isinstance(error, UnknownOutcome | ResumeMismatch)
    unknown |= isinstance(error, PluginError) and may_be_at_work(engine, unit)
    outcome = Outcome.UNKNOWN if unknown else Outcome.FAILED
    if isinstance(error, CancelledByUser):
        outcome = Outcome.CANCELLED
    writes = _settle(engine, unit, outcome, error)
    # What an unknown batch knows is needed to ask again; a failed one gives its session back.
    if not unknown:
        writes += [*_give_back(engine, unit, verdict.abandon), DropFacts(UPLOAD)]
    return writes


def _restart(engine: Engine, unit: Unit, verdict: Verdict) -> list[Write]:
    changes = {
        "attempt": unit.record.attempt + 1,
        "restarts": unit.record.restarts + verdict.blame,
        "at": verdict.at,
        "why": engine.redactor.text(verdict.error.message),
    }
    return [
        _history(engine, unit, verdict.error.message),
        *_give_back(engine, unit, verdict.abandon),
        DropFacts(UPLOAD),
        ChangeUnit(changes),
    ]


def _history(engine: Engine, unit: Unit, why: str) -> Write:
    """Note why an attempt was given up; of the last one, the record tells how it ended."""
    value: dict[str, JsonValue] = {
        "why": engine.redactor.text(why),
        "at": engine.clock.now(),
        "requests": unit.counters.requests,
        "bytes_sent": unit.counters.bytes_sent,
    }
    return unit.fact(FactKind.ATTEMPT, "", "", value)


def _without(
    engine: Engine, unit: Unit, error: DocumentError, abandon: Session | None
) -> list[Write]:
    """Plan the batch again without a document that can no longer go."""
    failed = {
        **with_digest(unit.documents[error.document]),
        "outcome": Outcome.FAILED,
        "error": _error_info(engine, error),
    }
    if len(unit.documents) == 1:
        return [
            *_settle(engine, unit, Outcome.FAILED, error),
            *_give_back(engine, unit, abandon),
            DropFacts(UPLOAD),
        ]
    again = Verdict(error, restart=True, blame=False, abandon=abandon)
    return [
        ChangeDocument(error.document, {**failed, "unit_id": None}),
        *_restart(engine, unit, again),
    ]


def _give_back(engine: Engine, unit: Unit, abandon: Session | None) -> list[Write]:
    session = unit.session or abandon
    if session is None or unit.job is not None or not engine.provider.offers("abort"):
        return []
    return [QueueAbort(unit.record.attempt, session.model_dump(mode="json"))]


def _settle(engine: Engine, unit: Unit, outcome: Outcome, error: LongshoreError) -> list[Write]:
    info = _error_info(engine, error)
    changes = {
        "settled": True,
        "outcome": outcome,
        "error": info,
        "why": info.message,
        "finished_at": engine.clock.now(),
    }
    # With a job it is known since that was accepted; what is unknown may still be sent again.
    counts = unit.carried() if unit.job is None and outcome.terminal else {}
    documents: list[Write] = [
        ChangeDocument(
            id,
            {
                **with_digest(record),
                "outcome": outcome,
                "error": info,
                "parts": counts.get(id, record.parts),
            },
        )
        for id, record in unit.documents.items()
        if not record.outcome.terminal  # of which the vendor told before how it ended
    ]
    return [ChangeUnit(changes), *documents]
