"""Plangrep's JSON: only what the flows read; unknown fields are ignored.

Names are camelCase, times ISO 8601 in UTC. Optional here is what some page or example leaves
out or shows as null.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from longshore.provider import ProtocolError, Response, words_in

__all__ = [
    "FilesReply", "FormUpload", "JobFile", "JobLimits", "JobList", "JobReply", "Project",
    "ProjectList", "ProjectReply", "RegisterReply", "ResultDocument", "ResultReply", "Sheet",
    "SignedUpload", "VendorJob", "error_of", "words_of",
]  # fmt: skip

T = TypeVar("T")
Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: () if value is None else value)]
"""A list that may also be null."""


class Wire(BaseModel):
    """The base of every model: camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        defer_build=True,  # most commands need no model of this vendor
    )

    def as_json(self) -> JsonValue:
        """Return it as the vendor writes it."""
        found: JsonValue = self.model_dump(mode="json", by_alias=True)
        return found


# ----------------------------------------------------------------------------- projects


class Runtime(Wire):
    """Where a project runs."""

    upgrade_status: JsonValue = None


class Project(Wire):
    """Source: docs.plangrep.com/api-reference/projects/get-project."""

    id: str
    name: str = ""
    status: str = ""
    runtime: Runtime | None = None

    @property
    def takes_jobs(self) -> bool:
        """True when a job can be created.

        No upgrade is ``null`` on one page and ``"none"`` on others; during an upgrade new jobs
        should wait. Source: docs.plangrep.com/concepts/projects, guides/submit-a-job.
        """
        upgrade = self.runtime.upgrade_status if self.runtime else None
        return self.status == "ready" and upgrade in (None, "none")


class ProjectReply(Wire):
    """The reply to create and get."""

    project: Project


class ProjectList(Wire):
    """The reply to list; not paged."""

    projects: Many[Project]


# --------------------------------------------------------------------------------- jobs


class JobLimits(Wire):
    """What this job takes: to be read here, not to be known in advance.

    Source: docs.plangrep.com/concepts/jobs ("Production Default").
    """

    max_files: int | None = None
    max_declared_bytes: int | None = None


class JobFile(Wire):
    """A file of a job. Whether ``id`` is the upload's ``documentId`` is not documented."""

    id: str | None = None
    file_name: str | None = None
    status: str | None = None
    error: JsonValue = None


class VendorJob(Wire):
    """Source: docs.plangrep.com/api-reference/jobs/get-job, list-jobs, cancel-job."""

    id: str
    status: str
    external_id: str | None = None
    limits: JobLimits | None = None
    files: Many[JobFile] = ()
    error: JsonValue = None


class JobReply(Wire):
    """The reply to create, get, cancel, resume and complete."""

    job: VendorJob
    webhook_signing_secret: str | None = None


class JobList(Wire):
    """The reply to list: newest first, not paged."""

    jobs: Many[VendorJob]


# ------------------------------------------------------------------------------ uploads


class FormUpload(Wire):
    """One file of a form. Only ``documentId`` is documented; the names are used if they come.

    Source: docs.plangrep.com/api-reference/uploads/upload-files, guides/submit-a-job.
    """

    document_id: str
    part_name: str | None = None
    file_name: str | None = None


class FilesReply(Wire):
    """The reply to a form upload.

    ``status`` is about all files. Assumption: its name; the page describes it, and that
    ``uploaded`` means stored.
    """

    status: str | None = None
    uploads: tuple[FormUpload, ...]


class SignedUpload(Wire):
    """How to upload one registered file; the names not declared here are in ``signed_fields``.

    Source: docs.plangrep.com/api-reference/uploads/register-uploads.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    document_id: str
    upload_mode: str
    upload_token: str
    upload_url: str | None = None
    expires_at: datetime | None = None
    file_name: str | None = None
    part_name: str | None = None

    @property
    def expires(self) -> float | None:
        """Seconds since the epoch; None when the reply does not say."""
        at = self.expires_at
        return None if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

    @property
    def undeclared(self) -> Mapping[str, JsonValue]:
        """The fields whose names are assumptions."""
        return self.model_extra or {}


class RegisterReply(Wire):
    """The reply to register."""

    uploads: tuple[SignedUpload, ...]


# ------------------------------------------------------------------------------ results


class Sheet(Wire):
    """A drawing sheet. Source: docs.plangrep.com/guides/reading-results."""

    sheet_number: str | None = None
    sheet_name: str | None = None
    page_number: int | None = None
    drawing_type: str | None = None
    discipline: str | None = None
    artifacts: Many[dict[str, JsonValue]] = ()


class ResultDocument(Wire):
    """One uploaded file in the result. Source: docs.plangrep.com/concepts/results."""

    document_id: str | None = None
    file_name: str | None = None
    classification: str | None = None
    page_count: int | None = None
    error: JsonValue = None
    artifacts: Many[dict[str, JsonValue]] = ()
    sheets: Many[Sheet] = ()
    failed_page_count: JsonValue = None
    specifications: Many[dict[str, JsonValue]] = ()
    docs: Many[dict[str, JsonValue]] = ()


class ResultReply(Wire):
    """The result of a job. Source: docs.plangrep.com/api-reference/jobs/get-job-result."""

    job: dict[str, JsonValue] | None = None
    usage: dict[str, JsonValue] | None = None
    documents: Many[ResultDocument] = ()
    evidence: Many[dict[str, JsonValue]] = ()
    warnings: Many[JsonValue] = ()
    errors: Many[JsonValue] = ()


# ------------------------------------------------------------------------------- errors


def words_of(error: JsonValue) -> str | None:
    """Return what an ``error`` (or a warning) says; its shape is not documented."""
    return (error if isinstance(error, str) else words_in(error)) or None


def error_of(response: Response) -> tuple[str, str]:
    """Return code and message of an error reply, "" where there is none.

    Both are documented (docs.plangrep.com/authentication). Assumption: they stand at the top, or
    inside ``error``; ``error`` may also be the message itself.
    """
    try:
        found = response.json()
    except ProtocolError:
        return "", ""
    inner = found.get("error") if isinstance(found, dict) else None
    if isinstance(inner, str):
        found = {"message": inner, **found}
    holder = inner if isinstance(inner, dict) else found
    if not isinstance(holder, dict):
        return "", ""
    code, message = (holder.get(name) for name in ("code", "message"))
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""
