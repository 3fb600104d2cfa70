"""The engine: everything that moves a unit, as parameters; no globals, no clock of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from longshore._faults import asked
from longshore.capabilities import Capabilities, PollSchedule, Rate
from longshore.documents import Document
from longshore.errors import AccountError, VendorUnavailable
from longshore.journal import Journal, RunRecord
from longshore.lifecycle import Session, Setup
from longshore.pipeline._events import Event, Listener
from longshore.pipeline._hooks import Hooks
from longshore.pipeline._places import Places
from longshore.pipeline._unit import Step, Unit
from longshore.provider import Provider, ProviderSettings, Request
from longshore.redaction import Redactor
from longshore.sources import SMALL
from longshore.transfer import Clock, Driver

__all__ = ["Engine", "capabilities_of"]

MOST_QUESTIONS = 5
"""How often a lost request is asked about before its outcome is unknown."""

MOST_RESTARTS = 3
"""Fresh sessions in a row that the vendor or the network may cause."""

SLOW_POLL = 60.0
"""Seconds between polls of a job that waits for a person."""


class Losers:
    """The batches that have lost answers since the vendor answered anybody."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._units: set[str] = set()

    def note(self, unit_id: str, answered_at: float | None) -> int:
        """Add one; returns how many there are."""
        if answered_at != self._since:
            self._since, self._units = answered_at, set()
        self._units.add(unit_id)
        return len(self._units)


@dataclass(slots=True)
class Engine:
    """Moves the units of one run.

    Attributes:
        run: the run's record.
        provider: the adapter to the vendor.
        capabilities: the provider's, as the settings overrule them.
        journal: the durable record.
        driver: carries requests.
        clock: time, and how to wait.
        digest: returns a document's SHA-256.
        small: bytes: documents up to this size are hashed when their batch starts; larger ones
            in a step of its own, beside the sending.
        redactor: knows the secrets.
        checksum: compute a SHA-256 of every document.
        resend: after an unknown outcome send again, at the risk of a second job.
        until: true for a batch that has come as far as wanted; None: until its job is over.
        listener: is told what happens.
        hooks: makes the addresses that the vendor is told to call; None: it calls nobody.
        setup: what ``prepare`` found.
        landed: is told of a step whose last request was answered; what is left is its commit.
        places: for requests; who has none waits before the request leaves.
        follows: asked whether a unit's next step may follow a step at once, in one go with it.
        over_since: when the run was over, as long as nothing that was asked of it since was done.
        trouble: the last reason why the account could not go on.
        losers: the batches that have lost answers of late.
        began: when it was made.
    """

    run: RunRecord
    provider: Provider[ProviderSettings]
    capabilities: Capabilities
    journal: Journal
    driver: Driver
    clock: Clock
    digest: Callable[[Document], Awaitable[str]]
    redactor: Redactor = field(default_factory=Redactor)
    checksum: bool = True
    resend: bool = False
    until: Callable[[Unit], bool] | None = None
    listener: Listener | None = None
    hooks: Hooks | None = None
    over_since: float | None = None
    trouble: AccountError | None = None
    losers: Losers = field(default_factory=Losers)
    began: float = field(init=False)
    setup: Setup = field(default_factory=Setup)
    landed: Callable[[Step], None] | None = None
    follows: Callable[[Unit, Step], bool] | None = None
    places: Places = field(default_factory=Places)
    small: int = SMALL

    def __post_init__(self) -> None:
        self.began = self.clock.now()

    @property
    def refused(self) -> bool:
        """True once the vendor refused the account, whoever asked: nothing leaves any more."""
        return self.trouble is not None and not isinstance(self.trouble, VendorUnavailable)

    async def note_open(self) -> None:
        """Note that the run is not over any more: a resume has to know, come what may."""
        if self.run.finished_at is not None:
            await self.journal.change_run(self.run.id, finished_at=None)
            self.run = self.run.changed({"finished_at": None})

    def emit(self, event: Event) -> None:
        """Tell the listener."""
        if self.listener is not None:
            self.listener(event)

    def learn(self, unit: Unit, session: Session) -> None:
        """Hide the secrets of a unit's session, as long as the unit is in memory."""
        secrets = tuple(session.secrets.values())
        unit.secrets += secrets
        self.redactor.learn(secrets)

    def forget(self, unit: Unit) -> None:
        """The unit leaves memory: to hide what no request carries would cost more and more."""
        if unit.secrets:
            self.redactor.forget(unit.secrets)
            unit.secrets = ()

    def callback(self, unit_id: str) -> str | None:
        """Return the address at which the vendor reports about a batch."""
        return self.hooks.url(unit_id) if self.hooks is not None else None

    def patience(self, request: Request) -> float:
        """Seconds in which an answer must come, and a request that seems lost may still arrive."""
        return request.timeout or self.provider.settings.timeout

    def pause(self, seconds: float) -> float:
        """The pause between two questions of a flow, as the settings overrule it."""
        overruled = self.provider.settings.poll_interval
        return seconds if overruled is None else overruled


def capabilities_of(
    provider: Provider[ProviderSettings], setup: Setup | None = None
) -> Capabilities:
    """Return the provider's capabilities as the common settings overrule them.

    What the vendor itself told in ``prepare`` stands above what is known in advance. An
    explicit ``poll_interval`` replaces every poll pace and may be below the vendor's floor.
    """
    told = setup.capabilities if setup else None
    own = told or asked(provider.name, "capabilities", provider.capabilities)
    settings = provider.settings
    changes: dict[str, object] = {}
    if settings.max_concurrency is not None:
        changes["concurrency"] = settings.max_concurrency
    if settings.requests_per_minute is not None:
        changes["rate"] = Rate(requests=settings.requests_per_minute, seconds=60.0)
        changes["read_rate"] = None
    polls = own.polls
    if settings.poll_interval is not None:
        pace = settings.poll_interval
        polls = PollSchedule(floor=pace, interval=pace, longest=pace, timeout=polls.timeout)
    if settings.poll_timeout is not None:
        polls = polls.changed({"timeout": settings.poll_timeout})
    if polls is not own.polls:
        changes["polls"] = polls
    return own.changed(changes) if changes else own
