"""Longshore's provider for Acme: one form per document, then polls."""

from __future__ import annotations

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


class Acme(Provider):
    """Documents to Acme (https://docs.acme.example)."""

    name = "acme"

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Acme knows a repeated form by its key: a lost answer is asked for by sending it again."""
        form = Multipart((("file", File.of(batch.only())),))
        reply = yield Request.post("/v1/jobs", form, step="upload", key="Idempotency-Key")
        return transfer.receipt(reply.json()["id"])

    def poll(self, job: Job) -> Flow[Status]:
        """Words that are not in the table count as running."""
        reply = (yield Request.get(f"/v1/jobs/{job.id}")).json()
        return Status.of(reply["status"], WORDS, raw=reply)


@hookimpl
def longshore_providers() -> list[type[Provider]]:
    """Offer the provider."""
    return [Acme]
