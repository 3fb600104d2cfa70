"""What a caller gives to the functions and clients of Python: names of documents, options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import IOBase
from os import PathLike, fsdecode
from typing import Any, Literal, TypeAlias, TypedDict

from pydantic import ValidationError

from longshore._closest import closest
from longshore.errors import UsageError
from longshore.pipeline._options import RunOptions

__all__ = ["Options", "Paths", "names_of", "options_from"]

Paths: TypeAlias = Iterable[str | PathLike[str]] | str | PathLike[str]
"""Files, directories, globs and URLs, or one of them."""


class Options(TypedDict, total=False):
    """``RunOptions`` as they are written, for whoever checks types."""

    concurrency: int | None
    part_size: int | str | None
    batch_size: int | None
    bwlimit: int | str | None
    wait: bool
    strict: bool
    checksum: bool
    skip_existing: bool
    on_unknown: Literal["hold", "resend"]
    max_failures: int | None
    give_up_after: float | str


def names_of(paths: Paths) -> list[str]:
    """Return what names documents, as text.

    Raises:
        UsageError: it names none: the bytes of a document, an open file, nothing at all.
    """
    given: Any = paths
    if isinstance(given, str | PathLike | bytes | IOBase) or not isinstance(given, Iterable):
        given = [given]
    names = []
    for name in given:
        if not isinstance(name, str | PathLike):
            raise UsageError(
                f"a document is named by a path or a URL, not by {type(name).__name__}",
                hint="write its bytes to a file: a resume opens it again",
            )
        names.append(fsdecode(name))
    return names


def options_from(
    given: Mapping[str, Any], *, named: Callable[[str], str] = str, hint: str = ""
) -> RunOptions:
    """Read options that are given by their names.

    Args:
        given: the options.
        named: what whoever gave them calls an option.
        hint: where it is explained.

    Raises:
        UsageError: there is no such option, or its value cannot be used.
    """
    try:
        options = RunOptions(**given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name, words = str(wrong["loc"][0]), wrong["msg"].removeprefix("Value error, ")
        if wrong["type"] == "extra_forbidden":
            hint = closest(name, RunOptions.model_fields)
            raise UsageError(f"there is no option {name!r}", hint=hint) from None
        raise UsageError(f"{named(name)}: {words}", hint=hint) from None
    for name in ("concurrency", "batch_size", "max_failures"):
        if (number := getattr(options, name)) is not None and number < 1:
            raise UsageError(f"{name}: {number} is too small: 1 or more, or None")
    return options
