"""Send AI: the provider's flows against the sandbox's core."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.lifecycle import match_documents
from longshore.pipeline import advance
from longshore.provider import (
    AccountError,
    Action,
    DocumentStatus,
    Forbidden,
    Job,
    Multipart,
    Refused,
    Remedy,
    RequestRefused,
    Response,
    Retry,
    State,
    Status,
    Unauthorized,
)
from longshore_sendai import Sendai
from tests.pipeline.support import HOME, Vendor, World, reply
from tests.providers.driving_sendai import Harbour, Lost, reviewed, settings

TASKS = {"tasks_in_upload": True}
DIALECTS = [
    {},
    {"create_envelope": True, "create_case": "upper", "create_status": 201},
    {"create_status": 202, "review_word": "REVIEWING"},
]


def words(status: Status) -> list[tuple[str | None, str]]:
    return [(document.name, document.state.value) for document in status.documents]


def texts(harbour: Harbour) -> dict[str, str]:
    body = harbour.requests[0].body
    assert isinstance(body, Multipart)
    return {name: value for name, value in body.fields if isinstance(value, str)}


# ------------------------------------------------------------------------- upload


@pytest.mark.parametrize("dialect", DIALECTS)
def test_upload_and_poll_to_the_end(dialect: dict[str, Any]) -> None:
    """Many files travel in one POST, arrive whole, and the upload walks to its end."""
    harbour = Harbour(dialect)
    job = harbour.upload(harbour.batch("a.pdf", "b.pdf"))
    running = harbour.run(harbour.provider.poll(job))
    harbour.later()
    done = harbour.run(harbour.provider.poll(job))
    held = harbour.vendor.state(harbour.now)
    assert [r.method for r in harbour.requests] == ["POST", "GET", "GET"]
    assert [d["sha256"] for d in held["documents"]] == [harbour.sha256("d1"), harbour.sha256("d2")]
    assert [running.state, done.state] == [State.RUNNING, State.SUCCEEDED]
    assert [job["id"] for job in held["jobs"]] == [job.id]


def test_the_one_request_is_all() -> None:
    """Once it is answered the vendor is at work: nothing is left to say that would begin it."""
    assert not Sendai.offers("start")
    assert not Sendai.offers("complete")


def test_documents_are_accepted_without_vendor_ids() -> None:
    """The reply names no tasks, so documents are accepted and have no id of the vendor's."""
    harbour = Harbour()
    job = harbour.upload(harbour.batch("a.pdf", "b.pdf"))
    assert [(d.document, d.vendor_id, d.error) for d in job.documents] == [
        ("d1", None, None),
        ("d2", None, None),
    ]


def test_the_form_holds_name_project_and_reference() -> None:
    """Without settings the upload is named after the reference, which is in meta as well."""
    harbour = Harbour()
    harbour.upload(harbour.batch("a.pdf"))
    assert texts(harbour) == {
        "name": "ls-b1-1",
        "projectId": "proj_1",
        "meta": '[{"name": "reference", "value": "ls-b1-1"}]',
    }


def test_the_form_holds_the_settings() -> None:
    """upload_name and meta go along; the reference is always there."""
    chosen = settings(upload_name="Q1", meta={"department": "finance"})
    harbour = Harbour(provider=Sendai(chosen))
    harbour.upload(harbour.batch("a.pdf"))
    assert texts(harbour)["name"] == "Q1"
    assert json.loads(texts(harbour)["meta"]) == [
        {"name": "department", "value": "finance"},
        {"name": "reference", "value": "ls-b1-1"},
    ]


def test_awkward_file_names_arrive_unchanged() -> None:
    """Quotes, other scripts and a repeated name survive the form."""
    names = ['a "b".pdf', "Übersicht – 図.pdf", 'a "b".pdf']
    harbour = Harbour()
    harbour.upload(harbour.batch(*names))
    assert [d["name"] for d in harbour.vendor.state(harbour.now)["documents"]] == names


def test_ids_are_escaped_in_paths() -> None:
    """An id that holds a slash or a query cannot lead to another address."""
    provider = Sendai(settings(team_id="te/am", project_id="p?x"))
    request = next(provider.poll(Job(id="../up#1")))
    assert getattr(request, "url", "") == "/v2/te%2Fam/project/p%3Fx/upload/..%2Fup%231"


