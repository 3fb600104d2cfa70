"""One real S3 for all tests of this folder; skipped, with the reason, where it cannot run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.s3.remote import Swift, missing, running


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """OpenStack Swift in a process of its own."""
    folder = tmp_path_factory.mktemp("swift")
    if reason := missing(folder):
        pytest.skip(f"no real S3: {reason}")
    with running(folder) as swift:
        yield swift
