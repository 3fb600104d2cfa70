"""Bugs, by name: each changes one thing in the driver, the engine, the journal or a provider.

``case`` names where it must be noticed: some history there has to break a promise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from longshore.journal import (
    ChangeUnit,
    ClaimJob,
    DropFacts,
    FactKind,
    MemoryJournal,
    PutFact,
    Write,
)
from longshore.pipeline import Engine, _advance, _conclude, _follow, _lost, _ready, _runner
from longshore.pipeline._flow_facts import FlowFacts
from longshore.pipeline._lost import LostAnswer
from longshore.pipeline._scratch import SCRATCH
from longshore.pipeline._unit import Unit
from longshore.provider import NotDone, Request, Response
from longshore.testing.simulation import _process
from longshore.transfer import Driver, Pace, Tally, _driver, _retry
from longshore_plangrep import Plangrep
from longshore_subworkflow import Subworkflow, lookup
from tests.simulation import cases, minimal

Patch = pytest.MonkeyPatch
Change = Callable[[Patch], None]
ALL = (*cases.CASES, *minimal.CASES)


@dataclass(frozen=True)
class Mutant:
    """One bug.

    Attributes:
        name: what it does wrong.
        room: where.
        case: where it must be noticed.
        change: puts it in.
        kinds: of the single faults that are tried first; None: only seeds.
        chance: the faults that seeds draw from; None: all.
    """

    name: str
    room: str
    case: str
    change: Change
    kinds: frozenset[str] | None = frozenset({"crash", "lost"})
    chance: frozenset[str] | None = None


# ---------------------------------------------------------------------------------- journal


def keep_only(patch: Patch, change: Callable[[Write], Write | None]) -> None:
    """Change or leave out what is written."""
    commit = MemoryJournal.commit

    async def changed(self: MemoryJournal, unit: str, epoch: int, writes: Sequence[Write]) -> None:
        kept = [new for write in writes if (new := change(write)) is not None]
        await commit(self, unit, epoch, kept)

    patch.setattr(MemoryJournal, "commit", changed)


def forgets(kind: FactKind) -> Change:
    """Lose all facts of one kind."""

    def is_other(write: Write) -> Write | None:
        return None if isinstance(write, PutFact) and write.fact.kind is kind else write

    return lambda patch: keep_only(patch, is_other)


def no_poll_times(patch: Patch) -> None:
    """Lose when a job was asked about, and when it is to be: only the process that asked knows."""

    def kept(write: Write) -> Write | None:
        if not isinstance(write, ChangeUnit):
            return write
        lost = ("at", "polled_at")
        return ChangeUnit({name: v for name, v in write.changes.items() if name not in lost})

    keep_only(patch, kept)


def old_receipts(patch: Patch) -> None:
    """Keep the receipts of a session that was given up."""

    def kept(write: Write) -> Write | None:
        if isinstance(write, PutFact):
            return write._replace(fact=write.fact._replace(attempt=1))
        return None if isinstance(write, DropFacts) and FactKind.RECEIPT in write.kinds else write

    keep_only(patch, kept)


def no_claims(patch: Patch) -> None:
    """Never say to whom a job belongs, and never look."""

    async def nothing(*_: Any, **__: Any) -> frozenset[str]:
        return frozenset()

    keep_only(patch, lambda write: None if isinstance(write, ClaimJob) else write)
    patch.setattr(MemoryJournal, "claims", nothing)


def no_epochs(patch: Patch) -> None:
    """Let an executor write that was overtaken."""
    commit = MemoryJournal.commit

    async def anyone(self: MemoryJournal, unit: str, epoch: int, writes: Sequence[Write]) -> None:
        await commit(self, unit, (await self.unit(unit)).epoch, writes)

    patch.setattr(MemoryJournal, "commit", anyone)


def no_rivals(patch: Patch) -> None:
    """Never tell an ask that another batch may have lost the same request."""

    async def nothing(*_: Any, **__: Any) -> tuple[()]:
        return ()

    patch.setattr(MemoryJournal, "rivals", nothing)


# ----------------------------------------------------------------------------------- driver


def decides(change: Callable[[Request, Any, Any], Any]) -> Change:
    """Overrule the decision what follows a try."""

    def put_in(patch: Patch) -> None:
        decide = _retry.decide

        def changed(request: Request, tries: int, outcome: Any, **more: Any) -> Any:
            return change(request, outcome, decide(request, tries, outcome, **more))

        patch.setattr(_driver, "decide", changed)

    return put_in


def retry_lost(request: Request, outcome: Any, verdict: Any) -> Any:
    """Send again what may have arrived."""
    return _retry.RetryIn(1.0) if isinstance(verdict, _retry.Lost) else verdict


def deliver_5xx(request: Request, outcome: Any, verdict: Any) -> Any:
    """Take a 5xx for the vendor's answer to a request that must not come twice."""
    lost = isinstance(verdict, _retry.Lost) and isinstance(outcome, Response)
    return _retry.Deliver() if lost else verdict


