"""What somebody may have meant who typed a word that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["closest"]


def closest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint that names the words most like this one, or "" if none is.

    Args:
        word: that nobody knows.
        words: that are known.
        cutoff: how alike they must be, up to 1: a typing error leaves more than 0.8.
    """
    near = difflib.get_close_matches(word, sorted(set(words)), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(near)}?" if near else ""
