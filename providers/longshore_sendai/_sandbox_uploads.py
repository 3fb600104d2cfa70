"""What the vendor's side remembers: uploads and their tasks, and how their states go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from longshore.sandbox import Blob, FormPart, StatusWalk, iso_time

__all__ = ["FINISHED", "TASK_WORDS", "TaskRecord", "UploadRecord", "aggregate", "parts_of_email"]

TASK_WORDS = frozenset({
    "PROCESSING", "REVIEWING", "COMPLETED", "FAILED", "DISCARDED", "FILTERED",
})  # fmt: skip
FINISHED = frozenset({"COMPLETED", "DISCARDED", "FILTERED"})


@dataclass
class TaskRecord:
    """One task: its state walks on from the last thing that was done to it."""

    id: str
    name: str
    blob: Blob
    walk: StatusWalk
    since: float
    approved: bool = False
    issues: list[Any] = field(default_factory=list)

    def state(self, now: float) -> str:
        """Return the vendor's word at this time."""
        return self.walk.at(self.since, now)

    def go(self, now: float, *steps: tuple[str, float], last: str) -> None:
        """Begin another walk."""
        self.walk, self.since = StatusWalk(steps, last), now

    def pages(self) -> list[dict[str, Any]]:
        """Return one page of each kind of finding, made of the file's name, size and digest."""

        def area(kind: str, left: int, top: int) -> dict[str, Any]:
            corners = [[left, top], [left + 20, top], [left + 20, top + 20], [left, top + 20]]
            return {"id": f"{kind}_{self.id}", "confidence": 0.9, "coordinates": corners}

        found = {"file_name": self.name, "size": str(self.blob.size), "sha256": self.blob.sha256}
        annotations = [
            {
                "id": f"ann_{self.id}_{number}",
                "entity_id": entity,
                "confidence": 0.98,
                "content": content,
                "top": 120.5 * number,
                "left_of_line": 340.0,
            }
            for number, (entity, content) in enumerate(found.items(), 1)
        ]
        page = {"id": f"page_{self.id}_1", "width": 2480, "height": 3508}
        return [
            {
                **page,
                "annotations": annotations,
                "checkboxes": [{**area("cb", 100, 100), "checked": True}],
                "segments": [area("seg", 50, 50)],
                "signatures": [area("sig", 800, 600)],
            }
        ]


@dataclass
class UploadRecord:
    """One upload."""

    id: str
    team: str
    project: str
    name: str
    meta: list[dict[str, str]]
    created: float
    files: tuple[FormPart, ...]
    tasks: list[TaskRecord]

    def is_under(self, team: str, project: str) -> bool:
        """Tell whether a path leads here; one that names no team or project leads everywhere."""
        return team in ("", self.team) and project in ("", self.project)

    def bare(self, status: str) -> dict[str, Any]:
        """Return the reply to a create in the dialect of upload.create.

        What fileType and fileSize mean for several files is not documented: the first's ending,
        and the sum.
        """
        first = self.files[0].filename or ""
        return {
            "id": self.id,
            "name": self.name,
            "projectId": self.project,
            "status": status,
            "fileType": first.rpartition(".")[2].lower(),
            "fileSize": sum(file.blob.size for file in self.files),
            "createdAt": iso_time(self.created, milliseconds=False),
            "updatedAt": iso_time(self.created, milliseconds=False),
        }

    def shown(self, status: str, *, settled: bool) -> dict[str, Any]:
        """Return the payload of upload.get. Folders: projects/configuration."""
        return {
            "id": self.id,
            "name": self.name,
            "status": status,
            "files": {},
            "meta": self.meta,
            "folder_id": "folder_processed" if settled else "folder_inbox",
            "created_at": iso_time(self.created, milliseconds=False),
        }


def aggregate(states: Iterable[str], rule: str) -> str:
    """Sum up the states of tasks; REVIEWING is not yet in the spelling that is asked for.

    DISCARDED and FILTERED are neutral.
    """
    seen = set(states)
    counted = seen - {"DISCARDED", "FILTERED"}
    mixed = "FAILED" if counted == {"FAILED"} or rule == "no_partial" else "PARTIAL"
    if rule == "failure_first" and "FAILED" in seen:
        return mixed
    for word in ("PROCESSING", "REVIEWING"):
        if word in seen:
            return word
    return mixed if "FAILED" in seen else "COMPLETED"


def parts_of_email(name: str, blob: Blob) -> list[tuple[str, Blob]]:
    """Split an e-mail into its body (under the file's own name) and its attachments."""
    documents = [(name, blob)]
    for part in message_from_bytes(blob.read()).walk():
        content = part.get_payload(decode=True)
        if part.get_content_disposition() == "attachment" and isinstance(content, bytes):
            documents.append((part.get_filename() or "attachment", Blob(content)))
    return documents
