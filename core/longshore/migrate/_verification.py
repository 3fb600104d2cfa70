"""What asking both vendors about a map brought to light."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from longshore._shelf import Shelf
from longshore.errors import LongshoreError
from longshore.migrate._map import Line

__all__ = ["Check", "Kind", "Problem", "Verification"]

Kind = Literal["missing", "duplicated", "changed", "not_carried", "unchecked"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is not as the map says.

    Attributes:
        kind: ``missing``: the vendor does not know the job. ``duplicated``: it has the document
            more than once. ``changed``: its state or size is another. ``not_carried``: the
            map itself says so. ``unchecked``: the vendor could not be asked about it.
        side: ``from`` or ``to``.
        line: of the map.
        message: in words.
    """

    kind: Kind
    side: str
    line: Line
    message: str

    def json(self) -> dict[str, Any]:
        """Return it as scripts read it."""
        who = self.line[self.side] or {}
        return {
            "event": "problem",
            "kind": self.kind,
            "side": self.side,
            "path": self.line["path"],
            "sha256": self.line["sha256"],
            "target": who.get("target"),
            "vendor_job_id": who.get("job_id"),
            "vendor_document_id": who.get("document_id"),
            "message": self.message,
        }


@dataclass(slots=True)
class Check:
    """What a vendor said about one target's documents of a map.

    Attributes:
        target: its name.
        side: ``from`` or ``to``.
        documents: of the map, at this side.
        there: those that are there, and as the map says.
        problems: those that are not.
        gaps: sentences about what this vendor gives no means to check.
        trouble: why the vendor could not be asked at all, if it could not.
    """

    target: str
    side: str
    documents: int = 0
    there: int = 0
    problems: Shelf[Problem] = field(default_factory=Shelf[Problem])
    gaps: list[str] = field(default_factory=list)
    trouble: LongshoreError | None = None

    def json(self) -> dict[str, Any]:
        """Return it as scripts read it."""
        counts = Counter(problem.kind for problem in self.problems)
        return {
            "event": "verified",
            "target": self.target,
            "side": self.side,
            "documents": self.documents,
            "there": self.there,
            **{kind: counts[kind] for kind in get_args(Kind)},
            "not_checkable": self.gaps,
        }


@dataclass(slots=True)
class Verification:
    """What came of asking."""

    checks: list[Check]

    @property
    def exit_code(self) -> int:
        """0: all that can be checked is there, once. 1: not so. 2: a vendor cannot be asked."""
        if any(check.trouble for check in self.checks):
            return 2
        real = (p.kind != "unchecked" for check in self.checks for p in check.problems)
        return int(any(real))
