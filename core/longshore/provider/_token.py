"""Credentials that expire: access tokens."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Token"]


@dataclass(frozen=True, slots=True)
class Token:
    """What ``authorize`` returns; it is kept in memory only, and never shown.

    Attributes:
        value: what ``sign`` puts into its header.
        seconds: how long it holds, from the answer on; None: until the vendor refuses it (401).
    """

    value: str = field(repr=False)
    seconds: float | None = None
