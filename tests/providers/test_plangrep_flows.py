"""Plangrep's flows against its sandbox: project, states, actions, results, limits."""

from __future__ import annotations

import pytest

from longshore.planning import Group, Refusal, group
from longshore.provider import (
    Action,
    Document,
    Forbidden,
    Refused,
    RequestRefused,
    Response,
    State,
    Unauthorized,
    WaitExpired,
)
from longshore.sandbox import Call
from tests.providers.driving_plangrep import Pier, ready

API = "/api/open/v1"


# ------------------------------------------------------------------------------ project


def test_a_missing_project_is_created_once_and_awaited() -> None:
    """The project is looked for, created, and asked about until it is ready."""
    pier = Pier({"project_provisioning": 25.0})

    setup = pier.prepare()

    assert setup.data == {"project": "proj_000001", "project_name": "Harbour"}
    assert pier.log.count(f"POST {API}/projects") == 1
    assert pier.now == 1_700_000_030.0


def test_a_project_that_cannot_be_created_says_what_to_do() -> None:
    """No page has the reasons; the way around them is a project that exists."""
    pier = Pier()
    taken = Response.of({"code": "name_taken", "message": "this name is taken"}, 409)
    pier.between = lambda sent, deliver: (
        taken if sent.request.step == "create-project" else deliver()
    )

    with pytest.raises(Refused, match="this name is taken") as caught:
        pier.prepare()
    assert "project_id" in caught.value.error.hint


def test_a_project_of_the_name_is_used() -> None:
    """A second run finds the project of the first."""
    pier = ready()
    pier.sent.clear()

    pier.prepare()

    assert pier.log == [f"GET {API}/projects", f"GET {API}/projects/proj_000001"]


def test_a_project_id_needs_no_list() -> None:
    """With an id the project is fetched, which also proves the key."""
    pier = ready({"project_id": "proj_given"}, project_id="proj_given")

    assert pier.log == [f"GET {API}/projects/proj_given"]


def test_a_project_that_never_gets_ready_is_given_up() -> None:
    """After five minutes the wait ends."""
    pier = Pier({"project_provisioning": 1000.0})

    with pytest.raises(WaitExpired):
        pier.prepare()

    assert pier.now == 1_700_000_300.0


@pytest.mark.parametrize("word", ["none", "null"])
def test_both_ways_to_say_that_no_upgrade_runs(word: str) -> None:
    """Jobs are let in by null and by "none"."""
    assert ready({"no_upgrade": word}).setup.data["project"] == "proj_000001"


def test_a_wrong_key_stops_at_the_first_request() -> None:
    """Nothing is created with a key that is not good."""
    pier = Pier({"api_key": "another"})

    with pytest.raises(Unauthorized) as caught:
        pier.prepare()

    assert (caught.value.code, len(pier.log)) == ("unauthorized", 1)


# -------------------------------------------------------------------------- after complete


def test_the_states_on_the_way() -> None:
    """The vendor's words are kept beside the neutral states."""
    pier = ready()
    batch = pier.batch("a.pdf")
    session = pier.start(batch)
    words = [pier.poll(pier.provider_job(session)).word]
    job = pier.complete(batch, session, pier.send_all(batch, session))
    words += [pier.poll(job).word, pier.poll(job, after=0.04).word, pier.poll(job, after=0.1).word]

    assert words == ["awaiting_uploads", "preflighting", "processing", "completed"]


@pytest.mark.parametrize(
    ("names", "state", "documents"),
    [
        (("a.pdf", "fail.pdf"), State.PARTIAL, [State.SUCCEEDED, State.FAILED]),
        (("fail.pdf",), State.FAILED, [State.FAILED]),
    ],
)
def test_pages_that_fail(names: tuple[str, ...], state: State, documents: list[State]) -> None:
    """Some failed: partial; all failed: failed. Either is explained."""
    pier = ready()
    status = pier.last(pier.upload(pier.batch(*names)))

    assert (status.state, [d.state for d in status.documents]) == (state, documents)
    assert status.error is not None
    assert (status.error == "some pages failed: the results say which") == (state is State.PARTIAL)


def test_a_job_without_credits_needs_action_until_it_is_resumed() -> None:
    """The status offers resume and cancel; its files wait with it."""
    pier = ready()
    job = pier.upload(pier.batch("blocked.pdf"))
    blocked = pier.last(job)
    resumed = pier.run(lambda: pier.provider.act(job, Action(name="resume")))

    assert (blocked.state, blocked.word) == (State.NEEDS_ACTION, "blocked_insufficient_credits")
    assert [str(action) for action in blocked.actions] == ["resume", "cancel"]
    assert [d.state for d in blocked.documents] == [State.NEEDS_ACTION]
    assert resumed.state is State.RUNNING
    assert pier.last(job).state is State.SUCCEEDED


def test_a_resume_that_came_twice_is_no_error() -> None:
    """The second one finds the job no longer blocked."""
    pier = ready()
    job = pier.upload(pier.batch("blocked.pdf"))
    pier.last(job)
    pier.lose["resume"] = True

    status = pier.run(lambda: pier.provider.act(job, Action(name="resume")))

    assert status.word == "preflighting"


def test_a_resume_without_credits_is_told() -> None:
    """Nothing is hidden: the account is still short."""
    pier = ready({"credits": 5.0, "short_status": 409})
    job = pier.upload(pier.batch("a.pdf"))
    assert pier.last(job).state is State.NEEDS_ACTION

    with pytest.raises(Refused, match="credits are needed"):
        pier.run(lambda: pier.provider.act(job, Action(name="resume")))
    pier.vendor.credits = 100.0
    pier.run(lambda: pier.provider.act(job, Action(name="resume")))

    assert pier.last(job).state is State.SUCCEEDED


