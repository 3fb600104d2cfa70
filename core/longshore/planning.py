"""From documents to batches to pieces, inside a provider's limits; pure.

What cannot go is refused before the first byte, with every reason at once; the rest goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from longshore.capabilities import Capabilities, Limits, PartRule
from longshore.documents import Document, Piece
from longshore.errors import UsageError
from longshore.units import format_bytes

__all__ = ["Group", "Refusal", "cut", "group", "part_size_for", "reasons_against"]

T = TypeVar("T")

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that cannot go, with every reason."""

    document: Document
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that will travel as one batch, and the part size they are cut by."""

    documents: tuple[Document, ...]
    part_size: int


def group(
    documents: Iterable[Document | T],
    capabilities: Capabilities,
    *,
    part_size: int | None = None,
    batch_size: int | None = None,
) -> Iterator[Group | Refusal | T]:
    """Group documents into batches, in their order; yields as it goes, holds one batch.

    Args:
        documents: any number of them; what stands between them and is none is passed on at once.
        capabilities: what the vendor takes.
        part_size: bytes of a part, if the user chose.
        batch_size: most documents in a batch, if the user chose.

    Raises:
        UsageError: the part size breaks a limit of the vendor, or a size is below 1. A batch size
            above the vendor's limit is lowered to it.
    """
    limits, parts = capabilities.limits, capabilities.parts
    _check_part_size(part_size, parts)
    most = _documents_per_batch(limits, batch_size)
    open_: list[Document] = []
    size = 0
    for document in documents:
        if not isinstance(document, Document):
            yield document
            continue
        reasons = reasons_against(document, capabilities, part_size=part_size)
        if reasons:
            yield Refusal(document, reasons)
            continue
        full = most is not None and len(open_) >= most
        heavy = limits.bytes_per_batch is not None and size + document.size > limits.bytes_per_batch
        if open_ and (full or heavy):
            yield _close(open_, parts, part_size)
            open_, size = [], 0
        open_.append(document)
        size += document.size
    if open_:
        yield _close(open_, parts, part_size)


def reasons_against(
    document: Document, capabilities: Capabilities, *, part_size: int | None = None
) -> tuple[str, ...]:
    """Say why the vendor will not take this document; empty when it will."""
    limits = capabilities.limits
    reasons: list[str] = []
    most = _least(limits.bytes_per_document, limits.bytes_per_batch)
    if most is not None and document.size > most:
        reasons.append(
            f"too large: {document.size:,} bytes, the vendor takes {most:,} ({format_bytes(most)})"
        )
    if document.size < limits.min_bytes_per_document:
        reasons.append(
            "the file is empty"
            if document.size == 0
            else f"too small: {document.size} bytes, at least {limits.min_bytes_per_document}"
        )
    if limits.extensions is not None and document.extension not in limits.extensions:
        reasons.append(
            f"wrong type: {document.extension or 'no file ending'}, "
            f"the vendor takes {', '.join(sorted(limits.extensions))}"
        )
    if limits.media_types is not None and document.media_type not in limits.media_types:
        reasons.append(
            f"wrong type: {document.media_type}, "
            f"the vendor takes {', '.join(sorted(limits.media_types))}"
        )
    if limits.name_characters is not None and len(document.name) > limits.name_characters:
        reasons.append(
            f"the name has {len(document.name)} characters, "
            f"the vendor takes {limits.name_characters}"
        )
    if _too_many_parts(document.size, capabilities.parts, part_size):
        reasons.append("too large: more parts than the vendor takes")
    return tuple(reasons)


def cut(document: Document, part_size: int) -> tuple[Piece, ...]:
    """Cut a document into equal pieces, the last one shorter; an empty one is one empty piece."""
    if part_size < 1:
        raise ValueError("a part has at least one byte")
    return tuple(
        Piece(document=document.id, offset=offset, size=min(part_size, document.size - offset))
        for offset in range(0, max(document.size, 1), part_size)
    )


def part_size_for(size: int, rule: PartRule | None, asked: int | None = None) -> int:
    """Choose the part size for a document of ``size`` bytes.

    What was asked for (or the default) is brought between minimum and maximum, and grows, in whole
    MiB where the maximum allows, until the number of parts fits: the default until it is what the
    vendor aims at, and what the user asked for, too, until it is what the vendor takes. Only where
    no size fits is the result above the maximum: such a document is refused.
    """
    rule = rule or PartRule()
    chosen = max(_at_most(rule.maximum, asked or rule.default), rule.minimum)
    if asked is None and rule.aim is not None:
        chosen = max(chosen, _grown(rule.maximum, -(-size // rule.aim)))
    if rule.count is not None and size > chosen * rule.count:
        least = -(-size // rule.count)
        chosen = max(_grown(rule.maximum, least), least)
    return chosen


def _grown(maximum: int | None, least: int) -> int:
    return _at_most(maximum, -(-least // _MIB) * _MIB)


def _check_part_size(asked: int | None, rule: PartRule | None) -> None:
    """Refuse a part size that the vendor would refuse.

    Raises:
        UsageError: it is outside the vendor's limits; the message names them.
    """
    if asked is not None and asked < 1:
        raise UsageError("a part has at least one byte", hint="use --part-size 1 or more")
    if asked is None or rule is None or rule.chosen_by == "vendor":
        return
    low, high = rule.minimum, rule.maximum
    if asked < low or (high is not None and asked > high):
        upper = f" to {high:,}" if high is not None else " or more"
        raise UsageError(
            f"a part of {asked:,} bytes is outside the vendor's limits",
            hint=f"choose {low:,}{upper} bytes with --part-size",
        )


def _documents_per_batch(limits: Limits, asked: int | None) -> int | None:
    if asked is not None and asked < 1:
        raise UsageError("a batch holds at least one document", hint="use --batch-size 1 or more")
    return _least(limits.documents_per_batch, asked)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _at_most(limit: int | None, size: int) -> int:
    return size if limit is None else min(size, limit)


def _too_many_parts(size: int, rule: PartRule | None, asked: int | None) -> bool:
    if rule is None or rule.count is None or rule.chosen_by == "vendor" or size <= rule.above:
        return False
    chosen = part_size_for(size, rule, asked)
    over = rule.maximum is not None and chosen > rule.maximum
    return over or -(-size // chosen) > rule.count


def _close(documents: Sequence[Document], rule: PartRule | None, asked: int | None) -> Group:
    largest = max([document.size for document in documents])
    return Group(tuple(documents), part_size_for(largest, rule, asked))