@pytest.mark.parametrize(
    ("prefix", "base", "paths"),
    [
        ("project", "/v2/team_1/project/proj_1", {"upload", "task"}),
        ("team", "/v2/team_1", {"upload", "task"}),
        ("v1", "/api/v1", {"uploads", "tasks"}),
    ],
)
def test_every_call_is_under_the_chosen_prefix(prefix: str, base: str, paths: set[str]) -> None:
    """The vendor's pages have three: upload, poll, review and results, to the end."""
    provider = Sendai(settings(path_prefix=prefix))
    harbour = Harbour({**TASKS, "path_prefix": prefix}, provider)
    job = harbour.upload(harbour.batch("review.pdf"))
    harbour.later()
    harbour.run(lambda: provider.act(job, Action(name="complete")))
    harbour.later()

    assert harbour.run(provider.poll(job)).state is State.SUCCEEDED
    assert harbour.run(lambda: provider.results(job)).documents
    assert all(request.url.startswith(f"{base}/") for request in harbour.requests)
    kinds = {request.url.removeprefix(f"{base}/").partition("/")[0] for request in harbour.requests}
    assert kinds == paths


def test_another_prefix_than_the_vendors_stops_the_account_and_is_named() -> None:
    """Nothing was taken: the run goes on once the setting is mended."""
    harbour = Harbour({"path_prefix": "team"})
    with pytest.raises(AccountError) as refused:
        harbour.upload(harbour.batch("a.pdf"))
    assert "path_prefix" in refused.value.hint


def test_a_lost_answer_to_the_upload_is_held() -> None:
    """There is no key and no list: nobody can tell, and nothing is sent again."""
    harbour = Harbour()
    harbour.lose = {"upload"}
    with pytest.raises(Lost) as lost:
        harbour.upload(harbour.batch("a.pdf"))
    assert (lost.value.remedy, len(harbour.sent)) == (Remedy.HOLD, 1)
    assert harbour.requests[0].retry is Retry.ONCE
    assert harbour.requests[0].not_acted == frozenset()


def test_a_large_form_is_awaited_longer() -> None:
    """A late answer to it would be lost for good: a second more for each 10 MB of all files."""
    harbour = Harbour(provider=Sendai(settings(timeout=30)))
    batch = harbour.batch("a.pdf", "b.pdf")
    harbour.upload(batch)
    assert harbour.requests[0].timeout == 30.0 + batch.size / 10_000_000


def test_a_create_that_took_only_a_part_is_never_a_success() -> None:
    """After a 207 the upload's COMPLETED means partial."""
    harbour = Harbour()
    batch = harbour.batch("a.pdf")
    session = harbour.run(harbour.provider.start(batch))
    flow = harbour.provider.send(batch, session, session.transfers[0])
    reply = harbour.exchange(next(flow))  # type: ignore[arg-type]
    with pytest.raises(StopIteration) as stop:
        flow.send(Response(207, reply.headers, reply.body))
    job = harbour.run(harbour.provider.complete(batch, session, (stop.value.value,)))
    harbour.later()
    assert harbour.run(harbour.provider.poll(job)).state is State.PARTIAL


# -------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("assumptions", "chosen", "kind"),
    [
        ({"api_key": "another-key"}, {}, Unauthorized),
        ({}, {"api_key": None}, Unauthorized),
        ({"project_id": "proj_2"}, {}, Forbidden),
        ({"import_via_api": False}, {}, Forbidden),
        ({"scopes": "task.read"}, {}, Forbidden),
    ],
)
def test_a_wrong_key_or_project_stops_the_account(
    assumptions: dict[str, Any], chosen: dict[str, Any], kind: type[AccountError]
) -> None:
    """No document fails for it: the run can be resumed once it is mended."""
    harbour = Harbour(assumptions, Sendai(settings(**chosen)))
    with pytest.raises(kind):
        harbour.upload(harbour.batch("a.pdf"))


@pytest.mark.parametrize(("limit", "status"), [("max_file_bytes", 413), ("max_files", 400)])
def test_a_form_beyond_the_limits_concerns_its_batch_only(limit: str, status: int) -> None:
    """Other batches may still go."""
    harbour = Harbour({limit: 0})
    with pytest.raises(Refused) as refused:
        harbour.upload(harbour.batch("a.pdf"))
    assert (type(refused.value.error), refused.value.status) == (RequestRefused, status)


