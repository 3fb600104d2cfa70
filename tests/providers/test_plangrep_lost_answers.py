"""What follows when Plangrep's answer is lost: nothing is lost with it, nothing made twice."""

from __future__ import annotations

import pytest

from longshore.provider import (
    BatchError,
    Json,
    LostRequest,
    NotDone,
    ProtocolError,
    Refused,
    Request,
    State,
    Undecided,
)
from tests.providers.driving_plangrep import GivenUp, Pier, ready

JOBS = "/api/open/v1/projects/proj_000001/jobs"


@pytest.mark.parametrize("acted", [True, False])
def test_a_lost_create_project_is_asked_about_by_name(acted: bool) -> None:
    """The list of projects tells; there is one project in the end."""
    pier = Pier()
    pier.lose["create-project"] = acted

    setup = pier.prepare()

    assert list(pier.vendor.projects) == [setup.data["project"]]


def test_a_name_that_somebody_else_took_meanwhile_is_used() -> None:
    """Names are unique: the refusal of a double leads to the one that is there."""
    pier = Pier()
    flow = pier.provider.prepare()
    listed = pier.exchange(_request(next(flow)))
    create = flow.send(listed)
    pier.exchange(_request(create))  # another process creates it at this moment
    refusal = pier.exchange(_request(create))
    error = pier.provider.refusal(refusal)
    assert error is not None

    again = flow.throw(Refused(refusal, error))
    got = flow.send(pier.exchange(_request(again)))

    assert refusal.status == 409
    assert _request(got).url == "/api/open/v1/projects/proj_000001"


def test_two_projects_of_one_name_are_no_answer() -> None:
    """Longshore does not guess which of them is meant."""
    pier = ready()
    project = pier.vendor.projects["proj_000001"]
    pier.vendor.projects["proj_x"] = project

    with pytest.raises(ProtocolError) as caught:
        pier.prepare()

    assert "project_id" in caught.value.hint


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("acted", [True, False])
@pytest.mark.parametrize("mode", ["form", "signed"])
@pytest.mark.parametrize("step", ["create-job", "complete"])
def test_lost_keyed_answers_make_no_second_job(
    step: str, mode: str, acted: bool, forgotten: bool
) -> None:
    """The same key within its window, a look at the vendor after it: one job, worked on once."""
    pier = ready(upload_mode=mode)
    pier.lose[step] = acted
    pier.forgotten = forgotten

    job = pier.upload(pier.batch("a.pdf", "b.pdf"))

    assert pier.last(job).state is State.SUCCEEDED
    assert list(pier.vendor.jobs) == [job.id]
    assert pier.arrived() == pier.digests()


def test_a_job_of_another_batch_is_no_answer() -> None:
    """What another batch has claimed cannot be ours."""
    pier = ready()
    pier.lose["create-job"] = True
    pier.forgotten = True
    pier.claimed = frozenset({"job_000001"})

    session = pier.start(pier.batch("a.pdf"))

    # The sandbox still knows the key, so the repeated request finds the same job.
    assert session.data["job"] == "job_000001"
    assert pier.log.count(f"POST {JOBS}") == 2


def test_two_jobs_of_one_reference_are_undecided() -> None:
    """Plangrep does not keep externalId unique: two candidates are no answer."""
    pier = ready()
    flow = pier.provider.start(pier.batch("a.pdf"))
    create = _request(next(flow))
    for key in ("one", "two"):
        pier.exchange(Request.post(create.url, create.body, step=key, key="Idempotency-Key"))
    assert callable(create.lost)

    answer = pier.run(lambda: create.lost(LostRequest(sent_at=0.0)))  # type: ignore[operator]

    assert isinstance(answer, Undecided)


def test_a_job_that_never_came_is_not_done() -> None:
    """An empty list says that the request may be sent again."""
    pier = ready()
    create = _request(next(pier.provider.start(pier.batch("a.pdf"))))

    answer = pier.run(lambda: create.lost(LostRequest(sent_at=0.0)))  # type: ignore[operator]

    assert answer == NotDone()


def test_a_lost_registration_gives_its_job_back() -> None:
    """What is given up is enough for abort; a fresh attempt is another job."""
    pier = ready(upload_mode="signed")
    pier.lose["register"] = True

    with pytest.raises(GivenUp) as caught:
        pier.start(pier.batch("a.pdf"))
    session = caught.value.session
    assert session is not None
    pier.run(lambda: pier.provider.abort(session))
    job = pier.upload(pier.batch("a.pdf", attempt=2))

    assert pier.last(job).state is State.SUCCEEDED
    states = [j["state"] for j in pier.vendor.state(pier.now)["jobs"]]
    assert states == ["cancelled", "completed"]


def test_a_lost_form_is_given_up() -> None:
    """Nothing is processed before complete, so a fresh job costs nothing."""
    pier = ready()
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    pier.lose["files"] = True

    with pytest.raises(GivenUp):
        pier.send_all(batch, session)

    assert pier.arrived() == []


def test_a_refused_registration_gives_its_job_back() -> None:
    """The vendor's words are told, and no job stays open."""
    pier = ready({"max_declared_bytes": 10_000_000_000}, upload_mode="signed")
    batch = pier.batch("a.pdf")
    unknown = batch.documents[0].model_copy(update={"sha256": "not a digest"})

    with pytest.raises((Refused, BatchError), match="sha256"):
        pier.start(batch.model_copy(update={"documents": (unknown,)}))

    assert [j["state"] for j in pier.vendor.state(pier.now)["jobs"]] == ["cancelled"]


def test_a_complete_that_is_refused_although_it_acted_is_no_failure() -> None:
    """A vendor that forgot the key refuses the repeat; the job shows that it was done."""
    pier = ready({"idempotency_window": 0.0})
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    receipts = pier.send_all(batch, session)
    pier.lose["complete"] = True

    job = pier.complete(batch, session, receipts)

    assert pier.last(job).state is State.SUCCEEDED


def test_a_complete_that_is_refused_is_refused() -> None:
    """A job that still waits for its upload was not completed."""
    pier = ready(upload_mode="signed")
    batch = pier.batch("a.pdf")
    session = pier.start(batch)

    with pytest.raises(Refused, match="nothing was put"):
        pier.complete(batch, session, ())


def test_every_write_carries_what_the_vendor_documents() -> None:
    """Keys stand where they are documented, and nowhere else."""
    pier = ready()
    pier.upload(pier.batch("a.pdf"))
    keyed = {request.step: request.key_header for request in pier.requests if request.step}

    assert keyed == {
        "create-project": "",
        "create-job": "Idempotency-Key",
        "files": "",
        "complete": "Idempotency-Key",
    }
    created = next(request for request in pier.requests if request.step == "create-job")
    assert created.body == Json({"externalId": "ls-b1-1"})


def _request(item: object) -> Request:
    assert isinstance(item, Request)
    return item
