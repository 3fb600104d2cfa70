"""What a status means for its unit: how its documents stand, and when to ask again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import to_json

from longshore._model import json_of
from longshore.errors import UnknownOutcome
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    DocumentRecord,
    DropFacts,
    ErrorInfo,
    FactKind,
    Write,
)
from longshore.lifecycle import (
    Accepted,
    DocumentStatus,
    Job,
    Outcome,
    State,
    Status,
    match_documents,
)
from longshore.pipeline._engine import SLOW_POLL, Engine
from longshore.pipeline._requests import UNKNOWN_HINT
from longshore.pipeline._scratch import UPLOAD
from longshore.pipeline._unit import Unit
from longshore.redaction import cut

__all__ = ["check_size", "follow"]

_REJECTED = "rejected"

_AMISS = (State.FAILED, State.PARTIAL, State.EXPIRED)
_NO_REASON = "the vendor gives no reason: its own pages show the job"

_MOST_TOLD, _MOST_RAW = 1 << 20, 256 << 10
"""Bytes of what a vendor says of a job, and of the reply beside it; a longer one is not kept."""

_MOST_WORD = 1000
"""Characters of a word for a state that are kept: each poll and each document tells it again."""


def follow(engine: Engine, unit: Unit, status: Status) -> list[Write]:
    """Write down what a poll said, and when to ask again.

    Raises:
        UnknownOutcome: it said too much.
    """
    now, outcome = engine.clock.now(), Outcome(status.state)
    if status != unit.status:
        status = _kept(engine, status)
    changes: dict[str, object] = {
        "outcome": outcome, "word": status.word, "polled_at": now,
        "error": _error(engine, status.state, status.error),
    }  # fmt: skip
    writes: list[Write] = []
    if status != unit.status:
        writes.append(unit.fact(FactKind.STATUS, "", "", status))
    if writes or outcome is not unit.record.outcome:  # most polls tell nothing new
        writes += _documents(engine, unit, status)
    if status.state.terminal:
        changes |= {"settled": True, "finished_at": now, "why": ""}
        writes.append(DropFacts(UPLOAD))
    else:
        changes |= _look_again(engine, unit, status, now)
    return [ChangeUnit(changes), *writes]


def check_size(told: Job | Status) -> None:
    """Refuse what is too large to be kept: thousands of them are, in memory and on the disk.

    Raises:
        UnknownOutcome: it is; the vendor has the job all the same.
    """
    if (size := len(json_of(told))) > _MOST_TOLD:
        words = f"what the vendor says about the job is too long: {size:,} bytes"
        raise UnknownOutcome(words, hint=UNKNOWN_HINT)


def _kept(engine: Engine, status: Status) -> Status:
    """Return what is kept of a status: without secrets, and no huge reply.

    A vendor's words may show our own key, and a reply may hold links that open by themselves.

    Raises:
        UnknownOutcome: see ``check_size``.
    """
    raw = status.raw
    if len(json_of(status)) > _MOST_RAW:
        check_size(status.changed({"raw": None}))
        raw = raw if len(to_json(raw)) <= _MOST_RAW else None
    said = {*_words(status), *(words for own in status.documents for words in _words(own))}
    shown = {words: engine.redactor.text(words) for words in said}  # many documents, few words
    documents = tuple(
        own.changed(
            {"word": cut(shown[own.word], _MOST_WORD), "error": own.error and shown[own.error]}
        )
        for own in status.documents
    )
    return status.changed(
        {
            "word": cut(shown[status.word], _MOST_WORD),
            "error": status.error and shown[status.error],
            "documents": documents,
            "raw": engine.redactor.json(raw),
        }
    )


def _words(status: Status | DocumentStatus) -> tuple[str, ...]:
    return (status.word, status.error) if status.error else (status.word,)


def _documents(engine: Engine, unit: Unit, status: Status) -> Iterator[Write]:
    """What a status changes in the records of the documents."""
    found = _found(engine, unit, status) if status.documents else {}
    rejected = {a.document: a.error for r in unit.receipts.values() for a in r.documents if a.error}
    for id, record in unit.documents.items():
        change = _document(engine, record, status, found.get(id), rejected.get(id))
        if change is not None:
            yield change


def _found(engine: Engine, unit: Unit, status: Status) -> dict[str, DocumentStatus]:
    """Find which of our documents a status tells of."""
    assert unit.job is not None
    # The receipts go with the session; the records keep what they said.
    known = [Accepted(document=id, vendor_id=r.vendor_id) for id, r in unit.documents.items()]
    job = unit.job.changed({"documents": (*known, *unit.job.documents)})
    return match_documents(unit.batch(engine.capabilities), unit.receipts.values(), job, status)


def _document(
    engine: Engine,
    record: DocumentRecord,
    status: Status,
    own: DocumentStatus | None,
    rejected: str | None,
) -> Write | None:
    """The outcome of one document: its own where the vendor tells, else that of the job.

    None when all of it is known already, as with most polls.
    """
    id = record.document.id
    if rejected or record.word == _REJECTED:
        error = _error(engine, State.FAILED, rejected) if rejected else record.error
        return ChangeDocument(id, {"outcome": Outcome.FAILED, "error": error, "word": _REJECTED})
    state, word, problem = status.state, status.word, status.error
    # A job that is over has no document that still runs.
    if own is not None and (own.state.terminal or not status.state.terminal):
        state, word, problem = own.state, own.word, own.error
        if state is not State.SUCCEEDED:
            problem = problem or status.error
    if status.state is State.NEEDS_ACTION and state is State.RUNNING:
        state = State.NEEDS_ACTION  # nothing of this job moves until somebody acts
    changes: dict[str, object] = {
        "outcome": Outcome(state),
        "word": word,
        "error": _error(engine, state, problem),
    }
    if own is not None and own.vendor_id and record.vendor_id is None:  # told once, it stays
        changes["vendor_id"] = own.vendor_id
    if all(getattr(record, name) == value for name, value in changes.items()):
        return None
    return ChangeDocument(id, changes)


def _error(engine: Engine, state: State, words: str | None) -> ErrorInfo | None:
    """What the vendor says is wrong; where it says nothing, what ended badly is told of still."""
    words = words or (_NO_REASON if state in _AMISS else None)
    return ErrorInfo(kind="vendor", message=engine.redactor.text(words)) if words else None


def _look_again(engine: Engine, unit: Unit, status: Status, now: float) -> dict[str, object]:
    """When to poll again: the pause grows to a tenth of the time that has passed."""
    polls = engine.capabilities.polls
    elapsed = now - (unit.record.accepted_at or now)
    if polls.timeout is not None and elapsed >= polls.timeout:
        return {
            "settled": True,
            "why": f"still {status.word} after {polls.timeout:.0f} s (poll_timeout)",
        }
    if status.state is State.NEEDS_ACTION:
        pause = engine.pause(max(SLOW_POLL, polls.interval))
    else:
        pause = min(polls.longest, max(polls.interval, elapsed / 10))
    return {"settled": False, "at": now + max(pause, polls.floor), "why": status.word}
