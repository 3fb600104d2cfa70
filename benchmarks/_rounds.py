"""Turns: every client once a round, so that what disturbs one round disturbs them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks._measure import Sample, Skipped, Wrong

__all__ = ["Rounds", "take_turns"]

Of = Callable[[Sample], float]


@dataclass
class Rounds:
    """The samples of all rounds, by client; a client that was skipped has none, but a reason."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def median(self, client: str, of: Of) -> float | None:
        """Return the median over the rounds; None when the client was skipped."""
        samples = self.samples.get(client)
        return median(map(of, samples)) if samples else None

    def ratio(self, client: str, other: str, of: Of) -> float | None:
        """Return the median of client / other, each compared within its round."""
        mine, theirs = self.samples.get(client), self.samples.get(other)
        if not mine or not theirs:
            return None
        return median(of(a) / of(b) for a, b in zip(mine, theirs, strict=True) if of(b))

    def least(self, clients: Sequence[str], of: Of) -> float | None:
        """Return the smallest median of several clients."""
        found = [value for name in clients if (value := self.median(name, of)) is not None]
        return min(found, default=None)


def take_turns(
    contenders: Mapping[str, Callable[[], Sample]], rounds: int, say: Callable[[str], None]
) -> Rounds:
    """Measure everybody ``rounds`` times; each round begins with another one."""
    names = list(contenders)
    found = Rounds({name: [] for name in names})
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if name in found.skipped:
                continue
            try:
                sample = contenders[name]()
            except (Skipped, Wrong) as reason:
                found.skipped[name] = str(reason)
                found.samples.pop(name)
                say(f"  {name}: skipped ({reason})")
                continue
            found.samples[name].append(sample)
            say(f"  {number + 1}/{rounds} {name}: {sample.seconds:.3f} s, CPU {sample.cpu:.3f} s")
    return found
