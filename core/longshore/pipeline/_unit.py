"""A unit on its way: what the journal knows about it, parsed, and what is only true right now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeAlias

from pydantic import JsonValue

from longshore._model import Frozen
from longshore.capabilities import Capabilities
from longshore.documents import Document
from longshore.errors import (
    CancelledByUser,
    JournalError,
    LongshoreError,
    ResumeMismatch,
    UnknownOutcome,
)
from longshore.journal import (
    ChangeDocument,
    ChangeUnit,
    Counters,
    DocumentRecord,
    DropFacts,
    Fact,
    FactKind,
    Journal,
    PutFact,
    Taken,
    UnitRecord,
    Write,
)
from longshore.lifecycle import Batch, Job, Outcome, Receipt, Session, Setup, Status, Transfer
from longshore.pipeline._scratch import SCRATCH, Answered, Intent, Timer
from longshore.transfer import Tally

__all__ = ["Step", "Unit", "Verdict"]

Slot: TypeAlias = tuple[str, str]
"""The flow and the step (or wait) in it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One flow to be run: a verb, and the transfer or action it is about.

    Attributes:
        besides: what is written with its result.
        flow: the name under which the flow's facts are kept.
    """

    verb: str
    object: str = ""
    besides: tuple[Write, ...] = field(default=(), repr=False, compare=False)
    flow: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        flow = f"{self.verb}/{self.object}" if self.object else self.verb
        object.__setattr__(self, "flow", flow)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The unit cannot simply go on: a fresh session, or the end.

    Attributes:
        error: what happened.
        restart: start afresh instead of ending.
        blame: the vendor or the network caused it; counted.
        abandon: what exists at the vendor besides the session.
        at: when to start afresh, in seconds since the epoch; 0: at once.
    """

    error: LongshoreError
    restart: bool = False
    blame: bool = True
    abandon: Session | None = None
    at: float = 0.0


