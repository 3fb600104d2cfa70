"""What must hold at the end of every history, whatever happened in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from longshore.lifecycle import Outcome
from longshore.testing.simulation._history import Case, History

__all__ = ["broken_promises"]


def broken_promises(case: Case, history: History) -> list[str]:
    """Return the promises that a history breaks; empty when it keeps them all."""
    return [
        *history.problems,
        *_outcomes(case, history),
        *_jobs(case, history),
        *_bytes(case, history),
        *_parts(case, history),
    ]


def _outcomes(case: Case, history: History) -> Iterator[str]:
    if len(history.documents) != len(case.documents):
        yield f"{len(history.documents)} of {len(case.documents)} documents are in the journal"
    allowed = {Outcome.SUCCEEDED} | ({Outcome.UNKNOWN} if case.may_be_unknown else set())
    for record in history.documents:
        if record.outcome not in allowed:
            reason = record.error.message if record.error else record.word
            yield f"{record.document.name} ended as {record.outcome}: {reason}"


def _worked_on(case: Case, history: History) -> set[str]:
    return {job["id"] for job in history.state["jobs"] if job["state"] not in case.idle}


def _jobs(case: Case, history: History) -> Iterator[str]:
    """At most one vendor job per batch works or bills."""
    worked = _worked_on(case, history)
    if len(worked) > len(history.units):
        yield f"{len(worked)} vendor jobs for {len(history.units)} batches"
    owned = Counter(unit.job_id for unit in history.units if unit.job_id)
    for job, count in owned.items():
        if count > 1:
            yield f"job {job} belongs to {count} batches"
    for job in history.state["jobs"]:
        if job["id"] not in owned and job["state"] in case.idle - case.over:
            yield f"job {job['id']} was left behind as {job['state']}"


def _bytes(case: Case, history: History) -> Iterator[str]:
    """A document reported as succeeded is at the vendor, whole, exactly once."""
    worked = _worked_on(case, history)
    arrived = Counter(
        document["sha256"] for document in history.state["documents"] if document["job"] in worked
    )
    wanted: Counter[str] = Counter()
    possible: Counter[str] = Counter()
    contents = dict(enumerate(content for _, content in case.documents))
    for record in history.documents:
        digest = hashlib.sha256(contents[record.place]).hexdigest()
        possible[digest] += 1
        if record.outcome is Outcome.SUCCEEDED:
            wanted[digest] += 1
    for digest, count in wanted.items():
        if arrived[digest] < count:
            yield f"a document that succeeded is not at the vendor ({digest[:8]})"
    for digest, count in arrived.items():
        if count > possible[digest]:
            yield f"bytes arrived {count} times, or wrong ({digest[:8]})"


def _parts(case: Case, history: History) -> Iterator[str]:
    """One lost answer may cost one repeated part; a finished part never comes again."""
    lost = sum(event in ("lost", "crash") for event in history.plan.values())
    if not case.may_resend_parts and history.state["duplicates"] > lost:
        yield f"{history.state['duplicates']} parts came twice after {lost} losses"
