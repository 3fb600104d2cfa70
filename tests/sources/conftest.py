"""A store in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

MIB = 1 << 20


@pytest.fixture
def store() -> Iterator[Any]:
    """A store in memory with a few documents; its calls are counted."""
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    fs.pipe("/plans/a.pdf", os.urandom(5 * MIB))
    fs.pipe("/plans/sub/b.pdf", b"hello")
    fs.pipe("/plans/.hidden/c.pdf", b"not seen")
    yield fs
    fs.rm("/plans", recursive=True)
