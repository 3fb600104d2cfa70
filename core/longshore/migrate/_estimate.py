"""What carrying would take: batches, requests, time, credits, as far as anything tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from pydantic import JsonValue

from longshore._shelf import Shelf
from longshore.documents import Document
from longshore.journal import DocumentRecord, Journal, RunRecord, units_of
from longshore.migrate._checked import Checked
from longshore.pipeline import Plan, RunOptions, capabilities_of, plan
from longshore.targets import Target

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan in numbers.

    Attributes:
        plan: batches, documents, bytes, parts.
        refused: records of what is refused, with its reasons.
        at_least: requests that it takes even if every job is over at the first poll.
        expected: requests, by what earlier batches to this target took; None without any.
        seconds: at the vendor's documented rate; None where none is documented.
        credits: what the vendor charges, in its words; "" where it does not say.
    """

    plan: Plan
    refused: Sequence[DocumentRecord]
    at_least: int
    expected: int | None
    seconds: float | None
    credits: str

    def json(self) -> dict[str, JsonValue]:
        """Return it as scripts read it."""
        return {
            "documents": self.plan.documents,
            "refused": len(self.refused),
            "batches": self.plan.batches,
            "parts": self.plan.parts,
            "bytes": self.plan.size,
            "requests": {"at_least": self.at_least, "expected": self.expected},
            "seconds_at_rate": None if self.seconds is None else round(self.seconds, 1),
            "credits": self.credits or None,
        }


class _Seen(Checked):
    """A document as it was when it was hashed: an estimate does not look at its source again."""

    def document(self, id: str) -> Document:
        """Describe it."""
        assert self.known is not None
        return self.known.changed({"id": id})


async def estimate(
    journal: Journal,
    target: Target,
    chosen: Iterable[Checked],
    options: RunOptions,
    earlier: Iterable[RunRecord],
) -> Estimate:
    """Plan documents for a target without beginning anything.

    Raises:
        UsageError: an option breaks a limit of the vendor.
    """
    capabilities = capabilities_of(target.provider).for_upload()
    total, refused = Plan(), Shelf[DocumentRecord]()
    ids = count()
    for item in plan(
        (_Seen(one.path, one.name, known=one.known, label=one.label) for one in chosen),
        capabilities,
        run_id="",
        target=target.name,
        new_id=lambda: str(next(ids)),
        part_size=options.part_size,
        batch_size=options.batch_size,
    ):
        if isinstance(item, DocumentRecord):
            refused.append(item)
        else:
            total.add(item, capabilities)
    at_least = 2 * total.batches + total.parts
    usual = await _usual(journal, earlier)
    expected = None if usual is None else max(round(usual * total.batches), at_least)
    return Estimate(
        plan=total,
        refused=refused,
        at_least=at_least,
        expected=expected,
        seconds=capabilities.least_seconds(total.batches + total.parts, expected or at_least),
        credits=capabilities.credits,
    )


async def _usual(journal: Journal, runs: Iterable[RunRecord]) -> float | None:
    """Return how many requests a finished batch of these runs took, on average."""
    batches = requests = 0
    for run in runs:
        async for unit in units_of(journal, run.id):
            if unit.settled and unit.job_id:
                batches += 1
                requests += unit.counters.requests
    return requests / batches if batches else None
