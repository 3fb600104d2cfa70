"""What can be done with runs after ``upload``: resume, rerun, status, watch, act, ..."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from longshore.documents import Document
from longshore.journal import DocumentRecord, RunRecord, SQLiteJournal, open_journal
from longshore.lifecycle import Outcome
from tests.cli.conftest import Shore

Trouble = Callable[..., dict[str, str]]


def upload(shore: Shore, name: str, target: str = "plangrep", *more: str) -> str:
    """Upload a document; the run's id."""
    return str(
        shore.run("upload", shore.file(name), "--to", target, "--json", *more).line("run")["run_id"]
    )


# ------------------------------------------------------------------------------------- resume


def test_resume_tells_of_all_documents(shore: Shore) -> None:
    """The last call alone tells everything: also what was finished earlier."""
    names = [shore.file("blocked.pdf"), shore.file("a.pdf")]
    shore.run("upload", *names, "--to", "plangrep", "--batch-size", "1")
    ended = shore.run("resume", "--json")
    states = {line["name"]: line["state"] for line in ended.lines if line["event"] == "document"}
    assert (ended.code, states) == (3, {"blocked.pdf": "needs_action", "a.pdf": "succeeded"})


def test_resume_takes_the_beginning_of_an_id(shore: Shore) -> None:
    """A run is named by as much of its id as is needed."""
    run_id = upload(shore, "a.pdf")
    ended = shore.run("resume", run_id[:5], "--json")
    assert (0, run_id, 0) == (
        ended.code,
        ended.line("run")["run_id"],
        ended.line("run")["running"],
    )


def test_nothing_to_resume(shore: Shore) -> None:
    """Without an unfinished run: one line on stderr, and 0."""
    upload(shore, "a.pdf")
    ended = shore.run("resume", "--json")
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (0, "", 1)


def test_resume_follows_a_run_that_did_not_wait(shore: Shore) -> None:
    """A run begun with --no-wait is followed to its end by resume."""
    upload(shore, "a.pdf", "subworkflow", "--no-wait")
    ended = shore.run("resume", "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")


def test_resume_looks_again_at_a_job_that_took_too_long(shore: Shore) -> None:
    """After poll_timeout nobody asks about it; a resume does, each time, until it is over."""
    run_id = upload(shore, "a.pdf", "plangrep", "--set", "poll_timeout=0")
    before = shore.run("status", run_id, "--json").line("document")
    assert before["state"] == "running"
    assert "(poll_timeout)" in shore.run("status", run_id, "--verbose").out
    ended = shore.run("resume", "--json", "--set", "poll_timeout=60")
    after = ended.line("document")
    assert (ended.code, after["state"]) == (0, "succeeded")
    assert after["vendor_job_id"] == before["vendor_job_id"]


def test_the_worst_run_decides_the_exit_code(shore: Shore) -> None:
    """Several runs: the exit code that stands first in the contract; a line for each run."""
    upload(shore, "blocked.pdf")
    upload(shore, "a.pdf", "subworkflow", "--no-wait")
    ended = shore.run("resume", "--json")
    assert len([line for line in ended.lines if line["event"] == "run"]) == 2
    assert ended.code == 3


def _job(shore: Shore, name: str) -> str:
    """The vendor's job of a document."""
    for run in shore.run("status", "--json").lines:
        for line in shore.run("status", run["run_id"], "--json").lines:
            if line["event"] == "document" and line["name"] == name:
                return f"{line['target']}/{line['vendor_job_id']}"
    raise AssertionError(name)


def test_a_run_whose_plugin_is_gone_does_not_stop_the_others(shore: Shore) -> None:
    """A missing plugin is a clear error and 2; the other runs go on."""
    gone, other = upload(shore, "blocked.pdf"), upload(shore, "a.pdf", "sendai", "--no-wait")

    async def break_run() -> None:
        async with open_journal(shore.journal) as journal:
            await journal.change_run(gone, provider="vanished")

    asyncio.run(break_run())
    ended = shore.run("resume", "--json")
    assert (2, other, "succeeded") == (
        ended.code,
        ended.line("run")["run_id"],
        ended.line("document")["state"],
    )
    assert ended.err.startswith(f"longshore: run {gone}: ")
    assert "'vanished'" in ended.err


