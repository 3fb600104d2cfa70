"""A case: what is carried where, and what the vendor gives means to promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from longshore.capabilities import Rate
from longshore.documents import Document, media_type_of
from longshore.journal import DocumentRecord, RunRecord, UnitRecord
from longshore.pipeline import capabilities_of
from longshore.planning import Group, group
from longshore.provider import Provider, ProviderSettings
from longshore.sandbox import Vendor
from longshore.testing.simulation._world import EPOCH

__all__ = ["Case", "Planned"]


class Planned(NamedTuple):
    """What every history of a case begins with; immutable.

    Attributes:
        run: its record.
        units: the batches, with their documents.
        rate: requests that the vendor allows.
        read_rate: the same for those that only read, where it counts them apart.
        keys: credentials that the vendor gave.
    """

    run: RunRecord
    units: tuple[tuple[UnitRecord, tuple[DocumentRecord, ...]], ...]
    rate: Rate | None
    read_rate: Rate | None
    keys: frozenset[str]


@dataclass(frozen=True)
class Case:
    """A provider in one upload mode, and the documents that it carries.

    Attributes:
        name: for people: ``vendor/form``.
        provider: makes the adapter, afresh for every process.
        vendor: makes the vendor's side.
        documents: file name and content of each.
        idle: job states in which the vendor neither works nor bills.
        over: idle states of which nothing is left to clean up, or that expire by themselves.
        may_be_unknown: the vendor gives no means to find out whether a lost request acted.
        may_resend_parts: a repeated part is the vendor's documented way after a lost answer.
        changed: makes the adapter with other settings, for ``crash/settings``.
        acts: somebody does what a job that waits for a person offers.
        fails: names of documents that the vendor itself fails.
        batch_size: most documents in a batch; None: as the provider says.
        concurrency: requests in flight.
        held: what of the given secrets the vendor still holds open, such as session keys.
        also: more promises, of this vendor: returns what is broken.
    """

    name: str
    provider: Callable[[], Provider[ProviderSettings]]
    vendor: Callable[[], Vendor]
    documents: Sequence[tuple[str, bytes]]
    idle: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    may_be_unknown: bool = False
    may_resend_parts: bool = False
    changed: Callable[[], Provider[ProviderSettings]] | None = None
    acts: bool = False
    fails: frozenset[str] = frozenset()
    batch_size: int | None = None
    concurrency: int = 4
    held: Callable[[Any], Sequence[str]] = lambda _vendor: ()
    also: Callable[[Any], Sequence[str]] = lambda _vendor: ()

    @cached_property
    def planned(self) -> Planned:
        """The batches with which every history begins."""
        return _plan(self)


def _plan(case: Case) -> Planned:
    """Plan the case's documents; every batch and document has a telling id."""
    provider = case.provider()
    key = provider.settings.api_key
    documents = [
        Document(id=f"d{n}", name=name, size=len(content), media_type=media_type_of(name))
        for n, (name, content) in enumerate(case.documents)
    ]
    run = RunRecord(
        id="run",
        target=provider.name,
        provider=provider.name,
        state_version=provider.state_version,
        account=provider.account(),
        created_at=EPOCH,
    )
    units, place = [], 0
    capabilities = capabilities_of(provider)
    for number, planned in enumerate(group(documents, capabilities, batch_size=case.batch_size)):
        assert isinstance(planned, Group), planned
        unit = UnitRecord(
            id=f"b{number}",
            run_id=run.id,
            part_size=planned.part_size,
            created_at=EPOCH,
            documents=len(planned.documents),
        )
        records = tuple(
            DocumentRecord(document=d, run_id=run.id, unit_id=unit.id, path=d.name, place=place + n)
            for n, d in enumerate(planned.documents)
        )
        place += len(records)
        units.append((unit, records))
    keys = frozenset({key.get_secret_value()} if key is not None else ())
    return Planned(run, tuple(units), capabilities.rate, capabilities.read_rate, keys)
