"""What must hold at the end of every history, whatever happened in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from longshore.journal import DocumentRecord, UnitRecord
from longshore.lifecycle import Outcome
from longshore.testing.simulation._case import Case
from longshore.testing.simulation._faults import LOSSES, WEAK
from longshore.testing.simulation._history import History
from longshore.testing.simulation._sources import sha256_of
from longshore.testing.simulation._world import Happened

__all__ = ["broken_promises"]

_UNUSABLE = frozenset({"json", "html", "redirect", "gone", "etag"})
"""An answer that says nothing, or nothing true: the batch may fail, or nobody knows."""

_TIMES = frozenset({"crash/hour", "crash/days", "jump", "late/hour", "expired"})
"""What the vendor knew, or gave, may be gone by then."""

_MISMATCHES = frozenset({"crash/settings", "changed", "cut", "deleted"})
"""What would be sent is not what was: it is held for a person."""

_EVERYBODYS = frozenset({"rival", "jump", "back", "stop", "full"})

_OURS = frozenset({Outcome.FAILED, Outcome.CANCELLED, Outcome.REFUSED})
_LONGEST = 1.5 * 86_400.0
_PATIENCE = 4
"""Losses in a row after which a fresh session is not tried again, or a question not asked."""


def broken_promises(case: Case, history: History) -> list[str]:
    """Return the promises that a history breaks; empty when it keeps them all."""
    return [
        *history.problems,
        *_outcomes(case, history),
        *_jobs(case, history),
        *_bytes(case, history),
        *_parts(case, history),
        *_leftovers(case, history),
        *_counters(history),
        *_pace(case, history),
        *_secrets(history),
        *case.also(history.vendor),
    ]


# ------------------------------------------------------------------------------- outcomes


def _outcomes(case: Case, history: History) -> Iterator[str]:
    """Every document ends in exactly one outcome, and in none that nothing explains."""
    if len(history.documents) != len(case.documents):
        yield f"{len(history.documents)} of {len(case.documents)} documents are in the journal"
    for record in history.documents:
        if record.outcome not in _explained(case, history, record):
            reason = record.error.message if record.error else record.word
            yield f"{record.document.name} ended as {record.outcome}: {reason}"
    for unit in history.units:
        if unit.attempt - 1 > len(history.happened):
            yield f"{unit.id} began {unit.attempt} times after {len(history.happened)} faults"


def _explained(case: Case, history: History, record: DocumentRecord) -> set[Outcome]:
    """The outcomes that what happened to a document's batch can explain."""
    own = {Outcome.SUCCEEDED}
    if record.document.name in case.fails:
        own = {Outcome.FAILED, Outcome.PARTIAL}
    if record.document.id in history.touched:
        return own | {Outcome.FAILED, Outcome.UNKNOWN}
    hits = list(_hits(case, history, record))
    faults = {hit.fault for hit in hits}
    losses = sum(hit.fault.rstrip("!").partition("/")[0] in LOSSES for hit in hits)
    if case.may_be_unknown and faults:
        own.add(Outcome.UNKNOWN)
    if faults & (_UNUSABLE | _TIMES | _MISMATCHES | {"rival"}) or losses >= _PATIENCE:
        own |= {Outcome.FAILED, Outcome.UNKNOWN}
    if faults & {"crash/days"}:
        own |= {Outcome.EXPIRED, Outcome.CANCELLED}
    return own


def _hits(case: Case, history: History, record: DocumentRecord) -> Iterator[Happened]:
    """The faults that can have to do with a document: its batch's, its twin's, everybody's."""
    document = record.document
    alike = sum(
        (name, len(data)) == (document.name, document.size) for name, data in case.documents
    )
    for happened in history.happened:
        everybodys = happened.fault.startswith("crash") or happened.fault in _EVERYBODYS
        if everybodys or alike > 1 or happened.unit in (record.unit_id, "", "run"):
            yield happened


# ----------------------------------------------------------------------------------- jobs


def _worked_on(case: Case, history: History) -> set[str]:
    return {job["id"] for job in history.state["jobs"] if job["state"] not in case.idle}


def _digests(case: Case) -> list[str]:
    return [sha256_of(data) for _, data in case.documents]


def _jobs(case: Case, history: History) -> Iterator[str]:
    """At most one vendor job per batch works or bills; it belongs to that batch alone."""
    worked = _worked_on(case, history)
    more = _beyond_our_means(history)
    if len(worked) > len(history.units) + more:
        states = {job["state"] for job in history.state["jobs"]} - case.idle
        yield (
            f"{len(worked)} vendor jobs for {len(history.units)} batches, in the states "
            f"{', '.join(sorted(states))} (those in which the vendor neither works nor bills are "
            "named in `idle`)"
        )
    owned = Counter(unit.job_id for unit in history.units if unit.job_id)
    for job, count in owned.items():
        if count > 1:
            yield f"job {job} belongs to {count} batches"
    per_unit: dict[str, set[str]] = defaultdict(set)
    units = _unit_of(case, history)
    for document in history.state["documents"]:
        if document["job"] in worked and document["sha256"] in units:
            per_unit[units[document["sha256"]]].add(document["job"])
    for unit in history.units:
        jobs = per_unit.get(unit.id, set())
        if len(jobs) > 1 + more:
            yield f"{len(jobs)} vendor jobs work for batch {unit.id}"
        yield from _own_job(unit, jobs, more)


