"""Longshore's provider for Acme: one form per document, then polls."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel

from longshore.provider import (
    Batch,
    File,
    Flow,
    Job,
    Multipart,
    Provider,
    Receipt,
    Request,
    Session,
    State,
    Status,
    Transfer,
    hookimpl,
)

WORDS = {"done": State.SUCCEEDED, "rejected": State.FAILED}


class Created(BaseModel):
    """What Acme answers to an upload."""

    id: str


class Shown(BaseModel):
    """What Acme says about a job."""

    status: str


class Acme(Provider):
    """Documents to Acme."""

    name = "acme"
    title = "Acme"
    documentation = "https://docs.acme.example"

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Acme knows a repeated form by its key: a lost answer is had by sending it again."""
        form = Multipart((("file", File.of(batch.only())),))
        reply = yield Request.post("/v1/jobs", form, step="upload", key="Idempotency-Key")
        return transfer.receipt(reply.parse(Created).id)

    def poll(self, job: Job) -> Flow[Status]:
        """Words that are not in the table count as running."""
        reply = yield Request.get(f"/v1/jobs/{quote(job.id, safe='')}")
        return Status.of(reply.parse(Shown).status, WORDS, raw=reply.json())


@hookimpl
def longshore_providers() -> list[type[Provider]]:
    """Offer the provider."""
    return [Acme]
