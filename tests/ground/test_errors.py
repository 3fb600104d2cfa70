"""The exception tree: what scripts and the engine rely on."""

from __future__ import annotations

import inspect
import pickle

import pytest

from longshore import errors
from longshore.errors import (
    AccountError,
    BatchError,
    DocumentError,
    LongshoreError,
    SourceChanged,
    UsageError,
    VendorUnavailable,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, LongshoreError)
]


def test_every_error_has_its_own_stable_word() -> None:
    """`error.kind` in --json tells them apart."""
    kinds = {kind.kind for kind in ALL}
    assert len(kinds) == len(ALL)
    assert all("kind" in vars(kind) for kind in ALL)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each line's indentation says whose subclass it is."""
    drawn: list[tuple[str, str]] = []
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        trimmed = line.lstrip(" │├└─")
        name = trimmed.split()[0] if trimmed else ""
        if not hasattr(errors, name):
            continue
        depth = (len(line) - len(trimmed) - 4) // 4
        path[depth:] = [name]
        drawn.append((name, path[depth - 1] if depth else "Exception"))
    assert sorted(drawn) == sorted((kind.__name__, kind.__bases__[0].__name__) for kind in ALL)


def test_all_are_exported() -> None:
    """None is forgotten in __all__."""
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in ALL)


@pytest.mark.parametrize("kind", ALL)
def test_an_error_carries_its_message_and_hint(kind: type[LongshoreError]) -> None:
    """Both are for people: the first says what, the second what to do."""
    error = kind("what", hint="do this")
    assert (str(error), error.message, error.hint) == ("what", "what", "do this")
    assert (error.status, error.code) == (None, "")


def test_the_details_of_some() -> None:
    """Which document; whether there was a connection, and when to come back."""
    assert SourceChanged("x", document="d1").document == "d1"
    unavailable = VendorUnavailable("x", status=503, retry_after=9.0, connected=False)
    assert (unavailable.status, unavailable.retry_after, unavailable.connected) == (503, 9.0, False)


def test_an_error_survives_its_way_through_a_process_pool() -> None:
    """A pickled error is the same kind, with the same details."""
    error = pickle.loads(pickle.dumps(VendorUnavailable("x", hint="h", retry_after=9.0)))
    assert (type(error), error.hint, error.retry_after) == (VendorUnavailable, "h", 9.0)


def test_the_four_fates_do_not_overlap() -> None:
    """Whether a document, a batch, the account or the call is in trouble is one question."""
    fates = (UsageError, AccountError, DocumentError, BatchError)
    assert [sum(issubclass(kind, fate) for fate in fates) for kind in ALL if kind in fates] == [
        1
    ] * 4
    assert all(sum(issubclass(kind, fate) for fate in fates) <= 1 for kind in ALL)