def _own_job(unit: UnitRecord, jobs: set[str], more: int) -> Iterator[str]:
    if unit.job_id and jobs and unit.job_id not in jobs:
        yield f"{unit.id} follows job {unit.job_id}, but its documents are in {sorted(jobs)}"
    if unit.outcome in _OURS and unit.job_id is None and len(jobs) > more:
        yield f"{unit.id} is {unit.outcome}, but the vendor works on it"


def _unit_of(case: Case, history: History) -> dict[str, str]:
    """Digest -> batch, for documents whose bytes no other one has."""
    digests = _digests(case)
    count = Counter(digests)
    return {
        digests[record.place]: record.unit_id
        for record in history.documents
        if record.unit_id and count[digests[record.place]] == 1
    }


def _beyond_our_means(history: History) -> int:
    """Jobs that a request made which came after every question, where no key helps.

    A clock that jumps ahead ends the wait before the time is over: then any late request may. So
    may that of a process that stands still, with its request ready, while another one does all.
    """
    jumped = any(happened.fault == "jump" for happened in history.happened)
    weak = WEAK | {"late"} if jumped else WEAK
    stood_still = 0
    if history.seed is None:
        weak, stood_still = weak | {"rival"}, history.watch.outdated
    return stood_still + sum(
        happened.fault in weak and happened.what.startswith("request once")
        for happened in history.happened
    )


# ---------------------------------------------------------------------------------- bytes


def _bytes(case: Case, history: History) -> Iterator[str]:
    """A document reported as succeeded is at the vendor, whole, exactly once."""
    worked, more = _worked_on(case, history), _beyond_our_means(history)
    jobs = {unit.id: unit.job_id for unit in history.units}
    held = Counter((d["job"], d["sha256"]) for d in history.state["documents"])
    arrived: Counter[str] = Counter()
    for (job, digest), count in held.items():
        arrived[digest] += count if job in worked else 0
    digests, wanted, possible = _digests(case), Counter[tuple[str, str]](), Counter[str]()
    for record in history.documents:
        digest = digests[record.place]
        given_up = record.outcome in _OURS and record.error and record.error.kind != "vendor"
        possible[digest] += 0 if given_up and record.unit_id not in jobs else 1
        if record.outcome is Outcome.SUCCEEDED:
            wanted[str(jobs.get(record.unit_id or "")), digest] += 1
    for (job, digest), count in wanted.items():
        if held[job, digest] < count:
            yield f"a document that succeeded is not at the vendor ({digest[:8]})"
    for digest, count in arrived.items():
        if digest in possible and count > possible[digest] + more:
            yield f"bytes arrived {count} times ({digest[:8]})"
        if digest not in possible and not history.touched:
            yield (
                f"bytes of no document arrived ({digest[:8]}): wrong ones, or the sandbox's "
                "state() lists a document that is not whole yet"
            )


def _parts(case: Case, history: History) -> Iterator[str]:
    """A fault costs one repeated part at most, or all that were in flight.

    That a finished part never comes again is watched where parts leave.
    """
    if case.may_resend_parts:
        return
    lost = len(history.happened) * (1 if history.seed is None else case.concurrency)
    if history.state["duplicates"] > lost:
        yield f"{history.state['duplicates']} parts came twice after {lost} faults"


# ------------------------------------------------------------------------------ leftovers


def _leftovers(case: Case, history: History) -> Iterator[str]:
    """What else was made at the vendor was given back, is in the queue, or expires by itself."""
    if history.faults & (_TIMES | {"gone"}):
        return
    owned = {unit.job_id for unit in history.units}
    queued = repr([entry.session for entry in history.abandoned])
    unknown = {unit.id for unit in history.units if unit.outcome is Outcome.UNKNOWN}
    for job in () if unknown else history.state["jobs"]:
        idle = job["id"] not in owned and job["state"] in case.idle - case.over
        if idle and repr(job["id"]) not in queued:
            yield (
                f"job {job['id']} was left behind as {job['state']}: nobody gave it back (where "
                "such a job expires by itself, its state is named in `over`)"
            )
    for secret in case.held(history.vendor):
        unit = history.watch.known.get(secret)
        if unit is not None and unit not in unknown and repr(secret) not in queued:
            yield f"a session of {unit} was left open"


# --------------------------------------------------------------------- counters and pace


def _counters(history: History) -> Iterator[str]:
    """The counters never say more than what left, and where nothing went wrong nothing less."""
    for unit in history.units:
        counted, sent = unit.counters, history.watch.sent[unit.id]
        carried = history.watch.bytes[unit.id]
        calm = (counted.requests, counted.bytes_sent) == (sent, carried)
        more = counted.requests > sent or counted.bytes_sent > carried
        if more or counted.retries > counted.requests or not (calm or history.happened):
            yield f"{unit.id} counts {counted}; {sent} requests and {carried} bytes left"


def _pace(case: Case, history: History) -> Iterator[str]:
    """No more requests than are allowed, and an end in reasonable time."""
    days = sum(h.fault == "crash/days" for h in history.happened) + 1
    if history.seconds > days * _LONGEST:
        yield f"it took {history.seconds / 86_400:.1f} days"
    yield from history.watch.hurried(len(history.happened))
    yield from history.watch.crowded(case.planned.rate, case.planned.read_rate)


# -------------------------------------------------------------------------------- secrets


def _secrets(history: History) -> Iterator[str]:
    """No secret in any text of the records, nor in what was said on the way."""
    texts = [str(list(vars(history.run).values()))]
    texts += [f"{unit.why} {unit.error} {unit.word} {unit.job_id}" for unit in history.units]
    texts += [f"{d.error} {d.word} {d.vendor_id} {d.path}" for d in history.documents]
    yield from history.watch.leaks(texts)
