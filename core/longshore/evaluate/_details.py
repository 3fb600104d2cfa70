"""A vendor's result for one document, kept small enough to hold those of thousands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from longshore.journal import DocumentRecord
from longshore.provider import DocumentResult, Results

__all__ = ["Budget", "Detail", "Measures", "match_results"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of each result is kept, so that all of them together stay bounded.

    Attributes:
        entries: fields, texts, tables, artifacts, each.
        characters: of each name, text, value, cell and warning, and of a note about a job.
        raw: characters of a raw reply; what a vendor counted is left out where it is longer.
    """

    entries: int = 400
    characters: int = 2000
    raw: int = 20_000

    @classmethod
    def for_cells(cls, cells: int) -> Budget:
        """Share what all results may take (some 32 MB) among so many of them."""
        usual, share = cls(), 32_000_000 // max(cells, 1)
        return cls(
            entries=max(12, min(usual.entries, share // 200)),
            characters=max(120, min(usual.characters, share // 20)),
            raw=max(600, min(usual.raw, share // 3)),
        )


@dataclass(frozen=True, slots=True)
class Measures:
    """Size and shape of a whole result, whatever of it is kept."""

    pages: int | None
    fields: int
    texts: int
    characters: int
    tables: int
    artifacts: int
    warnings: int

    @classmethod
    def of(cls, result: DocumentResult) -> Measures:
        """Count."""
        return cls(
            pages=result.pages,
            fields=len(result.fields),
            texts=len(result.texts),
            characters=sum(len(text.text) for text in result.texts),
            tables=len(result.tables),
            artifacts=len(result.artifacts),
            warnings=len(result.warnings),
        )


@dataclass(slots=True)
class Detail:
    """What is kept of a vendor's result for one document.

    Attributes:
        result: in the neutral shape, cut to the budget.
        whole: False when something was cut.
        raw: the job's raw reply as JSON text, cut to the budget.
        warnings: about the job as a whole.
        values: name -> the values of that name, as they are compared.
    """

    result: DocumentResult
    whole: bool = True
    raw: str = ""
    warnings: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, result: DocumentResult, budget: Budget, raw: str, warnings: Sequence[str]
    ) -> Detail:
        """Keep what the budget allows."""
        kept = _cut(result, budget)
        about = _texts(warnings, budget)
        return cls(kept, kept == result, raw[: budget.raw], about)


def _cut(result: DocumentResult, budget: Budget) -> DocumentResult:
    most, longest = budget.entries, budget.characters
    return result.model_copy(
        update={
            "name": _short(result.name, longest),
            "vendor_id": _short(result.vendor_id, longest),
            "fields": tuple(
                entry.model_copy(
                    update={
                        "name": entry.name[:longest],
                        "value": _short(entry.value, longest),
                    }
                )
                for entry in result.fields[:most]
            ),
            "texts": tuple(
                text.model_copy(update={"text": text.text[:longest], "kind": text.kind[:longest]})
                for text in result.texts[:most]
            ),
            "tables": tuple(
                table.model_copy(
                    update={
                        "rows": tuple(
                            tuple(cell[:longest] for cell in row[:50]) for row in table.rows[:most]
                        )
                    }
                )
                for table in result.tables[:20]
            ),
            "artifacts": tuple(
                artifact.model_copy(
                    update={
                        "name": artifact.name[:longest],
                        "url": artifact.url[:longest],
                        "kind": artifact.kind[:longest],
                    }
                )
                for artifact in result.artifacts[:most]
            ),
            "warnings": _texts(result.warnings, budget),
        }
    )


def _texts(texts: Sequence[str], budget: Budget) -> tuple[str, ...]:
    return tuple(text[: budget.characters] for text in texts[: budget.entries])


def _short(value: JsonValue, longest: int) -> JsonValue:
    if isinstance(value, str):
        return value[:longest]
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= longest else text[:longest]
    return value


def match_results(
    records: Iterable[DocumentRecord], results: Results
) -> Mapping[str, DocumentResult]:
    """Find which of a job's documents each result is for.

    By the vendor's id, else by a name that only one on each side has, else because there is only
    one on each side. A result that matches none stays in the raw reply.

    Returns:
        Document id -> its result.
    """
    ours = list(records)
    left = list(results.documents)
    found: dict[str, DocumentResult] = {}

    def pair(key_of_ours: Mapping[str, str], name: str) -> None:
        for result in list(left):
            id = key_of_ours.get(getattr(result, name) or "")
            if id is not None and id not in found:
                found[id] = result
                left.remove(result)

    pair({r.vendor_id: r.document.id for r in ours if r.vendor_id}, "vendor_id")
    names = [result.name for result in left]
    missing = [record for record in ours if record.document.id not in found]
    once = [r for r in missing if names.count(r.document.name) == 1]
    alike = [record.document.name for record in missing]
    pair(
        {r.document.name: r.document.id for r in once if alike.count(r.document.name) == 1}, "name"
    )
    if len(ours) == 1 and len(results.documents) == 1 and not found:
        found[ours[0].document.id] = results.documents[0]
    return found
