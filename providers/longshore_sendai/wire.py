"""The vendor's JSON, read in both of its dialects.

The reply to a create is a bare object in camelCase with a lower-case status; all others are
wrapped in ``payload``, in snake_case, with an upper-case status. Sources:
docs.send.ai/api/v2/uploads/upload.create, .../upload.get, .../tasks/task.get. Either is taken
everywhere, a null counts as absent, and unknown fields are ignored (``Status.raw`` keeps them).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["Annotation", "Area", "Checkbox", "Page", "Task", "Upload"]


def _upper(word: object) -> object:
    return word.strip().upper() if isinstance(word, str) else word


Word = Annotated[str, BeforeValidator(_upper)]


def _plain(value: Any) -> Any:
    """Take an object out of its envelope, and leave out what is null."""
    if isinstance(value, dict) and isinstance(value.get("payload"), dict):
        value = value["payload"]
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if item is not None}
    return value


class Wire(BaseModel):
    """A part of a reply."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return _plain(value)


class Area(Wire):
    """A segment or a signature: a polygon on the page, in pixels (inferred from the page's size).

    Source: docs.send.ai/api/v2/tasks/task.get.
    """

    id: str = ""
    confidence: float | None = None
    coordinates: tuple[tuple[float, float], ...] = ()

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of the polygon."""
        if not self.coordinates:
            return None
        x, y = zip(*self.coordinates, strict=True)
        return (min(x), min(y), max(x), max(y))


class Checkbox(Area):
    """A box that is ticked or not."""

    checked: bool = False


class Annotation(Wire):
    """A value that was read; only its upper left corner is told."""

    id: str = ""
    entity_id: str = ""
    confidence: float | None = None
    content: Any = None
    top: float | None = None
    left_of_line: float | None = None

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The corner, as a box without width and height."""
        if self.top is None or self.left_of_line is None:
            return None
        return (self.left_of_line, self.top, self.left_of_line, self.top)


class Page(Wire):
    """One page of a task with what was found on it."""

    annotations: tuple[Annotation, ...] = ()
    checkboxes: tuple[Checkbox, ...] = ()
    segments: tuple[Area, ...] = ()
    signatures: tuple[Area, ...] = ()


class Task(Wire):
    """One document at work. Source: docs.send.ai/api/v2/tasks/task.get."""

    id: str = Field(min_length=1)
    name: str = ""
    status: Word = ""
    pages: tuple[Page, ...] = ()


class Upload(Wire):
    """One submission.

    ``tasks`` is empty in the documented shape, although the overview says that this call shows
    them. Assumption: if they are shown, it is as a list ``tasks`` of the upload, or in ``files``
    (documented as an object of unknown shape): see `_tasks_in_files`.
    """

    id: str = Field(min_length=1)
    status: Word = ""
    tasks: tuple[Task, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_tasks(cls, value: Any) -> Any:
        plain = _plain(value)
        if not isinstance(plain, dict):
            return plain
        listed = plain.get("tasks")
        tasks = listed if isinstance(listed, list) else _tasks_in_files(plain.get("files"))
        return {**plain, "tasks": [task for task in tasks if _is_task(task)]}


# ------------------------------------------------------------------ where tasks may be


def _tasks_in_files(files: Any) -> Iterator[Any]:
    """Find the tasks in ``files``: an object or list of tasks, or of files with their tasks."""
    if isinstance(files, dict) and not isinstance(files.get("tasks"), list):
        files = list(files.values())
    for entry in files if isinstance(files, list) else [files]:
        if isinstance(entry, dict) and isinstance(entry.get("tasks"), list):
            yield from entry["tasks"]
        else:
            yield entry


def _is_task(entry: Any) -> bool:
    """Tell a task by its id and status: an object without them says nothing we could use."""
    return isinstance(entry, dict) and bool(entry.get("id")) and bool(entry.get("status"))
