"""The result of a job as the sandbox makes it up: one page per file, one piece of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longshore.sandbox import iso_time
from longshore_plangrep._sandbox_records import HeldDocument, HeldJob

__all__ = ["artifact_of", "result_of"]

_JOB_FIELDS = (
    "id",
    "status",
    "externalId",
    "createdAt",
    "completedAt",
    "expiresAt",
    "resultUrl",
    "error",
)


def result_of(
    job: HeldJob, view: dict[str, Any], *, link: Callable[[str], str], owner: str, now: float
) -> dict[str, Any]:
    """Source: docs.plangrep.com/api-reference/jobs/get-job-result, concepts/results.

    Args:
        job: one that ended with a result.
        view: the job as replies show it.
        link: makes the URL of an artifact of its path.
        owner: the field by which evidence names its document.
        now: Unix time.
    """
    done = [document for document in job.documents if not document.error]
    return {
        "schemaVersion": "v1",
        "job": {name: view[name] for name in _JOB_FIELDS},
        "usage": {
            "pageCount": len(job.documents),
            "drawingPageCount": sum(1 for document in done if document.credits == 10),
            "documentPageCount": sum(1 for document in done if document.credits == 1),
            "creditsDebited": job.credits,
        },
        "documents": [_document(document, link) for document in job.documents],
        "evidence": [_evidence(number, document, owner) for number, document in enumerate(done, 1)],
        "warnings": [],
        "errors": [
            {"documentId": document.id, "message": document.error}
            for document in job.documents
            if document.error
        ],
        "generatedAt": view["completedAt"] or iso_time(now),
    }


def artifact_of(job: HeldJob, path: str) -> bytes | None:
    """Return the bytes of an artifact of the result; None for any other path."""
    for document in job.documents:
        if path == _path(document) and not document.error:
            return f"Text of {document.name}".encode()
    return None


def _path(document: HeldDocument) -> str:
    return f"documents/{document.id}/text.txt"


def _document(document: HeldDocument, link: Callable[[str], str]) -> dict[str, Any]:
    failed = bool(document.error)
    sheet = {"sheetNumber": "A-101", "sheetName": document.name, "pageNumber": 1}
    return {
        "documentId": document.id,
        "fileName": document.name,
        "classification": document.classification or "other",
        "contentType": document.content_type,
        "fileSize": document.size,
        "status": "failed" if failed else "completed",
        "pageCount": 1,
        "successfulPageCount": 0 if failed else 1,
        "failedPageCount": 1 if failed else 0,
        "error": {"message": document.error} if failed else None,
        "artifacts": [] if failed else [{"type": "text", "url": link(_path(document))}],
        "sheets": [] if failed else [{**sheet, "artifacts": []}],
        "specifications": None,
        "docs": None,
    }


def _evidence(number: int, document: HeldDocument, owner: str) -> dict[str, Any]:
    names = {"documentId": document.id, "fileName": document.name}
    return {
        "id": f"ev_{number:03d}",
        "type": "region",
        "regionType": "detail",
        **{name: value for name, value in names.items() if name == owner},
        "text": f"Detail of {document.name}",
    }
