"""Acme with mistakes after which it hardly runs: no generator, a wrong type, no end.

They are told by one check, in words; what depends on an upload that succeeds is left out.
"""

from __future__ import annotations

from typing import Any

from longshore.provider import (
    Batch,
    Flow,
    Job,
    Receipt,
    Request,
    Response,
    Session,
    Setup,
    State,
    Status,
)
from tests.conformance.acme import Acme
from tests.conformance.faults import fails


@fails("the_upload_succeeds", "a_verb_does_nothing_before_it_is_driven", "a_job_that_nobody_knows")
class AtOnce(Acme):
    def poll(self, job: Job) -> Any:
        return Status(state=State.SUCCEEDED, word="done")


@fails("the_upload_succeeds")
class Wordy(Acme):
    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Any:
        job = yield from super().complete(batch, session, receipts)
        return job.id


@fails("the_upload_succeeds")
class Addressing(Acme):
    def prepare(self) -> Any:
        reply = yield "/v1/me"
        return Setup(data={"account": reply.json()["account"]})


@fails("the_upload_succeeds")
class Circling(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        while True:
            status = yield from super().poll(job)
            if status.state.terminal:
                return status


@fails("the_upload_succeeds")
class EmptyHanded(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.model_copy(update={"transfers": ()})


@fails(
    "signing_adds_the_credential",
    "signing_changes_nothing_else",
    "the_upload_succeeds",
    "a_job_that_nobody_knows",
)
class Unsigned(Acme):
    def sign(self, request: Request, now: float) -> Any:
        super().sign(request, now)


@fails("refused_requests_end_well", "a_job_that_nobody_knows")
class Rosy(Acme):
    def poll(self, job: Job) -> Flow[Status]:
        try:
            return (yield from super().poll(job))
        except Exception:  # noqa: BLE001 - that is the fault
            return Status(state=State.SUCCEEDED, word="done", raw={})


@fails(
    "any_error_body_is_read",
    "the_family_follows_the_status",
    "a_person_is_told_what_to_do",
    "documented_errors_are_known",
    "refused_requests_end_well",
    "a_job_that_nobody_knows",
    "a_session_that_is_gone_needs_no_abort",
)
class Telling(Acme):
    def refusal(self, response: Response) -> Any:
        return response.text
