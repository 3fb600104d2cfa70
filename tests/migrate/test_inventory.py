"""What the vendors with a documented list say they hold."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import ProtocolError
from longshore.provider import Flow, Inventory, Request, Response, Setup
from longshore_plangrep.provider import Plangrep
from longshore_plangrep.settings import PlangrepSettings
from longshore_subworkflow.provider import Subworkflow
from longshore_subworkflow.settings import SubworkflowSettings


def told(flow: Flow[Inventory], answers: Any) -> tuple[list[Request], Inventory]:
    """Run a flow with answers made from each request."""
    asked: list[Request] = []
    reply: Response | None = None
    while True:
        try:
            request = flow.send(reply) if reply is not None else next(flow)
        except StopIteration as stop:
            return asked, stop.value
        assert isinstance(request, Request)
        asked.append(request)
        reply = Response.of(answers(request))


def job(number: int, status: str = "SUCCESS") -> dict[str, Any]:
    """A job of Subworkflow.ai."""
    return {"id": f"dsj_{number}", "datasetId": f"ds_{number}", "status": status}


def subworkflow(jobs: list[dict[str, Any]]) -> Any:
    """Answer both lists, a page at a time."""
    datasets = [
        {"id": entry["datasetId"], "fileName": "a", "fileExt": "pdf", "fileSize": 7}
        for entry in jobs
    ]

    def answer(request: Request) -> dict[str, Any]:
        of = jobs if request.url.startswith("/v1/jobs") else datasets
        query = dict(pair.split("=") for pair in request.url.partition("?")[2].split("&"))
        begin, count = int(query["offset"]), int(query["limit"])
        return {"data": of[begin : begin + count]}

    return answer


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_every_page_of_a_list_is_read_once(count: int) -> None:
    """Also when the last page is full."""
    provider = Subworkflow(SubworkflowSettings(api_key="k"))  # type: ignore[arg-type]
    asked, found = told(provider.inventory(Setup()), subworkflow([job(n) for n in range(count)]))
    assert [held.job for held in found.holdings] == [f"dsj_{n}" for n in range(count)]
    assert all((held.name, held.size) == ("a.pdf", 7) for held in found.holdings)
    assert len({request.url for request in asked}) == len(asked)


def test_a_job_that_left_nothing_behind_is_no_holding() -> None:
    """One that failed: its document is not there."""
    provider = Subworkflow(SubworkflowSettings(api_key="k"))  # type: ignore[arg-type]
    answers = subworkflow([job(1, "ERROR"), job(2, "IN_PROGRESS")])
    _, found = told(provider.inventory(Setup()), answers)
    assert [held.job for held in found.holdings] == ["dsj_2"]
    assert any("24 hours" in gap for gap in found.gaps)


def test_a_list_that_never_ends_is_an_error() -> None:
    """A vendor that repeats itself must not fill the memory."""
    provider = Subworkflow(SubworkflowSettings(api_key="k"))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="goes on"):
        told(provider.inventory(Setup()), lambda _: {"data": [job(1)] * 100})


def test_plangrep_names_what_it_works_on_by_our_reference() -> None:
    """Jobs that were never completed, or cancelled, hold nothing."""
    provider = Plangrep(PlangrepSettings(api_key="k", project_id="p"))  # type: ignore[arg-type]
    words = ("awaiting_uploads", "processing", "completed", "cancelled")
    jobs = [
        {"id": f"job_{n}", "status": word, "externalId": f"ls-b{n}-1"}
        for n, word in enumerate(words)
    ]
    setup = Setup(data={"project": "p"})
    (asked,), found = told(provider.inventory(setup), lambda _: {"jobs": jobs})
    assert asked.url == "/api/open/v1/projects/p/jobs"
    assert [(held.job, held.reference) for held in found.holdings] == [
        ("job_1", "ls-b1-1"),
        ("job_2", "ls-b2-1"),
    ]
