"""What a target of this vendor can be told."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from longshore.provider import ProviderSettings, quoted

__all__ = ["REFERENCE", "SendaiSettings"]

REFERENCE = "reference"
"""The name of the ``meta`` entry that holds our own id of the batch."""


def _from_text(value: object) -> object:
    """Read the JSON object that an environment variable or a flag holds."""
    return json.loads(value) if isinstance(value, str) else value


class SendaiSettings(ProviderSettings):
    """The settings of Send AI; every upload goes into one project of one team.

    Attributes:
        base_url: Source: docs.send.ai/api/v2/uploads/upload.create.
        team_id: the team that owns the key, such as ``team_123456``; part of every path.
        project_id: the project that receives the documents, such as ``proj_123456``; the key must
            be added to it and "Allow import via API" be on.
            Source: docs.send.ai/projects/import/api.
        upload_name: the name shown for each upload; by default the reference of the batch.
        meta: what to write to each upload beside the reference, name to value; as text, a JSON
            object.
        path_prefix: under which paths the calls are; the vendor's pages have three: ``project`` is
            ``/v2/{team_id}/project/{project_id}``, as on the reference pages; ``team`` is
            ``/v2/{team_id}``, as on projects/import/api; ``v1`` is ``/api/v1``, as in the samples
            of upload.create.
    """

    base_url: str = "https://api.send.ai"
    team_id: str = ""
    project_id: str = ""
    upload_name: str = ""
    meta: Annotated[dict[str, str], BeforeValidator(_from_text)] = Field(default_factory=dict)
    path_prefix: Literal["project", "team", "v1"] = "project"

    @field_validator("team_id", "project_id", "upload_name")
    @classmethod
    def _stripped(cls, text: str) -> str:
        return text.strip()

    @field_validator("meta")
    @classmethod
    def _not_ours(cls, meta: dict[str, str]) -> dict[str, str]:
        if REFERENCE in meta:
            raise ValueError(f"{REFERENCE!r} is kept for Longshore's own id of the batch")
        return meta

    def path_of(self, kind: Literal["upload", "task"]) -> str:
        """Return the path under which the uploads, or the tasks, are.

        Assumption: a prefix holds for every call. The two other than ``project`` are documented for
        the upload itself only, that of ``v1`` with the plural ``uploads``.
        Source: docs.send.ai/api/v2/uploads/upload.create, docs.send.ai/projects/import/api.
        """
        if self.path_prefix == "v1":
            return f"/api/v1/{kind}s"
        team = f"/v2/{quoted(self.team_id)}"
        if self.path_prefix == "team":
            return f"{team}/{kind}"
        return f"{team}/project/{quoted(self.project_id)}/{kind}"

    def missing(self) -> tuple[str, ...]:
        """Return the names of the settings without which the vendor cannot be talked to."""
        wanted = {"team_id": self.team_id, "project_id": self.project_id}
        return (*super().missing(), *(name for name, value in wanted.items() if not value))
