"""LlamaParse: one form per document, then polls. With the defaults of the contract, that is all."""

from __future__ import annotations

import json
from urllib.parse import quote

from pydantic import BaseModel

from longshore.provider import (
    Batch,
    File,
    Flow,
    Job,
    Multipart,
    Provider,
    ProviderSettings,
    Receipt,
    Request,
    Session,
    State,
    Status,
    Transfer,
)  # fmt: skip

WORDS = {
    "COMPLETED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


class Created(BaseModel):
    """What an upload is answered with."""

    id: str


class Parsing(BaseModel):
    """A job."""

    status: str


class Shown(BaseModel):
    """What a poll is answered with."""

    job: Parsing


class LlamaParseSettings(ProviderSettings):
    """What a user can set, besides the common settings.

    Attributes:
        tier: how thoroughly the documents are read.
    """

    base_url: str = "https://api.cloud.llamaindex.ai"
    tier: str = "agentic"


class LlamaParse(Provider[LlamaParseSettings]):
    """Files to LlamaParse's v2 API."""

    name = "llamaparse"
    Settings = LlamaParseSettings

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """No key and no list: a lost answer leaves the outcome unknown (HOLD, the default)."""
        configuration = {"tier": self.settings.tier, "version": "latest"}
        form = Multipart(
            (("configuration", json.dumps(configuration)), ("file", File.of(batch.only())))
        )
        reply = yield Request.post("/api/v2/parse/upload", form, step="upload")
        return transfer.receipt(reply.parse(Created).id)

    def poll(self, job: Job) -> Flow[Status]:
        """Words that are not in the table run."""
        reply = yield Request.get(f"/api/v2/parse/{quote(job.id, safe='')}")
        return Status.of(reply.parse(Shown).job.status, WORDS, raw=reply.json())
