"""What is persisted about a batch on its way: start, send, complete, poll.

Every type here is final and owned by the core; what only one vendor knows is JSON in ``data``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import Field, JsonValue

from longshore._model import Frozen, Lean
from longshore.capabilities import Capabilities
from longshore.documents import Document, Piece

__all__ = [
    "Accepted", "Action", "Batch", "DocumentStatus", "Job", "Outcome", "Receipt", "Session",
    "Setup", "State", "Status", "Transfer", "combine", "match_documents",
]  # fmt: skip


class State(StrEnum):
    """The neutral words for what a vendor says about a job or a document."""

    RUNNING = "running"
    NEEDS_ACTION = "needs_action"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """True when the vendor will not change this state by itself any more."""
        return self not in (State.RUNNING, State.NEEDS_ACTION)


class Outcome(StrEnum):
    """How it stands with a document for us: the states, and what only we can know."""

    RUNNING = "running"
    NEEDS_ACTION = "needs_action"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"

    @property
    def terminal(self) -> bool:
        """True when nothing more is to be expected, by us or by the vendor."""
        return self not in (Outcome.RUNNING, Outcome.NEEDS_ACTION, Outcome.UNKNOWN)


class Setup(Frozen):
    """What ``prepare`` found out, once per run and target, for every batch.

    Attributes:
        data: vendor's facts, such as a project id; may be shown.
        capabilities: narrower than the static ones when the server told its own limits.
    """

    data: dict[str, JsonValue] = Field(default_factory=dict)
    capabilities: Capabilities | None = None


class Batch(Frozen):
    """The documents that travel together as one vendor submission.

    Attributes:
        id: random, made at planning.
        attempt: 1, and one more for every fresh session.
        documents: at least one.
        part_size: bytes of a part where we choose it.
        setup: what ``prepare`` found.
        callback: the address at which the vendor may report about this batch; it holds the
            batch's own token, so it is never shown. See ``Provider.webhook_setting``.
    """

    id: str
    attempt: int = 1
    documents: tuple[Document, ...]
    part_size: int = 8 * 2**20
    setup: Setup = Setup()
    callback: str | None = Field(default=None, repr=False)

    @property
    def reference(self) -> str:
        """Our own id for this attempt, for fields such as ``externalId``."""
        return f"ls-{self.id}-{self.attempt}"

    @property
    def size(self) -> int:
        """Bytes of all documents."""
        return sum(document.size for document in self.documents)

    def document(self, id: str) -> Document:
        """Return the document of this id.

        Raises:
            KeyError: it is not in this batch.
        """
        for document in self.documents:
            if document.id == id:
                return document
        raise KeyError(id)

    def only(self) -> Document:
        """Return the one document of a batch that cannot hold more."""
        (document,) = self.documents
        return document


class Accepted(Lean):
    """What a receipt says about one document: taken under a vendor id, or rejected.

    Attributes:
        document: the document's id.
        vendor_id: the vendor's id for it.
        error: why the vendor rejected it; None when it was accepted.
    """

    document: str
    vendor_id: str | None = None
    error: str | None = None


class Receipt(Lean):
    """Proof that one transfer arrived.

    Attributes:
        transfer: the transfer's id.
        number: the part number.
        token: what the vendor wants to see again: an ETag, or its id.
        documents: per document: accepted or rejected.
        data: vendor's facts; may be shown.
    """

    transfer: str
    number: int = 1
    token: str = ""
    documents: tuple[Accepted, ...] = ()
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Transfer(Lean):
    """What one ``send`` carries and one receipt answers.

    Attributes:
        id: unique in its session, and the same when the session is renewed.
        pieces: a part is a transfer of one piece; a form of 100 files is one of 100 pieces.
        number: the part number that the vendor counts by, from 1.
        url: where to send a signed upload; it carries its own credentials.
        headers: what the vendor dictates for this upload.
        expires_at: seconds since the epoch by the vendor's clock; None when it does not expire.
    """

    id: str
    pieces: tuple[Piece, ...]
    number: int = 1
    url: str | None = Field(default=None, repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    expires_at: float | None = None

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(piece.size for piece in self.pieces)

    def receipt(
        self, token: str = "", *, documents: Iterable[Accepted] = (), **data: JsonValue
    ) -> Receipt:
        """Return the receipt for this transfer."""
        return Receipt(
            transfer=self.id,
            number=self.number,
            token=token,
            documents=tuple(documents),
            data=data,
        )

    @classmethod
    def whole(cls, batch: Batch, id: str = "all") -> Transfer:
        """Return one transfer that holds every document of the batch, whole."""
        return cls(id=id, pieces=tuple(document.whole() for document in batch.documents))


class Session(Frozen):
    """What ``start`` returns; immutable.

    Attributes:
        transfers: what has to be sent.
        data: vendor's facts; may be shown.
        secrets: upload tokens, session keys; never shown, deleted when the batch is finished.
    """

    transfers: tuple[Transfer, ...]
    data: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)


class Job(Lean):
    """What ``complete`` returns and ``poll`` asks about.

    Attributes:
        id: the vendor's id, never empty; one vendor job belongs to one batch.
        data: vendor's facts; may be shown.
        documents: the vendor's ids of our documents, where it gave any.
    """

    id: str = Field(min_length=1)
    data: dict[str, JsonValue] = Field(default_factory=dict)
    documents: tuple[Accepted, ...] = ()


class Action(Frozen):
    """Something a person can ask the vendor to do now.

    Attributes:
        name: what to do.
        object: the vendor's id of what it is done to; None means the job.
    """

    name: str
    object: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.object}" if self.object else self.name

    @classmethod
    def parse(cls, text: str) -> Action:
        """Read ``complete`` or ``complete:task_123``."""
        name, _, object = text.partition(":")
        return cls(name=name, object=object or None)


class DocumentStatus(Frozen):
    """What the vendor says about one document (a task, a file) of a job.

    Attributes:
        state: the neutral state.
        word: the vendor's own word.
        vendor_id: the vendor's id, the safest way to find our document.
        name: the file name, used where it is unique and there is no id.
        error: the vendor's words about what went wrong.
    """

    state: State
    word: str
    vendor_id: str | None = None
    name: str | None = None
    error: str | None = None


class Status(Lean):
    """The answer to a poll.

    Attributes:
        state: the neutral state of the job.
        word: the vendor's own word.
        documents: per document, where the vendor tells.
        actions: what a person can do about it now.
        error: the vendor's words about what went wrong.
        progress: 0 to 1 where the vendor tells.
        raw: the reply as it came.
    """

    state: State
    word: str
    documents: tuple[DocumentStatus, ...] = ()
    actions: tuple[Action, ...] = ()
    error: str | None = None
    progress: float | None = None
    raw: JsonValue = None

    @classmethod
    def of(cls, word: str, words: Mapping[str, State], *, raw: JsonValue = None) -> Status:
        """Map a vendor's word; an unknown word is ``running``, which the driver logs."""
        return cls(state=words.get(word, State.RUNNING), word=word, raw=raw)


