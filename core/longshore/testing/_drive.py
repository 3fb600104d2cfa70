"""Drives single flows against a vendor's pure core: no engine, no journal, no network."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from longshore.errors import AccountError, WaitExpired
from longshore.lifecycle import Batch, Job, Receipt, Session, Setup, State, Status, Transfer
from longshore.pipeline._requests import read_refusal
from longshore.provider import Flow, Request, Response, Wait
from longshore.testing._carry import Carrier, P, Sent, V
from longshore.testing._flow import drive_flow

__all__ = ["Pier"]

T = TypeVar("T")


class _Later(Exception):
    """A flow waits: run it again from its top after some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class Pier(Carrier[P, V]):
    """Runs the flows of a provider, one after another.

    Attributes:
        twice: steps that came a second time within one flow call.
        waits: what flows waited for, in order: verb and name.
    """

    twice: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    # ------------------------------------------------------------------ one flow

    def run(
        self,
        make: Flow[T] | Callable[[], Flow[T]],
        answers: dict[str, Response] | None = None,
        *,
        verb: str = "",
        object: str = "",
    ) -> T:
        """Run a flow to its end; it is run again from its top at every wait.

        Args:
            make: returns the flow, each time anew; the flow itself where it never waits.
            answers: what its writes were answered, by step; grows.
            verb: which verb it is.
            object: the transfer that is sent.
        """
        self.verb, self.object = verb or self.verb, object
        known: dict[str, Response] = {} if answers is None else answers
        waited: dict[str, float] = {}
        seen: set[str] = set()

        def answer(request: Request) -> Response:
            if request.step in seen:
                self.twice.append(f"{self.verb}: {request.step}")
            seen.update({request.step} - {""})
            if request.step and request.step in known:
                return self.checked(request, known[request.step])
            response = self.carry(request)
            error = read_refusal(self.provider, request, response)
            if request.step and not isinstance(error, AccountError):
                known[request.step] = response
            return self.checked(request, response)

        def wait(item: Wait) -> None:
            self.waits.append(f"{self.verb}: {item.name}")
            if self.now < waited.setdefault(item.name, self.now) + item.limit:
                raise _Later(item.seconds)
            raise WaitExpired(item.name)

        while True:
            seen.clear()
            try:
                flow = make if isinstance(make, Generator) else make()
                return drive_flow(flow, answer, wait=wait, watch=self.watch)
            except _Later as later:
                self.now += later.seconds

    # ------------------------------------------------------------------ the four steps

    def prepare(self) -> Setup:
        """Run ``prepare``."""
        return self.run(self.provider.prepare, verb="prepare")

    def start(self, batch: Batch) -> Session:
        """Run ``start``."""
        self.key = f"{batch.id}-{batch.attempt}"
        return self.run(lambda: self.provider.start(batch), verb="start")

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Receipt:
        """Run ``send`` for one transfer."""
        send = self.provider.send
        return self.run(lambda: send(batch, session, transfer), verb="send", object=transfer.id)

    def send_all(self, batch: Batch, session: Session) -> tuple[Receipt, ...]:
        """Send every transfer, in order."""
        return tuple(self.send(batch, session, transfer) for transfer in session.transfers)

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Job:
        """Run ``complete``."""
        flow = self.provider.complete
        return self.run(lambda: flow(batch, session, receipts), verb="complete")

    def upload(self, batch: Batch) -> Job:
        """Start, send and complete."""
        session = self.start(batch)
        return self.complete(batch, session, self.send_all(batch, session))

    def poll(self, job: Job, after: float = 0.0) -> Status:
        """Let time go by and poll once."""
        self.now += after
        return self.run(lambda: self.provider.poll(job), verb="poll")

    def finish(self, job: Job, every: float = 0.01, most: int = 1000) -> list[Status]:
        """Poll until the job no longer runs; return each word once, in order."""
        seen = [self.poll(job)]
        for _ in range(most):
            if seen[-1].state is not State.RUNNING:
                break
            status = self.poll(job, after=every)
            if (status.state, status.word) == (seen[-1].state, seen[-1].word):
                seen.pop()
            seen.append(status)
        return seen

    @property
    def requests(self) -> list[Request]:
        """The requests that left, in order."""
        return [sent.request for sent in self.sent]

    def path(self, sent: Sent) -> str:
        """Return ``METHOD /path`` of a request that left."""
        return f"{sent.request.method} {urlsplit(sent.call.url).path}"
