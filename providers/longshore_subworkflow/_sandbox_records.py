"""What the sandbox holds: sessions, datasets and jobs, and the JSON that they are shown as."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from longshore.sandbox import Blob, StatusWalk

__all__ = ["FORMATS", "DatasetRecord", "JobRecord", "Part", "SessionRecord", "millis"]

FORMATS = frozenset({"pdf", "docx", "pptx", "xlsx"})
"""Source: docs.subworkflow.ai/api-reference/post-v1-extract."""


def millis(moment: float) -> int:
    """Write a time as the vendor does: whole milliseconds since the epoch."""
    return round(moment * 1000)


@dataclass(frozen=True)
class Part:
    """One appended part."""

    etag: str
    blob: Blob


@dataclass
class SessionRecord:
    """One upload session: what start said, and the parts so far."""

    key: str
    file_name: str
    file_ext: str
    file_type: str
    job_type: str
    days: int
    started: float
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.blob.size for part in self.parts.values())


@dataclass(frozen=True)
class DatasetRecord:
    """One document as the vendor keeps it; ``days`` is -1 where it is kept for ever."""

    id: str
    workspace: str
    file_name: str
    file_ext: str
    media_type: str
    blob: Blob
    pages: int
    days: int
    created: float

    @property
    def name(self) -> str:
        """The whole file name."""
        return f"{self.file_name}.{self.file_ext}"

    @property
    def altered_name(self) -> str:
        """The file name as a vendor may rewrite it; never what it was."""
        return re.sub(r"[^a-z0-9]+", "-", self.file_name.lower()) + "-1"

    def to_json(self, share: dict[str, Any]) -> dict[str, Any]:
        """Source: docs.subworkflow.ai/api-reference/get-v1-datasets-id."""
        expires = None if self.days == -1 else millis(self.created + self.days * 86_400)
        return {
            "id": self.id,
            "workspaceId": self.workspace,
            "type": "doc",
            "fileName": self.file_name,
            "fileExt": self.file_ext,
            "fileSize": self.blob.size,
            "itemCount": self.pages,
            "mimeType": self.media_type,
            "createdAt": millis(self.created),
            "updatedAt": millis(self.created),
            "expiresAt": expires,
            "share": share,
        }


@dataclass
class JobRecord:
    """One job; where it stands follows from the time, unless it was cancelled."""

    id: str
    dataset: DatasetRecord
    type: str
    walk: StatusWalk
    created: float
    canceled: float | None = None

    def status(self, now: float) -> str:
        """The vendor's word at this time."""
        return "ERROR" if self.canceled is not None else self.walk.at(self.created, now)

    def ended(self, now: float) -> float | None:
        """When it ended; None while it has not."""
        if self.canceled is not None:
            return self.canceled
        end = self.walk.ended(self.created)
        return end if now >= end else None

    def to_json(self, now: float, *, not_yet: str, show_canceled: bool) -> dict[str, Any]:
        """Source: docs.subworkflow.ai/api-reference/get-v1-jobs-id."""
        status = self.status(now)
        ended = self.ended(now)
        started = self.created if ended is not None else None
        canceled = self.canceled if show_canceled else None
        text = "the document could not be read" if status == "ERROR" else None
        if self.canceled is not None:
            text = "canceled"
        nothing = 0 if not_yet == "zero" else None

        def at(moment: float | None) -> int | None:
            return nothing if moment is None else millis(moment)

        return {
            "id": self.id,
            "datasetId": self.dataset.id,
            "type": self.type,
            "status": status,
            "statusText": text if text or nothing is None else "",
            "startedAt": at(started),
            "finishedAt": at(ended),
            "canceledAt": at(canceled),
            "createdAt": millis(self.created),
            "updatedAt": millis(self.created),
        }