@pytest.mark.parametrize("status", [404, 405])
def test_an_unknown_address_stops_the_account(status: int) -> None:
    """A web page in the place of the API means wrong settings: no second batch is sent there."""
    error = Sendai(settings()).refusal(Response(status, body=b"<h1>Not Found</h1>"))
    assert type(error) is AccountError
    assert "path_prefix" in error.hint


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [{"message": "Not Found"}, {}])
async def test_an_address_without_the_upload_call_stops_the_account(body: dict[str, Any]) -> None:
    """Creating documents no 404: no batch fails, and each goes once the address is mended."""
    vendor = Vendor(
        script={"POST /v2/": [reply(body, 404)]},
        always={"GET /v2/": reply({"payload": {"id": "p1", "status": "COMPLETED"}})},
    )
    world = World(Sendai(settings(base_url=HOME)), vendor)
    await world.plan([4])
    engine = await world.engine()
    blocked = await advance("b0000", engine=engine)
    assert blocked.state == "blocked"
    assert engine.trouble is not None
    assert "check base_url, team_id and project_id" in engine.trouble.hint
    assert await world.outcomes() == ["running"]

    engine = await world.engine()
    accepted = await advance("b0000", engine=engine)
    world.clock.time = accepted.at
    await advance("b0000", engine=engine)
    assert (await world.outcomes(), vendor.count("POST")) == (["succeeded"], 2)


@pytest.mark.parametrize("place", ["message", "error", "detail", "nested", "text"])
def test_the_vendors_words_are_found(place: str) -> None:
    """Wherever the error body has its words, the message shows them."""
    harbour = Harbour({"error_body": place, "import_via_api": False})
    with pytest.raises(Forbidden) as forbidden:
        harbour.upload(harbour.batch("a.pdf"))
    expected = "the vendor refused (403): the project does not allow import via API"
    assert forbidden.value.message == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"<html>", b"\xff\x00", b'{"error":7}', b'{"message":null}',
     b"[" * 100_000, b'{"detail":[{"x":1},[]]}'],
)  # fmt: skip
def test_strange_error_bodies_do_no_harm(body: bytes) -> None:
    """An error body of any shape gives an error with the status in it."""
    error = Sendai(settings()).refusal(Response(400, body=body))
    assert error.status == 400
    assert len(error.message) < 300


def test_a_vanished_upload_is_a_refusal() -> None:
    """404 on a poll concerns this batch only."""
    harbour = Harbour()
    with pytest.raises(Refused) as refused:
        harbour.run(harbour.provider.poll(Job(id="upl_gone")))
    assert type(refused.value.error) is RequestRefused
    assert "not there (any more)" in refused.value.error.hint


# -------------------------------------------------------------------------- states


@pytest.mark.parametrize("place", ["tasks", "files"])
@pytest.mark.parametrize("word", ["IN_REVIEW", "REVIEWING"])
def test_tasks_give_each_document_its_state(word: str, place: str) -> None:
    """Tasks are found where the reply has them, and belong to the document of their name."""
    harbour = Harbour({**TASKS, "tasks_place": place, "review_word": word})
    batch = harbour.batch("ok.pdf", "needs-review.pdf", "will-fail.pdf", "filtered.pdf")
    job = harbour.upload(batch)
    harbour.later()
    status = harbour.run(harbour.provider.poll(job))
    found = match_documents(batch, (), job, status)
    assert (status.state, status.word) == (State.NEEDS_ACTION, word)
    assert {id: entry.state.value for id, entry in found.items()} == {
        "d1": "succeeded",
        "d2": "needs_action",
        "d3": "failed",
        "d4": "cancelled",
    }
    review = harbour.task_ids()[1]
    assert [str(a) for a in status.actions] == [f"complete:{review}", f"discard:{review}"]


def test_tasks_with_titles_of_their_own_count_for_their_job_only() -> None:
    """Nobody can tell which document "Document 2" is."""
    harbour = Harbour({**TASKS, "task_names": "title"})
    batch = harbour.batch("ok.pdf", "will-fail.pdf")
    job = harbour.upload(batch)
    harbour.later()
    status = harbour.run(harbour.provider.poll(job))
    assert (status.state, words(status)) == (
        State.PARTIAL,
        [("Document 1", "succeeded"), ("Document 2", "failed")],
    )
    assert match_documents(batch, (), job, status) == {}


def test_without_tasks_nothing_is_said_of_single_documents() -> None:
    """The documented shape: the upload's state is all there is, and no action is offered."""
    harbour = Harbour()
    job = harbour.upload(harbour.batch("ok.pdf", "needs-review.pdf"))
    harbour.later()
    status = harbour.run(harbour.provider.poll(job))
    assert (status.state, status.documents, status.actions) == (State.NEEDS_ACTION, (), ())