@dataclass(slots=True)
class Unit:
    """A unit that this process took.

    Only ``write`` changes what is durable; it changes the journal first.
    """

    record: UnitRecord
    documents: dict[str, DocumentRecord]
    setup: Setup = field(default_factory=cache(Setup))
    session: Session | None = None
    receipts: dict[str, Receipt] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    missing: dict[str, Transfer] = field(default_factory=dict)
    job: Job | None = None
    status: Status | None = None
    callback: str | None = None
    writer: int | None = None  # whose state_version this is, once another one had the run
    answers: dict[Slot, Answered] = field(default_factory=dict)
    intents: dict[Slot, Intent] = field(default_factory=dict)
    timers: dict[Slot, Timer] = field(default_factory=dict)
    # Only true right now, never durable:
    running: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)  # of the running flows
    delays: dict[str, tuple[float, str]] = field(default_factory=dict)
    verdict: Verdict | None = None
    stale: set[str] = field(default_factory=set)
    renewals: int = 0  # in a row, without a part that arrived
    undigested: set[str] = field(default_factory=set)
    asked_about: bool = False  # its job was polled since it came into memory
    crashed: set[Slot] = field(default_factory=set)
    asked: list[Step] = field(default_factory=list)
    unwanted: bool = False  # to be cancelled as soon as it is known whether there is a job
    secrets: tuple[str, ...] = ()  # that are hidden for its sake
    small: bool = False  # its documents are hashed by the way, when it starts
    counters: Counters = field(default_factory=Counters)
    seconds: dict[str, float] = field(default_factory=dict)
    sending_since: float | None = None
    deferred: list[Write] = field(default_factory=list)
    owing: bool = False  # what is deferred tells what requests have brought about
    _batch: Batch | None = None  # as it was last made

    @classmethod
    def load(cls, taken: Taken, alive_at: float) -> Unit:
        """Build a unit from all that the journal knows.

        Args:
            taken: what the journal handed out.
            alive_at: the last moment at which an earlier process can have sent anything.
        """
        unit = cls(
            taken.unit,
            {record.document.id: record for record in taken.documents},
            counters=taken.unit.counters,
            seconds=dict(taken.unit.seconds),
        )
        for fact in taken.facts:
            if fact.attempt == taken.unit.attempt:
                unit._put(fact)
        for slot, intent in unit.intents.items():
            if intent.lost_at is None:
                unit.crashed.add(slot)
                unit.intents[slot] = replace(intent, lost_at=max(intent.at, alive_at))
        return unit

    def wait_on(self, alive_at: float) -> None:
        """Look at what is waited for no sooner than an earlier process would have done."""
        for (flow, name), timer in self.timers.items():
            self.delays[flow] = (alive_at + timer.pause, f"waiting for {name}")

    @property
    def id(self) -> str:
        """The unit's id."""
        return self.record.id

    def ask(self, step: Step) -> None:
        """Take what a person asks for; asking again before it is done changes nothing."""
        if step not in self.asked:
            self.asked.append(step)

    def judge(self, verdict: Verdict) -> None:
        """Take a verdict; the first one stands, but what either gives back is given back.

        Unless a later one says that nobody knows, or that it is not to start afresh after all.
        """
        before, error = self.verdict, verdict.error
        if before is None or isinstance(error, UnknownOutcome | ResumeMismatch):
            self.verdict = verdict
            return
        stands = verdict if before.restart and isinstance(error, CancelledByUser) else before
        self.verdict = replace(stands, abandon=before.abandon or verdict.abandon)

    @property
    def prepares(self) -> bool:
        """True for a run's ``prepare``, which is no batch."""
        return self.record.id == self.record.run_id

    @property
    def fresh(self) -> bool:
        """True as long as the vendor knows nothing of it."""
        return self.session is None and self.job is None

    @property
    def untouched(self) -> bool:
        """True as long as nothing was done with it, and nobody wants anything of it."""
        begun = self.running or self.intents or self.asked or self.record.attempt > 1
        return self.fresh and not (begun or self.record.settled) and self.verdict is None

    @property
    def moves(self) -> bool:
        """True when it goes on without somebody's help."""
        return bool(self.asked) or self.record.outcome is not Outcome.NEEDS_ACTION

    def lacks_digest(self) -> bool:
        """Tell whether a document's SHA-256 is still to be computed."""
        return any(
            record.document.sha256 is None and id not in self.undigested
            for id, record in self.documents.items()
        )

    def batch(self, capabilities: Capabilities) -> Batch:
        """The batch as the provider sees it.

        A digest that the provider does not wait for is hidden from it: a flow that is run again
        would otherwise find it there the second time, and send another request.
        """
        batch = self._batch
        if batch is None or batch.attempt != self.record.attempt or batch.setup is not self.setup:
            documents = [record.document for record in self.documents.values()]
            if not capabilities.wants_sha256:
                documents = [document.changed({"sha256": None}) for document in documents]
            batch = self._batch = Batch(
                id=self.record.id,
                attempt=self.record.attempt,
                documents=tuple(documents),
                part_size=self.record.part_size or 8 * 2**20,
                setup=self.setup,
                callback=self.callback,
            )
        return batch

    def count(self, verb: str, tally: Tally, began: float, now: float) -> None:
        """Add what a step cost; the next commit makes it durable."""
        if tally.requests:
            self.counters = self.counters.plus(tally)
        if verb == "send" and self.sending_since is not None:  # parts overlap: time on the wall
            self.seconds[verb] = now - self.sending_since
        else:
            self.seconds[verb] = self.seconds.get(verb, 0.0) + now - began

    def begins(self, verb: str, now: float) -> None:
        """Note how long the batch was queued, and when the first part got ready to leave."""
        if verb not in ("digest", "conclude"):
            self.seconds.setdefault("queued", now - self.record.created_at)
        if verb == "send" and self.sending_since is None:
            self.sending_since = now - self.seconds.get("send", 0.0)

    def cost(self) -> ChangeUnit:
        """All that this unit cost so far, to be written."""
        return ChangeUnit({"counters": self.counters, "seconds": dict(self.seconds)})

    @property
    def unsaved(self) -> bool:
        """True when requests were made that the journal does not count yet."""
        return self.counters != self.record.counters

    def sources(self) -> dict[str, Document]:
        """The documents by their ids."""
        return {id: record.document for id, record in self.documents.items()}

    def carried(self) -> dict[str, int]:
        """Count the transfers that arrived, for each document."""
        counts = dict.fromkeys(self.documents, 0)
        for transfer in filter(None, map(self.transfers.get, self.receipts)):
            for document in {piece.document for piece in transfer.pieces}:
                counts[document] += 1
        return counts

    def fact(self, kind: FactKind, flow: str, name: str, value: JsonValue | Frozen) -> PutFact:
        """Make a fact of the present attempt."""
        return PutFact(Fact(kind, self.record.attempt, flow, name, value))

    def scratch(self, flow: str) -> list[Write]:
        """Forget what a flow, and its questions, needed to be run again, if there is anything."""
        for held, _ in (*self.intents, *self.answers, *self.timers):
            if held == flow or held.startswith(f"{flow}?"):
                return [DropFacts(SCRATCH, flow)]
        return []

    async def write(self, journal: Journal, writes: Sequence[Write]) -> None:
        """Make writes durable, and those deferred until now; then true here as well."""
        deferred, self.deferred = self.deferred, []
        try:
            await journal.commit(self.record.id, self.record.epoch, [*deferred, *writes])
        except JournalError:
            self.deferred = [*deferred, *self.deferred]
            raise
        self.owing = False
        self.apply(writes)

    def defer(self, writes: Sequence[Write], *, owing: bool = False) -> None:
        """Make writes true here, and durable with the next ones: nothing depends on them.

        Args:
            writes: what is to be written.
            owing: they tell what requests have brought about: no place is waited for with them.
        """
        self.deferred += writes
        self.owing |= owing
        self.apply(writes)

    def after(self, writes: Iterable[Write]) -> Unit:
        """Return how the unit will be when writes are true; itself it stays as it is."""
        then = replace(
            self,
            documents=dict(self.documents),
            receipts=dict(self.receipts),
            missing=dict(self.missing),
            answers=dict(self.answers),
            intents=dict(self.intents),
            timers=dict(self.timers),
        )
        then.apply(writes)
        return then

    def apply(self, writes: Iterable[Write]) -> None:
        """Make writes true here, without the journal; claims and aborts are its own business."""
        changes: dict[str, object] = {}
        for write in writes:
            if isinstance(write, PutFact):
                self._put(write.fact)
            elif isinstance(write, ChangeUnit):
                changes |= write.changes
            elif isinstance(write, ChangeDocument):
                self._change(write.document_id, write.changes)
            elif isinstance(write, DropFacts):
                self._drop(*write)
        if changes:
            self.record = self.record.changed(changes)

    # ------------------------------------------------------------------ what a write means

    def _change(self, document_id: str, changes: Mapping[str, object]) -> None:
        self._batch = None
        changed = self.documents[document_id].changed(changes)
        if changed.unit_id is None:  # it no longer travels with this batch
            del self.documents[document_id]
        else:
            self.documents[document_id] = changed

    def _put(self, fact: Fact) -> None:
        value = fact.value
        match fact.kind:  # what comes with every request is in front
            case FactKind.INTENT:
                assert isinstance(value, dict)
                self.intents[fact.flow, fact.name] = Intent(**value)  # type: ignore[arg-type]
            case FactKind.RECEIPT:
                receipt = Receipt.model_validate(value)
                self.receipts[receipt.transfer] = receipt
                self.missing.pop(receipt.transfer, None)
            case FactKind.SESSION:
                self._open(Session.model_validate(value))
            case FactKind.JOB:
                self.job = Job.model_validate(value)
            case FactKind.STATUS:
                self.status = Status.model_validate(value)
            case FactKind.ANSWER:
                assert isinstance(value, dict)
                self.answers[fact.flow, fact.name] = Answered.read(dict(value))
            case FactKind.TIMER:
                assert isinstance(value, dict)
                self.timers[fact.flow, fact.name] = Timer(**value)  # type: ignore[arg-type]
            case FactKind.SETUP:
                self.setup = Setup.model_validate(value)
            case FactKind.WRITER:
                assert isinstance(value, int)
                self.writer = value

    def _open(self, session: Session) -> None:
        self.session = session
        self.transfers = {transfer.id: transfer for transfer in session.transfers}
        self.missing = {id: t for id, t in self.transfers.items() if id not in self.receipts}

    def _drop(self, kinds: Sequence[FactKind], flow: str | None, name: str | None) -> None:
        tables = (
            (FactKind.INTENT, self.intents),
            (FactKind.ANSWER, self.answers),
            (FactKind.TIMER, self.timers),
        )
        for kind, table in tables:
            if table and kind in kinds:
                for slot in [slot for slot in table if _under(slot, flow, name)]:
                    del table[slot]
        if FactKind.SESSION in kinds:
            self.session, self.transfers, self.missing = None, {}, {}
        if FactKind.RECEIPT in kinds:
            self.receipts = {}


def _under(slot: Slot, flow: str | None, name: str | None) -> bool:
    if flow is not None and slot[0] != flow and not slot[0].startswith(flow + "?"):
        return False
    return name is None or slot[1] == name
