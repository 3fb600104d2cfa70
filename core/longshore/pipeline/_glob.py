"""What a glob names, as the standard library reads it; but it says where it could not look.

And ``**`` goes into no folder twice: of two links in a circle the library makes a million names.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator

__all__ = ["expand", "is_glob"]

Closed = dict[str, OSError]


def is_glob(path: str) -> bool:
    """Tell whether a path holds a pattern."""
    return any(mark in path for mark in "*?[")


def expand(pattern: str) -> tuple[list[str], Closed]:
    """Return the paths that match, in no order, and the folders that could not be looked into.

    Hidden names match only a pattern that begins with a dot. Links to folders are followed.
    """
    closed: Closed = {}
    # Without empty parts: behind ``**``, which stands for no folder, too, one would be the root.
    *above, last = re.sub("/{2,}", "/", pattern).split("/")
    if last == "**":
        above, last = [*above, "**"], "*"
    heads = [""]
    for part in above:
        if part == "**":
            heads = list(_below(heads, closed))
        elif is_glob(part):
            heads = [f"{path}/" for path in _matching(heads, part, closed, folders=True)]
        else:
            heads = [f"{head}{part}/" for head in heads]
    if is_glob(last):
        return list(_matching(heads, last, closed)), closed
    return [f"{head}{last}" for head in heads if _stands_in(head, last, closed)], closed


def _matching(
    heads: Iterable[str], part: str, closed: Closed, *, folders: bool = False
) -> Iterator[str]:
    matches = re.compile(fnmatch.translate(part)).match
    for head in heads:
        for entry in _listed(head, closed, hidden=part.startswith(".")):
            if matches(entry.name) and (not folders or _is_folder(entry)):
                yield f"{head}{entry.name}"


def _below(heads: Iterable[str], closed: Closed) -> Iterator[str]:
    """Yield folders and all that are below them, each once: by its shortest name."""
    seen: set[str] = set()
    waiting = deque((head, _real(head)) for head in heads)
    while waiting:
        head, real = waiting.popleft()
        if real not in seen:
            seen.add(real)
            yield head
            for entry in sorted(_listed(head, closed), key=lambda entry: entry.name):
                if _is_folder(entry):
                    path = f"{head}{entry.name}/"
                    linked = entry.is_symlink()
                    waiting.append((path, _real(path) if linked else f"{real}{entry.name}/"))


def _real(folder: str) -> str:
    """Return where a folder is, with a slash at its end."""
    try:
        return os.path.join(os.path.realpath(folder or "."), "")  # noqa: PTH118
    except ValueError:  # nothing has such a name
        return folder


def _listed(head: str, closed: Closed, *, hidden: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(head or ".") as entries:
            return [entry for entry in entries if hidden or not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        _note(head, error, closed)
        return []


def _stands_in(head: str, name: str, closed: Closed) -> bool:
    try:
        os.lstat(f"{head}{name}")
    except (OSError, ValueError) as error:
        _note(head, error, closed)
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Follow a link, without raising where it leads nowhere."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _note(head: str, error: Exception, closed: Closed) -> None:
    """What is not there, or is no folder, does not match; of the rest nobody knows."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError):
        closed[head.rstrip("/") or head or "."] = error
