"""Notes what leaves, arrives and is written down, and whether a promise breaks on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from longshore.capabilities import Rate
from longshore.documents import Piece
from longshore.journal import Fact, FactKind
from longshore.lifecycle import Receipt, Session
from longshore.testing.simulation._world import World

__all__ = ["Leaving", "Watch"]

_SIGNATURES = frozenset({"signature", "x-amz-signature", "x-amz-security-token", "token"})


class Leaving(NamedTuple):
    """A request that left: by which process, and when by either clock; and what it was for."""

    life: int
    ours: float
    true: float
    reads: bool = False

    @property
    def skew(self) -> float:
        """Seconds by which our clock was ahead."""
        return self.ours - self.true

    def since(self, earlier: Leaving) -> float:
        """Seconds that have passed: our clock may jump; who kept to it did what can be done."""
        return max(self.true - earlier.true, self.ours - earlier.ours)


@dataclass(slots=True)
class Watch:
    """What the checks at the end need to know of the way there.

    Attributes:
        world: in which it happens.
        secrets: values that may be shown nowhere.
        keys: those of them that the vendor itself gave the account.
        known: session secrets that the journal knew at some time, with their unit.
        leaving: requests that went to the vendor itself.
        sent: requests of all kinds, per unit.
        bytes: document bytes in requests, per unit.
        polled: unit -> when its last status was written down.
        early: unit -> polls that came soon after one whose answer nobody wrote down.
        lives: processes so far.
        said: every text that somebody may read: events, log lines.
        outdated: requests that must not come twice, sent by a process that was overtaken.
        problems: promises that broke on the way.
    """

    world: World
    secrets: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    leaving: list[Leaving] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    polled: dict[str, Leaving] = field(default_factory=dict)
    early: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    said: list[str] = field(default_factory=list)
    outdated: int = 0
    problems: list[str] = field(default_factory=list)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _finished: dict[str, set[Piece]] = field(default_factory=dict)
    _told: dict[int, Leaving] = field(default_factory=dict)
    _attempts: dict[str, int] = field(default_factory=dict)
    _begun: dict[str, Leaving] = field(default_factory=dict)

    # ------------------------------------------------------------------ what is written

    def wrote(self, unit: str, fact: Fact) -> None:
        """Note a fact that is durable now."""
        match fact.kind:
            case FactKind.SESSION:
                self._opened(unit, fact.attempt, Session.model_validate(fact.value))
            case FactKind.RECEIPT:
                receipt = Receipt.model_validate(fact.value)
                pieces = _pieces(self._sessions[unit], receipt.transfer)
                self._finished.setdefault(unit, set()).update(pieces)

    def heard(self, unit: str, at: float) -> None:
        """Note that it is durable now when a job was asked about."""
        self.polled[unit] = Leaving(self.lives, at, self.world.time)

    def _opened(self, unit: str, attempt: int, session: Session) -> None:
        if self._attempts.get(unit) != attempt:  # else it was renewed: what arrived stays
            self._attempts[unit], self._finished[unit] = attempt, set()
        self._sessions[unit] = session
        self.secrets.update(session.secrets.values())
        self.known.update(dict.fromkeys(session.secrets.values(), unit))
        for transfer in session.transfers:
            self.secrets.update(_signatures(transfer.url or ""))

    # ------------------------------------------------------------------ what leaves

    def leaves(self, unit: str, life: int, *, word: str, signed: bool) -> None:
        """Note a try that leaves; a signed one does not go to the vendor itself."""
        self.sent[unit] += 1
        self.outdated += life < self.lives and word == "once"
        if not signed:
            self._obeys(life)
            self.leaving.append(Leaving(life, self.world.now(), self.world.time, word == "safe"))

    def carries(self, unit: str, pieces: Sequence[Piece], *, overtaken: bool) -> None:
        """Note what a try carries; nothing that is finished, as far as its process can know."""
        self.bytes[unit] += sum(piece.size for piece in pieces)
        if overtaken:  # it learns so from the journal
            return
        for piece in self._finished.get(unit, set()).intersection(pieces):
            self.problems.append(
                f"a finished part was sent again: {piece.document} {piece.offset}+{piece.size}"
            )

    def pauses(self, life: int, seconds: float) -> None:
        """Note that the vendor told a process to wait."""
        self._told[life] = Leaving(life, self.world.now() + seconds, self.world.time + seconds)

    def _obeys(self, life: int) -> None:
        told = self._told.get(life)
        if told and self.world.now() < told.ours - 0.001 and self.world.time < told.true - 0.001:
            early = told.true - self.world.time
            self.problems.append(f"a request left {early:.1f} s before Retry-After was over")

    def strips(self, headers: Mapping[str, str]) -> None:
        """Look whether credentials go to a signed URL, whoever's host that is."""
        shown = " ".join(headers.values())
        if any(key in shown for key in self.keys):
            self.problems.append("the vendor's credentials went to a signed URL")

    def polls(self, unit: str, floor: float, life: int, *, overtaken: bool) -> None:
        """Note that a process asks about a job; sooner than the floor allows breaks a promise.

        Counted from the last answer in the journal, whichever process wrote it. What a later
        executor wrote an overtaken one cannot know.
        """
        now = Leaving(life, self.world.now(), self.world.time)
        begun, self._begun[unit] = self._begun.get(unit), now
        last = self.polled.get(unit)
        waited = floor if last is None or overtaken else now.since(last)
        if waited < floor - 0.001:
            self.problems.append(f"the job of {unit} was polled {waited:.1f} s after the last time")
        elif begun is not None and now.since(begun) < floor - 0.001:
            self.early[unit] += 1

    # ------------------------------------------------------------------ at the end

    def hurried(self, faults: int) -> Iterator[str]:
        """Say which jobs were polled early more often than answers can have been lost."""
        for unit, count in self.early.items():
            if count > faults:
                yield f"the job of {unit} was polled early {count} times after {faults} faults"

    def crowded(self, rate: Rate | None, read_rate: Rate | None) -> Iterator[str]:
        """Say where more requests left in a window than the vendor allows.

        Each process keeps the rate by itself, for it cannot know what an earlier one sent: a window
        in which two of them were alive may hold twice as many.

        Args:
            rate: of all requests; None: no limit.
            read_rate: of those that only read, which then count for themselves.
        """
        if rate is not None:
            counted = [left for left in self.leaving if not (left.reads and read_rate)]
            yield from islice(self._crowds(counted, rate), 1)
        if read_rate is not None:
            reads = [left for left in self.leaving if left.reads]
            yield from islice(self._crowds(reads, read_rate), 1)

    def _crowds(self, leaving: Sequence[Leaving], rate: Rate) -> Iterator[str]:
        most = max(int(rate.requests), 1)
        if len(leaving) <= most:
            return
        for life in range(1, self.lives + 1):
            own = [left for left in leaving if left.life == life]
            for earlier, later in zip(own, own[most:], strict=False):
                took = later.since(earlier)
                if took < rate.seconds - 0.001 and not _jumped(own, earlier, later, rate.seconds):
                    allowed = f"{most} in {rate.seconds:g} s"
                    yield f"{most + 1} requests within {took:.2f} s; allowed: {allowed}"

    def leaks(self, texts: Iterable[str]) -> Iterator[str]:
        """Say which secrets stand in texts that somebody may read."""
        shown = "\n".join([*self.said, *texts])
        for secret in sorted(self.found_in(shown)):
            at = shown.index(secret)
            yield f"a secret is shown: {shown[max(at - 60, 0) : at]!r}"

    def found_in(self, text: str) -> Iterator[str]:
        """Give the secrets in a text; what is shorter than a redactor hides is none."""
        return (secret for secret in self.secrets if len(secret) >= 6 and secret in text)


def _jumped(leaving: Sequence[Leaving], since: Leaving, until: Leaving, before: float) -> bool:
    """Tell whether our clock jumped in a time, or shortly before.

    What waits for its moment then leaves when that has come by the old time, beside what leaves
    by the new one.
    """
    near = [left for left in leaving if since.true - before <= left.true <= until.true]
    return max(left.skew for left in near) - min(left.skew for left in near) > 1.0


def _pieces(session: Session, transfer: str) -> tuple[Piece, ...]:
    return next((t.pieces for t in session.transfers if t.id == transfer), ())


def _signatures(url: str) -> Iterator[str]:
    for pair in urlsplit(url).query.split("&"):
        name, _, value = pair.partition("=")
        if name.lower() in _SIGNATURES:
            yield value
            yield unquote(value)