def match_documents(
    batch: Batch, receipts: Iterable[Receipt], job: Job, status: Status
) -> dict[str, DocumentStatus]:
    """Find which of our documents each reported one is, by vendor id, else by a unique name.

    A reported document that matches none (or that several would match) counts for the job only.

    Returns:
        Document id -> what the vendor says about it.
    """
    accepted = [*job.documents, *(entry for receipt in receipts for entry in receipt.documents)]
    by_id = {entry.vendor_id: entry.document for entry in accepted if entry.vendor_id}
    ours = Counter(document.name for document in batch.documents)
    theirs = Counter(reported.name for reported in status.documents)
    by_name = {d.name: d.id for d in batch.documents if ours[d.name] == 1}
    found: dict[str, DocumentStatus] = {}
    # Ids first: a name must not take a document that another entry names by its id.
    for reported in sorted(status.documents, key=lambda entry: entry.vendor_id not in by_id):
        id = by_id.get(reported.vendor_id) if reported.vendor_id else None
        if id is None and reported.name and theirs[reported.name] == 1:
            id = by_name.get(reported.name)
        if id is not None and id not in found:
            found[id] = reported
    return found


def combine(states: Iterable[State]) -> State:
    """Sum up the states of several documents as the state of their job.

    Anything running runs; else anything that needs action needs it; all alike is that; a mixture
    with some success is ``partial``, without any ``failed``. No document at all: nothing is known
    yet, so it runs.
    """
    seen = set(states) or {State.RUNNING}
    for state in (State.RUNNING, State.NEEDS_ACTION):
        if state in seen:
            return state
    if len(seen) == 1:
        return seen.pop()
    return State.PARTIAL if seen & {State.SUCCEEDED, State.PARTIAL} else State.FAILED
