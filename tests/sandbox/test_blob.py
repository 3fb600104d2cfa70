"""Blobs: bytes in memory, on disk and joined behave the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from longshore.sandbox import Blob, Spool


def spooled(spool: Spool, data: bytes) -> Blob:
    path = spool.new_path()
    path.write_bytes(data)
    return Blob.spooled(path)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_join_of_memory_and_disk_equals_the_bytes(
    pieces: list[bytes], offset: int, size: int
) -> None:
    """Reading, slicing, hashing and chunks agree with plain bytes for every mix."""
    spool = Spool()
    data = b"".join(pieces)
    blob = Blob.join(
        spooled(spool, piece) if index % 2 else Blob(piece) for index, piece in enumerate(pieces)
    )
    assert (data, len(data)) == (blob.read(), blob.size)
    assert data[offset : offset + size] == blob.read(offset, size)
    assert data[offset : offset + size] == blob.slice(offset, size).read()
    assert data == b"".join(blob.chunks(7))
    assert hashlib.sha256(data).hexdigest() == blob.sha256
    spool.close()


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=3), st.integers(0, 60))
def test_find_crosses_the_seams(data: bytes, needle: bytes, start: int) -> None:
    """A needle is found where `bytes.find` finds it, also across pieces."""
    single = Blob(data)
    seams = Blob.join(Blob(data[at : at + 2]) for at in range(0, len(data), 2))
    expected = data.find(needle, start) if start <= len(data) else -1
    assert expected == single.find(needle, start)
    assert expected == seams.find(needle, start)


def test_a_spooled_file_goes_with_its_last_blob(tmp_path: Path) -> None:
    """A file is kept while a slice of it is held, then removed; closing removes the directory."""
    spool = Spool(tmp_path)
    blob = spooled(spool, b"0123456789")
    part = blob.slice(2, 3)
    del blob
    directory = next(tmp_path.iterdir())
    assert part.read() == b"234"
    del part
    assert list(directory.iterdir()) == []
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_blobs_are_equal_by_content() -> None:
    """Two blobs of the same bytes are equal however they are cut."""
    assert Blob(b"abcd") == Blob.join([Blob(b"ab"), Blob(b"cd")])
    assert Blob(b"abcd") != Blob(b"abce")
