"""What a target of this provider can be told."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from longshore.provider import Batch, Document, ProviderSettings

__all__ = ["Classification", "PlangrepSettings", "SignedFields"]

Classification: TypeAlias = Literal[
    "plans", "specifications", "documents", "addenda", "mixed", "other"
]
"""How Plangrep is to read a file. Source: docs.plangrep.com/guides/submit-a-job."""

FORM_AT_MOST = 100_000_000
"""The guide sends files over "100 MB" to the signed uploads.

Source: docs.plangrep.com/guides/submit-a-job (the concepts page says "a few hundred MB").
"""


def _mapping_from_text(value: object) -> object:
    """Read a mapping as the command line and the environment can give it: as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return json.loads(value)
    return value


class SignedFields(BaseModel):
    """The names in the register reply that the documentation does not show. All are assumptions.

    What they name is documented (docs.plangrep.com/api-reference/uploads/register-uploads): a
    map of headers for a direct PUT; the id, part numbers, byte ranges and URLs of a multipart
    upload. Where a name is not in the reply, the error says which of these to set.

    Attributes:
        headers: the headers that must go with a PUT.
        multipart_id: the id of a multipart upload.
        parts: the list of its parts.
        part_number: the number of a part, from 1.
        part_url: the signed URL of a part.
        range_start: the offset of the first byte of a part.
        range_end: the offset of its last byte.
        range_end_inclusive: False when ``range_end`` is the offset after the last byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    headers: str = "headers"
    multipart_id: str = "multipartUploadId"
    parts: str = "parts"
    part_number: str = "partNumber"
    part_url: str = "uploadUrl"
    range_start: str = "byteStart"
    range_end: str = "byteEnd"
    range_end_inclusive: bool = True


class PlangrepSettings(ProviderSettings):
    """The settings of a Plangrep target; one of ``project_id`` and ``project_name`` is needed.

    Attributes:
        project_id: an existing project.
        project_name: found by its name, else created (which costs a few credits) and awaited.
        upload_mode: ``form``, ``signed``, or ``auto``: a form for at most 100,000,000 bytes in
            all, signed uploads for more.
        classification: one for all files, or file name pattern -> classification (the first that
            fits counts); without it Plangrep classifies by content.
        webhook_url: where Plangrep reports each change of a job's status; https. ``{token}`` in
            it becomes a token of the batch's own, by which ``longshore webhooks`` knows it.
        signed_fields: the undocumented names in the register reply.
    """

    base_url: str = "https://plangrep.com"
    project_id: str | None = None
    project_name: Annotated[str, Field(max_length=180)] | None = None
    upload_mode: Literal["auto", "form", "signed"] = "auto"
    classification: Annotated[
        Classification | dict[str, Classification] | None, BeforeValidator(_mapping_from_text)
    ] = None
    webhook_url: str | None = None
    signed_fields: SignedFields = SignedFields()

    @field_validator("webhook_url")
    @classmethod
    def _public_address(cls, url: str | None) -> str | None:
        # Source: docs.plangrep.com/api-reference/jobs/create-job ("publicly reachable HTTPS").
        if url and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname):
            raise ValueError("an address like https://example.com/hook is needed")
        return url

    @model_validator(mode="after")
    def _one_project(self) -> PlangrepSettings:
        if self.project_id and self.project_name:
            raise ValueError("give project_id or project_name, not both")
        return self

    def missing(self) -> tuple[str, ...]:
        """Return the names of the settings without which Plangrep cannot be talked to."""
        if self.project_id or self.project_name:
            return super().missing()
        return (*super().missing(), "project_name")

    def classified(self, document: Document) -> Classification | None:
        """Return how this file is to be read; None leaves it to Plangrep."""
        if not isinstance(self.classification, dict):
            return self.classification
        name = document.name.lower()
        for pattern, kind in self.classification.items():
            if fnmatchcase(name, pattern.lower()):
                return kind
        return None

    def signs(self, batch: Batch) -> bool:
        """Tell whether this batch goes by signed uploads instead of one form."""
        if self.upload_mode == "auto":
            return batch.size > FORM_AT_MOST
        return self.upload_mode == "signed"
