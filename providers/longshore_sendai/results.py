"""What the vendor read out of a document, in the neutral shape.

Source: docs.send.ai/api/v2/tasks/task.get. Coordinates are taken as pixels of the page, which is
inferred from the page's width and height.
"""

from __future__ import annotations

from collections.abc import Iterator

from longshore.provider import DocumentResult, FieldValue, Place
from longshore_sendai.states import TASK_STATES
from longshore_sendai.wire import Area, Page, Task

__all__ = ["result_of"]

_READ = ("COMPLETED", "REVIEWING")


def result_of(task: Task) -> DocumentResult:
    """Return the values of a task: what was read, and where boxes, signatures, segments are.

    A checkbox, signature or segment has no name of its own: it is named after its kind and id.
    """
    fields = (field for number, page in enumerate(task.pages, 1) for field in _fields(page, number))
    return DocumentResult(
        name=task.name or None,
        vendor_id=task.id,
        pages=len(task.pages) or None,
        fields=tuple(fields),
        warnings=tuple(_warnings(task)),
    )


def _fields(page: Page, number: int) -> Iterator[FieldValue]:
    for found in page.annotations:
        yield FieldValue(
            name=found.entity_id or found.id,
            value=found.content,
            confidence=found.confidence,
            place=Place(page=number, box=found.box, unit="pixel"),
        )
    for box in page.checkboxes:
        yield _area("checkbox", box, number, value=box.checked)
    for signature in page.signatures:
        yield _area("signature", signature, number, value=True)
    for segment in page.segments:
        yield _area("segment", segment, number, value=None)


def _area(kind: str, area: Area, number: int, *, value: bool | None) -> FieldValue:
    return FieldValue(
        name=f"{kind}:{area.id}",
        value=value,
        confidence=area.confidence,
        place=Place(page=number, box=area.box, unit="pixel"),
    )


def _warnings(task: Task) -> Iterator[str]:
    if task.status not in _READ:
        known = "" if task.status in TASK_STATES else ", a word that is not documented"
        yield f"the task is {task.status or 'without a status'}{known}: its values may be missing"
    elif task.status == "REVIEWING":
        yield "the task waits for review: its values may still change"
