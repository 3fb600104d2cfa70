"""Sizes and durations as people write them: ``8MiB``, ``20M``, ``5m``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator

__all__ = [
    "ByteSize", "Seconds", "format_bytes", "format_seconds", "parse_bytes", "parse_seconds",
]  # fmt: skip

_NUMBER = re.compile(r"\s*(\d{1,30}(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_BYTES = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12,
    "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_SECONDS: dict[str, int | Fraction] = {
    "": 1, "ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600, "d": 86400,
}  # fmt: skip


_MOST_BYTES = 2**63 - 1  # what a journal can hold
_MOST_SECONDS = 100 * 365 * 86400


def _parse(text: object, table: Mapping[str, int | Fraction], what: str, most: int) -> Fraction:
    """Read a number exactly: a float would lose bytes of ``1.001M``."""
    number = _number(text, table, what)
    if number > most:
        raise ValueError(f"{str(text)[:40]!r} is too large for {what}")
    return number


def _number(text: object, table: Mapping[str, int | Fraction], what: str) -> Fraction:
    if isinstance(text, int | float):
        if isinstance(text, bool) or text in (math.inf, -math.inf) or not text >= 0:
            raise ValueError(f"{text!r} is not {what}")
        return Fraction(text)
    match = _NUMBER.fullmatch(str(text))
    factor = table.get(match[2].lower()) if match else None
    if match is None or factor is None:
        units = ", ".join(unit for unit in table if unit)
        wrong = f"{str(text)[:40]!r} is not {what}"
        raise ValueError(f"{wrong}: give a number, with one of {units} if you like")
    return Fraction(match[1]) * factor


def parse_bytes(text: object) -> int:
    """Read a size in bytes, below 8 EiB; ``M`` is 1,000,000 and ``MiB`` is 1,048,576.

    Raises:
        ValueError: the text is no size; the message says what is.
    """
    return int(_parse(text, _BYTES, "a size", _MOST_BYTES))


def parse_seconds(text: object) -> float:
    """Read a duration in seconds from ``30``, ``1.5``, ``200ms``, ``5m``, ``24h`` or ``7d``.

    More than 100 years is no duration that anybody waits for.

    Raises:
        ValueError: the text is no duration; the message says what is.
    """
    return float(_parse(text, _SECONDS, "a time", _MOST_SECONDS))


def format_bytes(size: float) -> str:
    """Write a size for people, in decimal units: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:  # what would be rounded up to 1000.0
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def format_seconds(seconds: float) -> str:
    """Write a duration for people: ``0.4 s``, ``2 m 05 s``, ``3 h 10 m``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} m"


ByteSize = Annotated[int, BeforeValidator(parse_bytes)]
"""A pydantic field type: bytes, also written ``8MiB`` or ``20M``."""

Seconds = Annotated[float, BeforeValidator(parse_seconds)]
"""A pydantic field type: seconds, also written ``5m`` or ``24h``."""