def sign_everything(patch: Patch) -> None:
    """Send the credentials to signed URLs too."""
    outgoing = Driver._outgoing

    def signed(self: Driver, request: Request, *more: Any) -> Any:
        made = outgoing(self, request, *more)
        own = self._provider.sign(Request.get("/"), 0.0) if request.absolute else request
        return replace(made, headers={**made.headers, **own.headers})

    patch.setattr(Driver, "_outgoing", signed)


def talkative(patch: Patch) -> None:
    """Log what leaves, with its headers, for whoever wants every detail."""
    outgoing = Driver._outgoing

    def logged(self: Driver, *more: Any) -> Any:
        made = outgoing(self, *more)
        logging.getLogger("longshore.transfer").debug("%s: %s", made.method, dict(made.headers))
        return made

    patch.setattr(Driver, "_outgoing", logged)


async def at_once(_: Pace, **__: bool) -> None:
    """Keep no rate."""


# ------------------------------------------------------------------------------------ engine


def fresh_keys(patch: Patch) -> None:
    """Make another key for every try."""
    count = iter(range(10**9))
    patch.setattr(_runner, "key_of", lambda *_: f"{next(count):032}")


def ignore_losses(patch: Patch) -> None:
    """Send a lost request again, whatever its word."""

    async def ignore(*_: Any) -> None:
        return None

    patch.setattr(LostAnswer, "resolve", ignore)
    patch.setattr(LostAnswer, "_give_up", lambda *_, **__: None)


def believe_refusals(patch: Patch) -> None:
    """Take the refusal of a repeat for the answer to the try before it."""

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(LostAnswer, "despite", nothing)


def double_counters(patch: Patch) -> None:
    """Count every request twice."""
    count = Unit.count

    def twice(self: Unit, *arguments: Any) -> None:
        count(self, *arguments)
        count(self, *arguments)

    patch.setattr(Unit, "count", twice)


def no_bytes(patch: Patch) -> None:
    """Count no bytes."""
    count = Unit.count

    def uncounted(self: Unit, verb: str, tally: Tally, *more: Any) -> None:
        tally.bytes_sent = 0
        count(self, verb, tally, *more)

    patch.setattr(Unit, "count", uncounted)


def keep_refusals(patch: Patch) -> None:
    """Give a recorded refusal back for ever, also to whoever resumes."""
    write = FlowFacts._write

    async def kept(self: FlowFacts, writes: list[Write]) -> None:
        drops = [w for w in writes if isinstance(w, DropFacts) and FactKind.ANSWER in w.kinds]
        await write(self, [w for w in writes if w not in drops])

    patch.setattr(FlowFacts, "_write", kept)
    patch.setattr(_advance, "_refused", lambda _: [])


# --------------------------------------------------------------------------------- providers


def remedy(step: str, **changes: Any) -> Change:
    """Change what a provider says about the requests of one step."""

    def put_in(patch: Patch) -> None:
        post = Request.post.__func__  # type: ignore[attr-defined]

        def changed(cls: type[Request], url: str, *arguments: Any, **words: Any) -> Request:
            if words.get("step") == step:
                words |= changes
            return post(cls, url, *arguments, **words)  # type: ignore[no-any-return]

        patch.setattr(Request, "post", classmethod(changed))

    return put_in


def not_done(_: Any) -> Any:
    """Say without asking that a lost request did not act."""
    yield from ()
    return NotDone()


def no_abort(provider: type[Any]) -> Change:
    """Give nothing back."""

    def abort(self: Any, session: Any) -> Any:
        yield from ()

    return lambda patch: patch.setattr(provider, "abort", abort)


def key_in_job(patch: Patch) -> None:
    """Keep the session's key with the job, which outlives its batch."""
    complete = minimal.Parted.complete

    def keeping(self: Any, batch: Any, session: Any, receipts: Any) -> Any:
        job = yield from complete(self, batch, session, receipts)
        return job.model_copy(update={"data": dict(session.secrets)})

    patch.setattr(minimal.Parted, "complete", keeping)


LATE = frozenset({"late"})

