"""How a check speaks: what is wrong, and what the contract says about it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from pydantic import BaseModel

from longshore.errors import (
    JournalError,
    LongshoreError,
    PluginError,
    UsageError,
)

__all__ = ["as_stored", "expect", "in_tree", "skip"]


def expect(fine: object, fault: str, contract: str) -> None:
    """Fail unless something holds.

    Args:
        fine: whether it does.
        fault: what is wrong with this provider.
        contract: what it should be, and why.
    """
    __tracebackhide__ = True
    if not fine:
        raise AssertionError(f"{fault}\n    contract: {contract}")


def skip(reason: str) -> NoReturn:
    """Leave a check out, and say why."""
    pytest.skip(reason)


def in_tree(error: Exception | None) -> bool:
    """Tell whether a flow may end with this error; None is no error at all."""
    if error is None:
        return True
    ours = isinstance(error, LongshoreError)
    return ours and not isinstance(error, UsageError | PluginError | JournalError)


def as_stored(value: BaseModel) -> Any:
    """Write a value as the journal does, and read it back."""
    return type(value).model_validate(json.loads(json.dumps(value.model_dump(mode="json"))))


def told(error: Exception | None) -> str:
    """Say what a story ended with."""
    return f"{type(error).__name__}: {error}" if error is not None else "success"