def test_what_a_run_in_trouble_keeps_is_told_with_what_changes_it(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mended variable does not reach a run that was begun; the printed command does."""
    right = trouble([])["LONGSHORE_PLANGREP_BASE_URL"]
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", f"{right}/nowhere")
    monkeypatch.setenv("LONGSHORE_PLANGREP_PROJECT_NAME", "Quay")
    first = empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "plangrep")
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", right)
    monkeypatch.setenv("LONGSHORE_PLANGREP_PROJECT_NAME", "Pier")
    again = empty_shore.run("resume")
    told = [line for line in again.err.splitlines() if "the run keeps" in line]
    typed = told[1].partition("to change that:  longshore ")[2]
    ended = empty_shore.bare(*shlex.split(typed))

    assert (first.code, again.code, "the run keeps" in first.err) == (2, 2, False)
    assert "project_name = Quay, as it began; project_name = Pier counts for a new" in told[0]
    assert f"base_url = {right}/nowhere, as it began" in told[1]
    assert again.err.splitlines()[-3].startswith("longshore resume ")
    assert again.err.splitlines()[-1] == told[1]  # not the one that fails again
    assert (ended.code, "1 succeeded" in ended.out) == (0, True)


def test_a_resumed_run_keeps_its_settings(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are those of the beginning, whatever the environment says now."""
    run_id = upload(shore, "a.pdf", "sendai", "--no-wait")
    monkeypatch.setenv("LONGSHORE_SENDAI_PROJECT_ID", "proj_other")
    assert shore.run("resume", run_id).code == 0
    refused = shore.run("resume", run_id, "--set", "project_id=proj_other")
    assert refused.code == 2
    assert "cannot change while a run is resumed" in refused.err


# -------------------------------------------------------------------------------------- rerun


def test_rerun_sends_what_failed(shore: Shore) -> None:
    """Failed documents go again as the files are now, in a fresh batch; others do not."""
    names = [shore.file("fail.pdf"), shore.file("a.pdf")]
    ended = shore.run("upload", *names, "--to", "subworkflow", "--json")
    before = {line["name"]: line for line in ended.lines if line["event"] == "document"}
    shore.file("fail.pdf", b"%PDF-1.4 mended\n")
    again = shore.run("rerun", ended.line("run")["run_id"], "--failed", "--json")
    after = {line["name"]: line for line in again.lines if line["event"] == "document"}
    assert before["a.pdf"] == after["a.pdf"]
    assert before["fail.pdf"]["vendor_job_id"] != after["fail.pdf"]["vendor_job_id"]
    assert before["fail.pdf"]["sha256"] != after["fail.pdf"]["sha256"]
    assert again.line("run")["documents"] == 2


def test_rerun_of_a_file_that_is_gone(shore: Shore) -> None:
    """What can no longer be read stays failed, with the reason."""
    run_id = upload(shore, "fail.pdf", "subworkflow")
    (shore.folder / "fail.pdf").unlink()
    ended = shore.run("rerun", run_id, "--failed", "--json")
    line = ended.line("document")
    assert (ended.code, line["state"], line["error"]["kind"]) == (1, "failed", "source_missing")


def test_rerun_without_failures_changes_nothing(shore: Shore) -> None:
    """Nothing failed: the run is told again, and nothing is sent."""
    run_id = upload(shore, "a.pdf", "sendai")
    ended = shore.run("rerun", run_id, "--failed", "--json")
    assert ended.code == 0
    assert "nothing of run" in ended.err


# ------------------------------------------------------------------------------ status, watch


def test_status_lists_runs(shore: Shore) -> None:
    """One line for each run, oldest first, with what is open and abandoned."""
    first, second = upload(shore, "a.pdf", "sendai"), upload(shore, "blocked.pdf")
    lines = shore.run("status", "--json").lines
    assert [(first, "finished"), (second, "unfinished")] == [
        (line["run_id"], line["state"]) for line in lines
    ]
    assert [line["abandoned"] for line in lines] == [0, 0]


def test_status_of_a_run_shows_its_documents(shore: Shore) -> None:
    """With RUN: the lines of its documents, then its own; more with --verbose."""
    run_id = upload(shore, "a.pdf", "sendai")
    lines = shore.run("status", run_id, "--json").lines
    assert [line["event"] for line in lines] == ["document", "run"]
    told = shore.run("status", run_id, "--verbose").out
    assert "attempt 1 succeeded after" in told
    assert "; settings: base_url = http://127.0.0.1:" in told
    assert "{" not in told


def test_status_shows_no_token_of_a_setting(shore: Shore) -> None:
    """A setting that is no secret by name may hold one in its URL."""
    hook = "webhook_url=https://hooks.example/cb?token=opensesame"
    run_id = upload(shore, "a.pdf", "plangrep", "--set", hook)
    told = shore.run("status", run_id, "--verbose").out
    assert ("opensesame" in told, "/cb?token=REDACTED" in told) == (False, True)


def test_status_counts_as_people_do(
    shore: Shore, quay: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is no plural; here the address is that of another vendor."""
    monkeypatch.setenv("LONGSHORE_SENDAI_BASE_URL", quay["LONGSHORE_GEOLENS_BASE_URL"])
    run_id = upload(shore, "a.pdf", "sendai")
    assert ": 1 request, 0 retries; " in shore.run("status", run_id, "--verbose").out


def test_status_of_an_empty_journal(shore: Shore) -> None:
    """No runs: nothing on stdout."""
    shore.make_journal()
    ended = shore.run("status")
    assert (ended.code, ended.out) == (0, "")


def test_watch_ends_with_a_finished_run(shore: Shore) -> None:
    """A finished run is told at once, with its exit code."""
    upload(shore, "fail.pdf", "subworkflow")
    ended = shore.run("watch", "--json")
    assert (ended.code, [line["event"] for line in ended.lines]) == (1, ["document", "run"])


def test_watch_ends_when_nobody_executes_the_run(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sign of life the watch ends and says how to go on."""
    run_id = upload(shore, "blocked.pdf")
    monkeypatch.setattr("longshore.cli._watch.SILENT", 0.0)
    ended = shore.run("watch", run_id)
    assert ended.code == 3
    assert f"longshore resume {run_id}" in ended.err


@pytest.mark.parametrize(
    ("signs", "silent", "told"), [([1, 2, 3], 60.0, False), ([4e9] * 3, 0.0, True)]
)
def test_watch_hears_an_executor_whose_clock_is_wrong(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, signs: list[float], silent: float, told: bool
) -> None:
    """That its signs of life go on tells that it lives; not what its clock says."""
    run = RunRecord(id="4f1c2a9b", target="plangrep", provider="plangrep")
    looks = [{"alive_at": sign} for sign in signs] + [{"alive_at": 9.0, "finished_at": 9.0}]

    async def look(journal: SQLiteJournal, run_id: str) -> RunRecord:
        return run.model_copy(update=looks.pop(0) if len(looks) > 1 else looks[0])

    async def prepare() -> None:
        async with open_journal(shore.journal) as journal:
            await journal.create_run(run)

    asyncio.run(prepare())
    monkeypatch.setattr(SQLiteJournal, "run", look)
    monkeypatch.setattr("longshore.cli._watch.PAUSE", 0.0)
    monkeypatch.setattr("longshore.cli._watch.SILENT", silent)
    assert ("nobody executes" in shore.run("watch", run.id).err) == told


def test_watch_reads_what_is_new(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look costs nothing when nothing changed, and never what was told to the last place."""
    run = RunRecord(id="4f1c2a9b", target="plangrep", provider="plangrep", alive_at=4e9)
    names = [f"d{number}" for number in range(10)]
    done = {"outcome": Outcome.SUCCEEDED}
    script = [names[:5], [], names[7:8], names[5:6], [], names]  # what ends before each look
    told: list[list[str]] = []
    read: list[int] = []
    documents = SQLiteJournal.documents

    async def count(journal: SQLiteJournal, *arguments: Any, **options: Any) -> Any:
        page = await documents(journal, *arguments, **options)
        read[-1] += len(page)
        return page

    async def look(journal: SQLiteJournal, run_id: str) -> RunRecord:
        if len(read) < len(script):
            await journal.change_documents(run_id, dict.fromkeys(script[len(read)], done))
            read.append(0)
        over = 4e9 if len(read) == len(script) else None
        return run.model_copy(update={"finished_at": over})

    def tell(_: object, __: object, record: DocumentRecord, ___: object) -> None:
        told.extend([[] for _ in range(len(read) - len(told))])
        told[-1].append(record.document.id)

    async def prepare() -> None:
        async with open_journal(shore.journal) as journal:
            await journal.create_run(run)
            described = [Document(id=name, name=name, size=1) for name in names]
            records = [
                DocumentRecord(document=each, run_id=run.id, place=place)
                for place, each in enumerate(described)
            ]
            await journal.enqueue([], records)

    asyncio.run(prepare())
    monkeypatch.setattr(SQLiteJournal, "documents", count)
    monkeypatch.setattr(SQLiteJournal, "run", look)
    monkeypatch.setattr("longshore.cli._watch.tell_document", tell)
    monkeypatch.setattr("longshore.cli._watch.PAUSE", 0.0)
    ended = shore.run("watch", run.id)

    assert told == [names[:5], [], ["d7"], ["d5"], [], ["d6", "d8", "d9"]]
    assert (ended.code, read) == (0, [10, 0, 5, 5, 0, 4])


# ------------------------------------------------------------------------------- actions, act


def test_actions_print_commands_that_work(shore: Shore) -> None:
    """What `actions` prints can be typed: the job goes on, and resume sees its end."""
    run_id = upload(shore, "blocked.pdf")
    found = shore.run("actions", run_id, "--json").lines
    assert [line["action"] for line in found] == ["resume", "cancel"]
    program, *command = found[0]["command"].split()
    assert program == "longshore"
    done = shore.bare(*command, "--json")
    assert (done.code, done.line("document")["state"]) == (0, "running")
    ended = shore.run("resume", "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")


def test_a_setting_may_name_its_target(shore: Shore) -> None:
    """As elsewhere; a slip of the pen is not passed over."""
    run_id = upload(shore, "blocked.pdf")
    for command in (("act", _job(shore, "blocked.pdf"), "resume"), ("cancel", run_id)):
        wrong = shore.run(*command, "--set", "plangerp:timeout=5")
        right = shore.run(*command, "--set", "plangrep:timeout=5")
        assert (wrong.code, "there are: plangrep" in wrong.err, right.code) == (2, True, 0)


def test_a_job_with_nothing_to_do(shore: Shore) -> None:
    """A job that succeeded offers nothing."""
    upload(shore, "a.pdf")
    ended = shore.run("actions")
    assert (ended.code, ended.out) == (0, "")


def test_an_action_that_is_not_offered(shore: Shore) -> None:
    """The error lists what is offered."""
    upload(shore, "blocked.pdf")
    ended = shore.run("act", _job(shore, "blocked.pdf"), "complete")
    assert ended.code == 2
    assert "hint: it offers: resume, cancel" in ended.err


def test_a_job_of_two_targets_needs_its_target(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs of one id: the error names both ways to say which."""
    first = trouble([])
    upload(empty_shore, "blocked.pdf")
    second = trouble([])
    for name, value in second.items():
        monkeypatch.setenv(name.replace("PLANGREP", "OTHER"), value)
    for name, value in first.items():
        monkeypatch.setenv(name, value)
    empty_shore.file("longshore.toml", b'[targets.other]\nprovider = "plangrep"\n')
    upload(empty_shore, "blocked.pdf", "other")
    ended = empty_shore.run("act", "job_000001", "resume")
    assert ended.code == 2
    assert "hint: type one of: other/job_000001, plangrep/job_000001" in ended.err
    assert empty_shore.run("act", "other/job_000001", "resume").code == 0


def test_an_action_on_a_run_in_use_goes_into_its_mailbox(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that executes the run is asked to do it, once; what it has not done is told."""
    monkeypatch.setattr("longshore.pipeline._hold.PATIENCE", 0.0)
    from longshore.journal._locks import hold_run

    run_id = upload(shore, "blocked.pdf")
    with hold_run(shore.journal, run_id):
        ended = shore.run("act", _job(shore, "blocked.pdf"), "resume")
        cancelled = [shore.run("cancel", run_id) for _ in range(2)]
    assert [ended.code, *(one.code for one in cancelled)] == [0, 0, 0]
    assert all("which it has not done yet" in one.err for one in cancelled)

    async def mail() -> list[str]:
        async with open_journal(shore.journal) as journal:
            return [message.verb for message in await journal.mail(run_id)]

    assert asyncio.run(mail()) == ["act", "cancel"]


# --------------------------------------------------------------------------- forget, gc


def test_forget_deletes_a_run(shore: Shore) -> None:
    """A forgotten run is gone from the journal."""
    run_id = upload(shore, "a.pdf", "sendai")
    ended = shore.run("forget", run_id, "--json")
    assert (ended.code, ended.line("forgotten")["documents"], ended.lines[0]["open"]) == (0, 1, 0)
    assert shore.run("status", "--json").lines == []


def test_gc_gives_abandoned_sessions_back(empty_shore: Shore, trouble: Trouble) -> None:
    """Sessions that were given up are aborted at the vendor, from the queue."""
    trouble(
        [
            {"method": "POST", "path": "*/append*", "status": 422},
            {"method": "POST", "path": "*/abort*", "first": 1, "status": 401},
        ],
        only="subworkflow",
    )
    with (empty_shore.folder / "large.pdf").open("wb") as file:
        file.truncate(6_000_000)
    settings = ("--set", "session_threshold=0", "--set", "part_size=5MiB")
    ended = empty_shore.run("upload", "large.pdf", "--to", "subworkflow", *settings, "--json")
    assert (ended.code, ended.line("document")["state"]) == (1, "failed")
    assert empty_shore.run("status", "--json").line("run")["abandoned"] == 1
    told = empty_shore.run("status", ended.line("run")["run_id"]).out
    assert "1 abandoned session at the vendor, to be given back by longshore gc" in told
    wrong = empty_shore.run("gc", "--set", "subwork:timeout=5")
    assert (wrong.code, "there are: subworkflow" in wrong.err) == (2, True)
    ended = empty_shore.run("gc", "--json", "--set", "subworkflow:timeout=5")
    assert (ended.code, ended.line("gc")["given_back"], ended.line("gc")["left"]) == (0, 1, 0)