@pytest.mark.parametrize(
    ("names", "rule", "expected"),
    [
        (["ok.pdf", "fail.pdf"], "running_first", State.PARTIAL),
        (["ok.pdf", "fail.pdf"], "no_partial", State.FAILED),
        (["fail.pdf"], "running_first", State.FAILED),
        (["filtered.pdf"], "running_first", State.SUCCEEDED),
    ],
)
def test_mixed_results(names: list[str], rule: str, expected: State) -> None:
    """PARTIAL is partial, and a vendor that never says it is believed too."""
    harbour = Harbour({"aggregation": rule})
    job = harbour.upload(harbour.batch(*names))
    harbour.later()
    assert harbour.run(harbour.provider.poll(job)).state is expected


def test_a_hasty_end_waits_for_the_open_tasks() -> None:
    """An upload that is FAILED or PARTIAL while a task is open is not over yet."""
    harbour = Harbour({**TASKS, "aggregation": "failure_first"})
    job = harbour.upload(harbour.batch("fail.pdf", "review.pdf"))
    harbour.later()
    status = harbour.run(harbour.provider.poll(job))
    assert (status.word, status.state) == ("PARTIAL", State.NEEDS_ACTION)


def test_an_email_counts_for_its_job() -> None:
    """The attachment's task matches no document: it is listed and counts for the job only."""
    mail = (
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n--x\n"
        b"Content-Type: application/pdf\n"
        b'Content-Disposition: attachment; filename="needs-review.pdf"\n\n%PDF\n--x--\n'
    )
    harbour = Harbour(TASKS)
    batch = harbour.batch("mail.eml")
    harbour.contents["d1"] = mail
    mailed = batch.only().model_copy(update={"size": len(mail)})
    batch = batch.model_copy(update={"documents": (mailed,)})
    job = harbour.upload(batch)
    harbour.later()
    status = harbour.run(harbour.provider.poll(job))
    assert words(status) == [("mail.eml", "succeeded"), ("needs-review.pdf", "needs_action")]
    assert status.state is State.NEEDS_ACTION
    assert set(match_documents(batch, (), job, status)) == {"d1"}


# -------------------------------------------------------------------------- results


def test_results_hold_what_was_read() -> None:
    """Annotations, checkboxes, signatures and segments become fields with their places."""
    harbour = Harbour(TASKS)
    batch, job = reviewed(harbour, "ok.pdf", "fail.pdf")
    results = harbour.run(harbour.provider.results(job))
    first, second = results.documents
    fields = {field.name: field for field in first.fields}
    assert (first.name, first.pages, first.warnings) == ("ok.pdf", 1, ())
    assert fields["sha256"].value == harbour.sha256(batch.documents[0].id)
    assert fields["checkbox:cb_task_000001"].value is True
    place = fields["signature:sig_task_000001"].place
    assert place is not None
    assert (place.page, place.box, place.unit) == (1, (800.0, 600.0, 820.0, 620.0), "pixel")
    assert second.warnings == ("the task is FAILED: its values may be missing",)


def test_results_without_tasks_say_why() -> None:
    """Where the reply names no tasks, a warning says so instead of an empty success."""
    harbour = Harbour()
    _, job = reviewed(harbour, "ok.pdf")
    results = harbour.run(harbour.provider.results(job))
    assert results.documents == ()
    assert "names no tasks" in results.warnings[0]


def test_one_lost_task_does_not_hide_the_others() -> None:
    """A task that cannot be fetched is a warning."""
    harbour = Harbour(TASKS)
    _, job = reviewed(harbour, "a.pdf", "b.pdf")
    harbour.vendor.tasks.pop("task_000001")
    results = harbour.run(harbour.provider.results(job))
    expected = "task task_000001 (a.pdf): the vendor refused (404): task not found"
    assert [d.name for d in results.documents] == ["b.pdf"]
    assert results.warnings == (expected,)


def test_a_document_status_carries_the_vendors_id() -> None:
    """The task's id is shown beside its name and word."""
    harbour = Harbour(TASKS)
    _, job = reviewed(harbour, "a.pdf")
    status = harbour.run(harbour.provider.poll(job))
    expected = DocumentStatus(
        state=State.SUCCEEDED, word="COMPLETED", vendor_id="task_000001", name="a.pdf"
    )
    assert status.documents == (expected,)
