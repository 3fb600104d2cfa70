"""The story of one upload, told flow by flow, with something happening at one spot or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from longshore.errors import LongshoreError, PluginError
from longshore.lifecycle import Batch, Job, Receipt, Session, Setup, State, Status
from longshore.pipeline import RETURNS, capabilities_of
from longshore.planning import Group, group
from longshore.provider import Inventory, Provider, Refused, Response, Results
from longshore.sandbox import Vendor
from longshore.testing._carry import Sent
from longshore.testing._drive import Pier
from longshore.testing.conformance._kit import Kit, Mode

__all__ = ["MOST_POLLS", "Between", "Spot", "Story", "disturb", "spots", "tell"]

T = TypeVar("T")
Between: TypeAlias = "Callable[[Story, Sent, Callable[[], Response]], Response]"

MOST_POLLS = 40


class _Interrupted(Exception):
    """The process ends here; the flow will be run again."""


@dataclass
class Story:
    """What happened from ``prepare`` to the last poll.

    Attributes:
        flows: verb, object, and what each flow call returned.
        calls: for each request the number of its flow call, from 0.
        replies: what came, one for each request in ``pier.sent``; None where none came.
        error: why it ended early; None when it did not.
        afresh: each flow is run by an adapter of its own, as in another process.
        interrupted: the process ended once already.
    """

    kit: Kit
    mode: Mode
    pier: Pier[Provider[Any], Vendor]
    batch: Batch | None = None
    setup: Setup | None = None
    session: Session | None = None
    receipts: tuple[Receipt, ...] = ()
    job: Job | None = None
    statuses: list[Status] = field(default_factory=list)
    results: Results | None = None
    inventory: Inventory | None = None
    flows: list[tuple[str, str, object]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    replies: list[Response | None] = field(default_factory=list)
    error: Exception | None = None
    afresh: bool = False
    interrupted: bool = False

    @property
    def opened(self) -> Session:
        """The session, once there is one."""
        assert self.session is not None
        return self.session

    @property
    def planned(self) -> Batch:
        """The batch, once there is one."""
        assert self.batch is not None
        return self.batch

    @property
    def accepted(self) -> Job:
        """The job, once there is one."""
        assert self.job is not None
        return self.job

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen: the credentials and the session's secrets."""
        held = self.session.secrets.values() if self.session else ()
        return (*self.kit.secrets, *held)

    def shows_secret(self) -> bool:
        """Tell whether the error's words hold what must not be seen, signed URLs included."""
        text = f"{self.error} {getattr(self.error, 'hint', '')}"
        hidden = [*self.secrets, *calm(self.kit, self.mode).secrets]
        urls = [t.url for t in self.session.transfers if t.url] if self.session else []
        return any(len(secret) >= 6 and secret in text for secret in (*hidden, *urls))

    def of(self, verb: str) -> Iterator[tuple[Sent, Response | None]]:
        """Give the exchanges of one verb."""
        for sent, reply in zip(self.pier.sent, self.replies, strict=True):
            if sent.verb == verb:
                yield sent, reply

    def state(self) -> Any:
        """What the vendor holds now."""
        return self.pier.vendor.state(self.pier.now)


@dataclass(frozen=True)
class Spot:
    """One request of a story, in all its places."""

    mode: Mode
    script: str
    verb: str
    template: str
    step: str
    place: int

    def __str__(self) -> str:
        return f"{self.verb} {self.template}" + (f" ({self.step})" if self.step else "")

    def is_of(self, sent: Sent) -> bool:
        """Tell whether a request is this one."""
        mine = (self.verb, self.template, self.step)
        return (sent.verb, sent.template, sent.request.step) == mine


def tell(
    kit: Kit,
    mode: Mode,
    script: str = "upload",
    *,
    between: Between | None = None,
    watch: Callable[[], AbstractContextManager[object]] = nullcontext,
    interrupt_at: int | None = None,
    afresh: bool = False,
) -> Story:
    """Tell a story.

    Args:
        kit: which provider.
        mode: what is carried, and how.
        script: ``upload``; or one that stops sooner, or goes on with a verb after the session
            (``abort``), the job (``cancel``) or the end (``results``); see ``_SCRIPTS``.
        between: may answer instead of the vendor; it sees what was told so far.
        watch: a context in which the flows' own code runs.
        interrupt_at: the process ends before the request of this number, and a new one goes on.
        afresh: each flow is run by an adapter of its own, as in another process.
    """
    story = Story(kit, mode, kit.pier(mode), afresh=afresh)

    def carried(sent: Sent, deliver: Callable[[], Response]) -> Response:
        if interrupt_at == len(story.pier.sent) - 1 and not story.interrupted:
            story.interrupted = True
            story.pier.sent.pop()
            raise _Interrupted
        story.replies.append(None)
        story.calls.append(len(story.flows))
        place = len(story.replies) - 1
        reply = between(story, sent, deliver) if between else deliver()
        story.replies[place] = reply
        return reply

    story.pier.between = carried
    story.pier.watch = watch
    try:
        _SCRIPTS[script](story)
    except Refused as refused:
        story.error = refused.error
    except Exception as error:  # noqa: BLE001 - whatever it is: a check will say so
        story.error = error
    return story


def _call(story: Story, verb: str, *arguments: object, object: str = "") -> Any:
    """Run one flow of the provider to its end, and look at what it returns."""
    pier, answers = story.pier, dict[str, Response]()
    if story.afresh:
        token, pier.provider = pier.provider.token, story.kit.adapter(story.mode)
        pier.provider.token = token
    flow = getattr(pier.provider, verb)
    while True:
        try:
            result = pier.run(lambda: flow(*arguments), answers, verb=verb, object=object)
        except _Interrupted:
            continue
        if type(result) is not _RETURNS[verb]:
            raise PluginError(
                f"{verb} returns {type(result).__name__}, and not {_RETURNS[verb].__name__}"
            )
        story.flows.append((verb, object, result))
        return result


