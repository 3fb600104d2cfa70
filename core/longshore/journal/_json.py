"""Records and facts as the JSON that the journal keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from longshore._model import Frozen, json_of
from longshore.errors import JournalError

__all__ = ["changed", "dump", "load", "parse"]

RecordT = TypeVar("RecordT", bound=Frozen)


def dump(value: object) -> str:
    """Write JSON; unlike pydantic's default, ``inf`` stays ``inf``."""
    if isinstance(value, Frozen):
        return json_of(value).decode()
    try:
        return to_json(value, inf_nan_mode="constants").decode()
    except PydanticSerializationError:
        # Before pydantic 2.14 a model cannot be written that was only read inside of others.
        for part in value.values() if isinstance(value, Mapping) else ():
            if isinstance(part, Frozen):
                type(part).model_rebuild()
        return to_json(value, inf_nan_mode="constants").decode()


def load(text: str) -> Any:
    """Read JSON.

    Raises:
        JournalError: it is none: the disk, or somebody, changed it.
    """
    try:
        return from_json(text)
    except ValueError as error:
        raise JournalError(
            f"the journal is damaged: what it holds cannot be read ({error})",
            hint="keep the file; save what can be read with: sqlite3 FILE .recover",
        ) from error


def parse(model: type[RecordT], text: str) -> RecordT:
    """Read a record.

    Raises:
        JournalError: this version cannot read it.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise JournalError(
            f"the journal holds a {model.__name__} that cannot be read: {error.error_count()} "
            "fields are unknown or malformed",
            hint="upgrade longshore to the version that wrote it",
        ) from error


def changed(model: type[Frozen], text: str, changes: Mapping[str, object]) -> str:
    """Change fields of a written record, without reading it as one: half of the time.

    Raises:
        JournalError: it is damaged.
        ValueError: there is no such field.
    """
    model.check_fields(changes)
    return dump({**load(text), **changes})
