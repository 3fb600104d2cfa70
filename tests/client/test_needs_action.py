"""What needs somebody, at the sandboxes of vendors: reviews, credits, documents sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient, Client
from longshore.errors import BatchError, ConfigurationError
from longshore.lifecycle import Outcome
from longshore.sandbox import serve
from tests.cli.conftest import environment_of, quick_vendors

Sandbox = Callable[..., None]


@pytest.fixture(autouse=True)
def _acme() -> None:
    """Have the vendors that are installed, and not those in memory."""


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Serve a vendor: ``sandbox("sendai", "sendai.tasks_in_upload=true")``."""
    with ExitStack() as stack:

        def start(name: str, *assume: str) -> None:
            vendors = quick_vendors(name, assume=assume)
            stack.enter_context(serve(vendors))
            for variable, value in environment_of(vendors).items():
                monkeypatch.setenv(variable, value)

        yield start


def documents(folder: Path, *names: str) -> list[Path]:
    """Write documents; their names tell the sandboxes what is to become of them."""
    for name in names:
        (folder / name).write_bytes(b"%PDF-1.4 " + name.encode())
    return [folder / name for name in names]


def at(folder: Path) -> dict[str, Any]:
    """Return where the journal lies."""
    return {"journal": folder / "journal.db"}


async def test_tasks_are_reviewed_one_by_one(tmp_path: Path, sandbox: Sandbox) -> None:
    """Each action names its document; one is discarded, the others are completed together."""
    sandbox("sendai", "sendai.tasks_in_upload=true")
    paths = documents(tmp_path, "review1.pdf", "review2.pdf", "review3.pdf")
    async with AsyncClient("sendai", **at(tmp_path)) as client:
        report = await client.upload(paths)
        assert report.outcomes == {Outcome.NEEDS_ACTION: 3}
        (job,) = await client.actions(report.run.id)
        about = {str(action): job.about(action) for action in job.actions}
        assert sorted(one.path for one in about.values() if one) == sorted(map(str, paths * 2))
        discard = next(action for action in job.actions if action.name == "discard")
        assert await client.act(job.job_id, discard) is not None
        upload = await client.act(job.job_id, "complete")
        assert upload is not None
        upload = await client.wait(upload, at_most=20.0)
        ended = {record.path: record.outcome for record in upload.documents}
        assert (await client.resume(report.run.id)).exit_code == 1
    discarded = about[str(discard)]
    assert discarded is not None
    assert ended == dict.fromkeys(map(str, paths), Outcome.SUCCEEDED) | {
        discarded.path: Outcome.CANCELLED
    }


async def test_what_the_vendor_refuses_is_raised_in_its_words(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Its reply names no task, so a person has to, and may be wrong."""
    sandbox("sendai")
    async with AsyncClient("sendai", **at(tmp_path)) as client:
        await client.upload(documents(tmp_path, "review.pdf"))
        (job,) = await client.actions()
        assert (job.outcome, job.word, job.actions) == (Outcome.NEEDS_ACTION, "IN_REVIEW", ())
        with pytest.raises(BatchError, match=r"the vendor refused \(404\)"):
            await client.act(job.job_id, "complete:task_999")
        assert (await client.actions())[0].outcome is Outcome.NEEDS_ACTION


def test_a_job_without_credits_is_resumed_or_cancelled(tmp_path: Path, sandbox: Sandbox) -> None:
    """By a program that has no event loop; a missing key changes nothing."""
    sandbox("plangrep")
    with Client("plangrep", batch_size=1, **at(tmp_path)) as client:
        report = client.upload(documents(tmp_path, "blocked1.pdf", "blocked2.pdf"))
        assert report.outcomes == {Outcome.NEEDS_ACTION: 2}
        first, second = client.actions()
        assert [str(action) for action in first.actions] == ["resume", "cancel"]
        resumed = client.act(first.job_id, "resume")
        assert resumed is not None
        assert client.wait(resumed, at_most=20.0).outcome is Outcome.SUCCEEDED
        assert client.cancel(report.run.id).outcomes == {
            Outcome.SUCCEEDED: 1,
            Outcome.CANCELLED: 1,
        }
        assert client.actions() == []
        again = client.rerun(report.run.id)
        assert again.outcomes == {Outcome.SUCCEEDED: 1, Outcome.NEEDS_ACTION: 1}
        (third,) = client.actions()
        assert third.job_id not in (first.job_id, second.job_id)


def test_without_a_key_nothing_is_changed(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is missing is told first: a rerun would have been planned already."""
    sandbox("subworkflow")
    with Client("subworkflow", **at(tmp_path)) as client:
        run_id = client.upload(documents(tmp_path, "fail.pdf")).run.id
        monkeypatch.delenv("LONGSHORE_SUBWORKFLOW_API_KEY")
        for do in (client.rerun, client.cancel, client.resume):
            with pytest.raises(ConfigurationError, match="no API key"):
                do(run_id)
        assert client.unfinished() == []
