"""Where vendors say the same about a document, and where they do not.

Only what two of them name alike is compared: names without regard to case, spaces and camelCase,
values without regard to case, spaces and the writing of numbers. Nobody is held to be right.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from pydantic import JsonValue

from longshore.evaluate._details import Detail
from longshore.provider import DocumentResult

__all__ = ["Agreement", "Difference", "Share", "agree", "same_name", "same_value", "values_of"]

_NUMBER = re.compile(r"[$€£¥]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?)\s*[$€£¥%]?")
_MOST_NAMES, _MOST_VALUES = 500, 200
_LONGEST = 300
_READ = 4 * _LONGEST
"""Characters of a vendor's text that are looked at: Unicode's normal form takes hours for megabytes
of accents."""


@dataclass(slots=True)
class Share:
    """How much of what is shared is equal.

    Attributes:
        documents: that share a field.
        shared: fields of those.
        equal: of the shared ones.
    """

    documents: int = 0
    shared: int = 0
    equal: int = 0

    @property
    def rate(self) -> float | None:
        """From 0 to 1; None where nothing is shared."""
        return self.equal / self.shared if self.shared else None

    def add(self, one: Values, other: Values) -> None:
        """Count a document that both have read."""
        names = one.keys() & other.keys()
        self.documents += bool(names)
        self.shared += len(names)
        self.equal += sum(one[name] == other[name] for name in names)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a document that vendors read differently; target -> its values."""

    document: int
    field: str
    values: dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Agreement:
    """Agreement between targets, and of each with itself.

    Attributes:
        pairs: two targets -> what they share, over all documents.
        fields: field name -> what two targets or more share of it; equal when all say the same.
        differences: side by side, in the order of the documents.
        repeats: target -> its later rounds against its first.
    """

    pairs: dict[tuple[str, str], Share] = field(default_factory=dict)
    fields: dict[str, Share] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    repeats: dict[str, Share] = field(default_factory=dict)


Values = Mapping[str, tuple[str, ...]]


def agree(details: Mapping[tuple[str, int, int], Detail], targets: Sequence[str]) -> Agreement:
    """Compare the results of all targets, document by document.

    Of several rounds the first one that gave a result speaks for the target.
    """
    found = Agreement(pairs={pair: Share() for pair in combinations(targets, 2)})
    first: dict[int, dict[str, Values]] = defaultdict(dict)
    for (target, _round, document), detail in sorted(details.items(), key=lambda item: item[0][1]):
        earlier = first[document].setdefault(target, detail.values)
        if earlier is not detail.values:
            found.repeats.setdefault(target, Share()).add(earlier, detail.values)
    for document, by_target in sorted(first.items()):
        for one, other in combinations([name for name in targets if name in by_target], 2):
            found.pairs[one, other].add(by_target[one], by_target[other])
        _by_field(found, document, by_target)
    return found


def _by_field(found: Agreement, document: int, by_target: Mapping[str, Values]) -> None:
    names = sorted({name for values in by_target.values() for name in values})
    for name in names:
        said = {target: values[name] for target, values in by_target.items() if name in values}
        if len(said) < 2:
            continue
        same = len(set(said.values())) == 1
        share = found.fields.setdefault(name, Share())
        share.documents, share.shared = share.documents + 1, share.shared + 1
        share.equal += same
        if not same:
            found.differences.append(Difference(document, name, said))


# ------------------------------------------------------------------------------ the same


def values_of(result: DocumentResult) -> dict[str, tuple[str, ...]]:
    """Return what can be compared of a result: every value of a name, in one order.

    A vendor's own ids are left out; the number of pages counts as a field.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for entry in result.fields:
        if entry.value is None or entry.own:
            continue
        name = same_name(entry.name)
        if name in found or len(found) < _MOST_NAMES:
            found[name].append(same_value(entry.value))
    if result.pages is not None:
        found["pages"] = [same_value(result.pages)]
    return {name: _bounded(sorted(values)) for name, values in found.items()}


def _bounded(values: Sequence[str]) -> tuple[str, ...]:
    """Keep the first ones of very many; what stands for the others is only equal if they are."""
    kept, others = tuple(values[:_MOST_VALUES]), values[_MOST_VALUES:]
    if not others:
        return kept
    digest = hashlib.sha256("\0".join(others).encode("utf-8", "replace")).hexdigest()
    return (*kept, f"and {len(others)} more ({digest[:12]})")


def same_name(name: str) -> str:
    """Write a field's name in the one way in which names are compared."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _beginning(name))
    return re.sub(r"[\W_]+", "_", words).strip("_").casefold()[:_LONGEST] or name[:_LONGEST]


def same_value(value: JsonValue) -> str:
    """Write a value in the one way in which values are compared."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False).casefold()[:_LONGEST]
    if isinstance(value, bool):
        return str(value).casefold()
    if isinstance(value, int | float):
        return _plain(value)
    text = " ".join(_beginning(str(value)).split()).casefold()
    number = _NUMBER.fullmatch(text)
    if number and not re.match(r"[-+]?0\d", number[1]):  # 007 is a name
        return _plain(float(number[1].replace(",", "")))
    return text[:_LONGEST]


def _beginning(text: str) -> str:
    """Return what is looked at of a text, in Unicode's normal form; gaps take no room of it."""
    return unicodedata.normalize("NFKC", " ".join(text.split())[:_READ])


def _plain(number: float) -> str:
    try:
        return f"{number:.10g}"
    except OverflowError:  # an integer of hundreds of digits is no float
        return str(number)[:_LONGEST]
