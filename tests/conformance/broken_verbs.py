"""Acme with one fault each in a verb beside the upload, or in what it shows; see ``broken``."""

from __future__ import annotations

from dataclasses import replace

from longshore.provider import (
    Action,
    Batch,
    Flow,
    Inventory,
    Job,
    Receipt,
    Request,
    RequestRefused,
    Response,
    Results,
    Retry,
    Session,
    Setup,
    State,
    Status,
    Transfer,
)
from tests.conformance.acme import Acme
from tests.conformance.faults import changed, fails


@fails("an_aborted_session_is_gone")
class Lazy(Acme):
    def abort(self, session: Session) -> Flow[None]:
        yield Request.get("/v1/me")


@fails("a_session_that_is_gone_needs_no_abort")
class Insistent(Acme):
    def abort(self, session: Session) -> Flow[None]:
        yield Request("DELETE", self._upload(session), step="abort", retry=Retry.IDEMPOTENT)


@fails("abort_can_be_repeated", "a_remedy_is_said")
class OnceOnly(Acme):
    def abort(self, session: Session) -> Flow[None]:
        return (yield from changed(super().abort(session), lambda r: replace(r, retry=Retry.ONCE)))


@fails("renewed_transfers_keep_their_ids")
class Renaming(Acme):
    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        fresh = yield from super().renew(batch, session, transfers)
        return tuple(t.model_copy(update={"id": f"{t.id}-fresh"}) for t in fresh)


@fails("renewed_transfers_are_sent")
class Stale(Acme):
    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        yield Request.get("/v1/me")
        return transfers


@fails("a_job_can_be_cancelled")
class Reluctant(Acme):
    def cancel(self, job: Job) -> Flow[Status]:
        return (yield from self.poll(job))


@fails("a_job_can_be_cancelled", "cancel_may_come_twice")
class Wishful(Acme):
    def cancel(self, job: Job) -> Flow[Status]:
        status = yield from self.poll(job)
        return status.model_copy(update={"state": State.CANCELLED, "word": "cancelled"})


@fails("what_is_offered_can_be_done")
class Idle(Acme):
    def act(self, job: Job, action: Action) -> Flow[Status]:
        if action.name != "approve":
            raise RequestRefused(f"there is no {action.name!r}: use approve")
        return (yield from self.poll(job))


@fails("an_unknown_action_is_refused")
class Obedient(Acme):
    def act(self, job: Job, action: Action) -> Flow[Status]:
        return (yield from super().act(job, Action(name="approve")))


@fails("what_is_offered_can_be_done")
class Silent(Acme):
    def status(self, job: Job, reply: Response) -> Status:
        return super().status(job, reply).model_copy(update={"actions": ()})


@fails("results_are_results")
class Rawless(Acme):
    def results(self, job: Job) -> Flow[Results]:
        found = yield from super().results(job)
        return found.model_copy(update={"raw": None})


@fails("a_job_that_nobody_knows", "ids_of_a_reply_are_quoted")
class Unquoted(Acme):
    def _job(self, job: Job) -> str:
        return f"/v1/jobs/{job.id}"


@fails("data_is_fit_to_be_shown", "a_session_hides_its_secrets")
class Open(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        session = yield from super().start(batch)
        return session.model_copy(update={"data": {**session.data, **session.secrets}})


@fails("strange_names_are_carried")
class Unescaped(Acme):
    def start(self, batch: Batch) -> Flow[Session]:
        name, flow = batch.only().name, super().start(batch)
        return (yield from changed(flow, lambda r: replace(r, url=f"{r.url}?name={name}")))


@fails("strange_names_are_carried")
class Headlong(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        name, flow = batch.only().name, super().send(batch, session, transfer)
        return (yield from changed(flow, lambda request: request.with_header("X-Name", name)))


@fails("results_are_results")
class Inventing(Acme):
    def results(self, job: Job) -> Flow[Results]:
        found = yield from super().results(job)
        return found.model_copy(update={"raw": {"pages": 2}})


@fails("results_only_ask")
class Consuming(Acme):
    def results(self, job: Job) -> Flow[Results]:
        flow = super().results(job)
        return (
            yield from changed(flow, lambda r: replace(r, step="fetch", retry=Retry.IDEMPOTENT))
        )


@fails("the_inventory_holds_what_was_carried")
class Forgotten(Acme):
    def inventory(self, setup: Setup) -> Flow[Inventory]:
        yield Request.get("/v1/me")
        return Inventory()


@fails("the_inventory_only_asks")
class Stocktaking(Acme):
    def inventory(self, setup: Setup) -> Flow[Inventory]:
        flow = super().inventory(setup)
        return (
            yield from changed(flow, lambda r: replace(r, step="count", retry=Retry.IDEMPOTENT))
        )


@fails("abort_may_come_twice")
class Resentful(Acme):
    given: frozenset[str] = frozenset()

    def abort(self, session: Session) -> Flow[None]:
        yield from super().abort(session)
        upload = str(session.data["upload"])
        if upload in self.given:
            raise KeyError(upload)
        self.given |= {upload}


@fails("cancel_may_come_twice")
class Final(Acme):
    def cancel(self, job: Job) -> Flow[Status]:
        status = yield from super().cancel(job)
        if status.state is State.SUCCEEDED:
            raise KeyError(job.id)
        return status


@fails("no_step_tells_a_secret", "refused_requests_end_well")
class Chatty(Acme):
    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        flow, token = super().complete(batch, session, receipts), session.secrets["token"]
        return (yield from changed(flow, lambda r: replace(r, step=f"finish-{token}")))


@fails("signed_headers_stay_in_the_transfer")
class Hoarding(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        receipt = yield from super().send(batch, session, transfer)
        return receipt.model_copy(update={"token": transfer.url})


@fails("the_receipts_are_those_of_their_transfers")
class Mislabelling(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        receipt = yield from super().send(batch, session, transfer)
        return receipt.model_copy(update={"number": 99})