_RETURNS = {
    **RETURNS,
    "abort": type(None),
    "renew": tuple,
    "results": Results,
    "inventory": Inventory,
}


def _open(story: Story) -> None:
    pier = story.pier
    setup = story.setup = _call(story, "prepare")
    documents = [pier.document(name, content) for name, content in story.mode.documents]
    capabilities = capabilities_of(pier.provider, setup)
    if capabilities.wants_sha256:
        documents = [d.model_copy(update={"sha256": digest_of(story, d.id)}) for d in documents]
    planned = next(iter(group(documents, capabilities)))
    if not isinstance(planned, Group):
        raise LongshoreError(f"the plan refuses the document: {'; '.join(planned.reasons)}")
    batch = Batch(id="b1", documents=planned.documents, part_size=planned.part_size, setup=setup)
    story.batch, pier.key = batch, "b1-1"
    session = story.session = _call(story, "start", batch)
    if not session.transfers:
        raise PluginError("start returns a session without a transfer: nothing would be sent")


def digest_of(story: Story, document: str) -> str:
    """Return the SHA-256 of a document of the story."""
    return hashlib.sha256(story.pier.contents[document]).hexdigest()


def _send(story: Story) -> None:
    _open(story)
    for transfer in story.opened.transfers:
        receipt = _call(story, "send", story.batch, story.session, transfer, object=transfer.id)
        story.receipts += (receipt,)


def _complete(story: Story) -> None:
    _send(story)
    story.job = _call(story, "complete", story.batch, story.session, story.receipts)


def _upload(story: Story) -> None:
    _complete(story)
    for _ in range(MOST_POLLS):
        story.statuses.append(_call(story, "poll", story.job))
        if story.statuses[-1].state is not State.RUNNING:
            break
        story.pier.now += 1.0


def _renew(story: Story) -> None:
    _open(story)
    transfers = story.opened.transfers
    if any(transfer.url for transfer in transfers):
        fresh = _call(story, "renew", story.batch, story.session, transfers)
        story.session = story.opened.model_copy(update={"transfers": fresh})


def _abort(story: Story) -> None:
    _open(story)
    _call(story, "abort", story.session)


def _cancel(story: Story) -> None:
    _complete(story)
    story.statuses.append(_call(story, "cancel", story.job))


def _act(story: Story) -> None:
    """Do what is offered first."""
    _upload(story)
    for action in story.statuses[-1].actions[:1]:
        story.statuses.append(_call(story, "act", story.job, action))


def _results(story: Story) -> None:
    _upload(story)
    story.results = _call(story, "results", story.job)


def _inventory(story: Story) -> None:
    _upload(story)
    story.inventory = _call(story, "inventory", story.setup)


_SCRIPTS: dict[str, Callable[[Story], None]] = {
    "open": _open,
    "send": _send,
    "complete": _complete,
    "upload": _upload,
    "renew": _renew,
    "abort": _abort,
    "cancel": _cancel,
    "act": _act,
    "results": _results,
    "inventory": _inventory,
}
"""What is told; those after ``upload`` are named after the verb that they end with."""


@lru_cache(maxsize=256)
def calm(kit: Kit, mode: Mode, script: str = "upload") -> Story:
    """Tell a story in which nothing goes wrong; it is told once and must not be changed."""
    return tell(kit, mode, script)


def scripts(kit: Kit) -> tuple[str, ...]:
    """Return the stories that this provider can be told in."""
    verbs = ("renew", "abort", "cancel", "act", "results", "inventory")
    return ("upload", *(verb for verb in verbs if kit.offers(verb)))


def _told_in(kit: Kit, script: str) -> Sequence[Mode]:
    if script == "act":
        return (kit.review,) if kit.review is not None else ()
    return kit.modes


@lru_cache(maxsize=64)
def spots(kit: Kit) -> tuple[Spot, ...]:
    """Return every request that the stories know, each once, where it comes first.

    A mode in which the upload fails without any fault has none: that is told by one check.
    """
    found: dict[tuple[str, str, str], Spot] = {}
    for script, mode in ((s, mode) for s in scripts(kit) for mode in _told_in(kit, s)):
        if calm(kit, mode).error is not None:
            continue
        story = calm(kit, mode, script)
        for place, sent in enumerate(story.pier.sent):
            if story.replies[place] is None:
                continue
            key = (sent.verb, sent.template, sent.request.step)
            found.setdefault(key, Spot(mode, script, *key, place))
    return tuple(found.values())


def request_at(kit: Kit, spot: Spot) -> tuple[Sent, Response]:
    """Return the request at a spot and the reply that it has when nothing goes wrong."""
    story = calm(kit, spot.mode, spot.script)
    reply = story.replies[spot.place]
    assert reply is not None
    return story.pier.sent[spot.place], reply


def disturb(kit: Kit, spot: Spot, act: Callable[[Callable[[], Response]], Response]) -> Story:
    """Tell the story with something in the place of one request, each time it is sent.

    Args:
        kit: which provider.
        spot: the request.
        act: gets what delivers it to the vendor, and returns the reply that the flow gets.
    """

    def between(_: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
        return act(deliver) if spot.is_of(sent) else deliver()

    return tell(kit, spot.mode, spot.script, between=between)