MUTANTS = (
    Mutant("an intent is not durable", "journal", "sendai/batch", forgets(FactKind.INTENT)),
    Mutant("a receipt is not durable", "journal", "plangrep/multipart", forgets(FactKind.RECEIPT)),
    Mutant("a job is not durable", "journal", "subworkflow/session", forgets(FactKind.JOB)),
    Mutant("the time of a poll is not durable", "journal", "plangrep/blocked", no_poll_times),
    Mutant("receipts outlive their session", "journal", "subworkflow/session", old_receipts),
    Mutant("nobody owns a job", "journal", "subworkflow/single twins", no_claims),
    Mutant(
        "an old epoch may write", "journal", "subworkflow/session", no_epochs, frozenset({"rival"})
    ),
    Mutant("rivals are not told", "journal", "subworkflow/single twins", no_rivals, None),
    Mutant("a lost ONCE is retried", "driver", "sendai/batch", decides(retry_lost)),
    Mutant(
        "a 5xx is the answer to a ONCE",
        "driver",
        "sendai/batch",
        decides(deliver_5xx),
        frozenset({"500!"}),
    ),
    Mutant(
        "Retry-After is ignored",
        "driver",
        "plangrep/form",
        lambda patch: patch.setattr(_retry, "retry_after", lambda *_: None),
        frozenset({"429/date"}),
    ),
    Mutant(
        "Retry-After is not bounded",
        "driver",
        "plangrep/form",
        lambda patch: patch.setattr(_retry, "MOST_RETRY_AFTER", 1e12),
        frozenset({"429/absurd"}),
    ),
    Mutant("credentials go to the storage", "driver", "geolens/single", sign_everything),
    Mutant("a log line shows all headers", "driver", "plangrep/form", talkative),
    Mutant(
        "the rate is not kept",
        "driver",
        "subworkflow/fleet",
        lambda patch: patch.setattr(Pace, "turn", at_once),
    ),
    Mutant(
        "a changed file is not noticed",
        "driver",
        "geolens/single",
        lambda patch: patch.setattr(_driver, "_check", lambda *_, **__: None),
        frozenset({"changed"}),
    ),
    Mutant("a key differs on every try", "engine", "plangrep/form", fresh_keys),
    Mutant("lost answers are ignored", "engine", "subworkflow/single", ignore_losses),
    Mutant(
        "a refused repeat is believed",
        "engine",
        "minimal/keyed",
        believe_refusals,
        None,
        frozenset({"lost", "redirect"}),
    ),
    Mutant(
        "a lost request is asked about at once",
        "engine",
        "subworkflow/single",
        lambda patch: patch.setattr(Engine, "patience", lambda *_: -1e6),
        LATE,
    ),
    Mutant(
        "poll floors are ignored",
        "engine",
        "plangrep/form",
        lambda patch: patch.setattr(_ready, "_poll_at", lambda *_: 0.0),
    ),
    Mutant(
        "secrets outlive their batch",
        "engine",
        "subworkflow/session",
        lambda patch: patch.setattr(_follow, "UPLOAD", SCRATCH),
    ),
    Mutant(
        "what was begun is not given back",
        "engine",
        "plangrep/put",
        lambda patch: patch.setattr(_conclude, "_give_back", lambda *_: []),
    ),
    Mutant(
        "a step begins while a verdict is written",
        "engine",
        "plangrep/multipart",
        lambda patch: patch.setattr(_ready, "_ALONE", ()),
        None,
    ),
    Mutant(
        "another version of the plugin goes on",
        "engine",
        "sendai/batch",
        lambda patch: patch.setattr(_process, "check_state_version", lambda *_: None),
        frozenset({"crash/upgrade"}),
    ),
    Mutant("requests are counted twice", "engine", "sendai/batch", double_counters),
    Mutant("bytes are not counted", "engine", "sendai/batch", no_bytes),
    Mutant("a refusal is for ever", "engine", "plangrep/form", keep_refusals, frozenset({"gone"})),
    Mutant(
        "a torn file is left out and the rest sent again",
        "engine",
        "sendai/batch",
        lambda patch: patch.setattr(_lost, "makes_work", lambda *_: False),
        frozenset({"changed"}),
    ),
    Mutant(
        "Plangrep: no key, and nothing asked",
        "provider",
        "plangrep/form",
        remedy("create-job", key="", lost=not_done),
    ),
    Mutant("Plangrep: nothing is given back", "provider", "plangrep/put", no_abort(Plangrep)),
    Mutant(
        "GeoLens: a commit is simply repeated",
        "provider",
        "geolens/slow",
        remedy("commit", lost=not_done),
    ),
    Mutant(
        "Subworkflow: names are not compared",
        "provider",
        "subworkflow/fleet",
        lambda patch: patch.setattr(lookup, "_is_named", lambda *_: True),
    ),
    Mutant(
        "Subworkflow: a session is not given back",
        "provider",
        "subworkflow/session",
        no_abort(Subworkflow),
    ),
    Mutant(
        "Subworkflow: our clock is the vendor's",
        "provider",
        "subworkflow/single twins",
        lambda patch: patch.setattr(lookup, "_sent_at", lambda lost, _reply: lost.sent_at),
        None,
    ),
    Mutant(
        "minimal: the session's key is kept with the job", "provider", "minimal/parted", key_in_job
    ),
    Mutant(
        "Send AI: a lost upload is sent again",
        "provider",
        "sendai/batch",
        remedy("upload", lost=not_done),
    ),
)