def test_a_job_can_be_cancelled_once_and_again() -> None:
    """A job that has ended refuses to be cancelled, and that is as good."""
    pier = ready()
    job = pier.upload(pier.batch("a.pdf"))
    words = [pier.run(lambda: pier.provider.cancel(job)).state for _ in range(2)]

    assert words == [State.CANCELLED, State.CANCELLED]


def test_a_cancel_that_takes_a_while_is_polled_for() -> None:
    """Its answer may still show the job at work."""
    pier = ready({"cancel_takes": 5.0, "walk": "processing:60,completed"})
    job = pier.upload(pier.batch("a.pdf"))
    at_once = pier.run(lambda: pier.provider.cancel(job))

    assert [at_once.state, pier.poll(job, after=5).state] == [State.RUNNING, State.CANCELLED]


def test_a_key_without_the_scope_is_told_which_it_needs() -> None:
    """Projects need none, so it shows when the job is made."""
    pier = ready({"scopes": "jobs:read"})

    with pytest.raises(Forbidden) as caught:
        pier.start(pier.batch("a.pdf"))
    assert "jobs:write" in caught.value.hint


def test_results_that_are_asked_for_too_late_say_why() -> None:
    """After its expiry neither a job nor its result is accessible."""
    pier = ready({"job_ttl": 100.0})
    job = pier.upload(pier.batch("a.pdf"))
    pier.last(job)
    pier.now += 100

    with pytest.raises(Refused) as caught:
        pier.run(lambda: pier.provider.results(job))
    assert "expired" in caught.value.error.hint


def test_an_unknown_action_is_refused_without_a_request() -> None:
    """A job offers resume and cancel."""
    pier = ready()
    job = pier.upload(pier.batch("a.pdf"))
    before = len(pier.log)

    with pytest.raises(RequestRefused):
        pier.run(lambda: pier.provider.act(job, Action(name="discard")))

    assert len(pier.log) == before


def test_aborting_a_session_cancels_its_job() -> None:
    """Twice is the same as once, also when the job has ended or is gone."""
    pier = ready()
    session = pier.start(pier.batch("a.pdf"))
    for _ in range(2):
        pier.run(lambda: pier.provider.abort(session))
    assert [job["state"] for job in pier.vendor.state(pier.now)["jobs"]] == ["cancelled"]

    pier.vendor.jobs.clear()
    pier.run(lambda: pier.provider.abort(session))


def test_an_expired_job_is_told() -> None:
    """A job that was never completed expires."""
    pier = ready({"job_ttl": 100.0})
    session = pier.start(pier.batch("a.pdf"))

    assert pier.poll(pier.provider_job(session), after=101).state is State.EXPIRED


def test_results_name_documents_texts_and_artifacts() -> None:
    """Artifacts of Plangrep's own host are relative, so that the key goes with them."""
    pier = ready(classification="plans")
    job = pier.upload(pier.batch("a.pdf", "fail.pdf"))
    pier.last(job)
    results = pier.run(lambda: pier.provider.results(job))

    good, bad = results.documents
    assert (good.name, good.vendor_id, good.pages) == ("a.pdf", "doc_000001", 1)
    assert [text.text for text in good.texts] == ["Detail of a.pdf"]
    assert {field.name for field in good.fields} == {"classification", "sheet_number", "sheet_name"}
    assert results.usage["creditsDebited"] == 10
    assert bad.warnings == ("the file could not be read",)
    url = good.artifacts[0].url
    assert url == f"{API}/jobs/job_000001/artifact?path=documents%2Fdoc_000001%2Ftext.txt"
    fetched = pier.vendor.handle(
        Call.of("GET", f"https://plangrep.com{url}", {"Authorization": "Bearer k"}), pier.now
    )
    assert fetched.body == b"Text of a.pdf"


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_refusal_tells_the_vendors_words(shape: str) -> None:
    """Code and message are found at the top and inside `error`."""
    pier = ready({"error_shape": shape})
    job = pier.upload(pier.batch("a.pdf"))

    with pytest.raises(Refused) as caught:
        pier.run(lambda: pier.provider.results(job))

    assert caught.value.error.code == "result_not_ready"
    assert caught.value.error.message.startswith("the vendor refused (409): the job is")


# ------------------------------------------------------------------------------ planning


def test_batches_stay_inside_the_limits() -> None:
    """100 files and 10 GB a job; a larger file is refused before the first byte."""
    capabilities = Pier().provider.capabilities()
    small = [Document(id=f"s{n}", name=f"{n}.pdf", size=1) for n in range(101)]
    large = [Document(id=f"l{n}", name=f"{n}.pdf", size=6_000_000_000) for n in range(2)]
    huge = Document(id="h", name="h.pdf", size=10_000_000_001)

    found = list(group([*small, *large, huge], capabilities))

    assert [len(g.documents) for g in found if isinstance(g, Group)] == [100, 2, 1]
    assert [r.document.id for r in found if isinstance(r, Refusal)] == ["h"]


@pytest.mark.parametrize(("mode", "wanted"), [("auto", True), ("signed", True), ("form", False)])
def test_the_digest_is_wanted_unless_only_forms_are_sent(mode: str, wanted: bool) -> None:
    """Registration needs the SHA-256; a form does not."""
    assert Pier(upload_mode=mode).provider.capabilities().wants_sha256 is wanted


def test_polls_obey_the_documented_floor() -> None:
    """Five seconds at least, fifteen usually."""
    polls = Pier().provider.capabilities().polls

    assert (polls.floor, polls.interval) == (5.0, 15.0)
