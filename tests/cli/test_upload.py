"""``upload`` and ``plan``: what they print, and how they end."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from longshore.pipeline import RunReport, execute
from tests.cli.conftest import Shore

STATES = (
    "succeeded", "partial", "failed", "cancelled", "expired", "refused", "needs_action", "unknown",
    "running", "skipped",
)  # fmt: skip

TARGETS = ("plangrep", "subworkflow", "sendai", "batch-tasks", "geolens", "presigned-s3")


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_takes_a_document(shore: Shore, target: str) -> None:
    """A document arrives at each target, under its name and under its alias."""
    lands = target in ("geolens", "presigned-s3")
    content = b'{"type": "FeatureCollection", "features": []}' if lands else b"%PDF-1.4\n"
    name = shore.file("map.geojson" if lands else "plan.pdf", content)
    ended = shore.run("upload", name, "--to", target, "--json")
    assert (0, "succeeded", target) == (
        ended.code,
        ended.line("document")["state"],
        ended.line("run")["target"],
    )


def test_the_json_lines_are_those_of_the_contract(shore: Shore) -> None:
    """The fields of both lines have the names, and the order, that scripts depend on."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "batch-tasks", "--json")
    document, run = ended.lines
    assert list(document) == [
        "event", "path", "name", "size", "sha256", "target", "provider", "batch_id",
        "vendor_job_id", "vendor_document_id", "state", "vendor_status", "parts", "bytes_sent",
        "requests", "retries", "seconds", "error",
    ]  # fmt: skip
    assert list(document["seconds"]) == ["queued", "start", "send", "complete", "poll", "total"]
    assert [
        "event", "run_id", "target", "documents", *STATES, "bytes_sent", "requests", "retries",
        "seconds",
    ] == list(run)  # fmt: skip
    assert (document["target"], document["provider"]) == ("batch-tasks", "sendai")


def test_the_counts_add_up(shore: Shore) -> None:
    """The counts of the run's line add up to its documents."""
    names = [shore.file(name) for name in ("a.pdf", "fail.pdf", "b.pdf")]
    ended = shore.run("upload", *names, "nowhere.pdf", "--to", "subworkflow", "--json")
    run = ended.line("run")
    assert (run["documents"], run["succeeded"], run["failed"], run["refused"]) == (4, 2, 1, 1)
    assert run["documents"] == sum(run[state] for state in STATES)
    assert len([line for line in ended.lines if line["event"] == "document"]) == 4


def test_stdout_holds_nothing_but_json(shore: Shore) -> None:
    """With --json every line of stdout is JSON, also when documents are refused."""
    ended = shore.run("upload", "nowhere.pdf", "--to", "sendai", "--json")
    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == ["document", "run"]


@pytest.mark.parametrize(
    ("name", "target", "code"),
    [
        ("plan.pdf", "plangrep", 0),
        ("fail.pdf", "plangrep", 1),
        ("blocked.pdf", "plangrep", 3),
        ("review.pdf", "sendai", 3),
        ("plan.pdf", "geolens", 2),
    ],
)
def test_exit_codes(shore: Shore, name: str, target: str, code: int) -> None:
    """How the documents ended decides the exit code; 2 when nothing could go."""
    assert code == shore.run("upload", shore.file(name), "--to", target).code


def test_an_unknown_outcome_ends_with_four(
    empty_shore: Shore, trouble: Callable[..., object]
) -> None:
    """A lost answer that nobody can ask about is an unknown outcome: exit 4, and a way on."""
    trouble([{"method": "POST", "path": "*/upload", "drop": "after"}], only="sendai")
    name = empty_shore.file("a.pdf")
    ended = empty_shore.run("upload", name, "--to", "sendai", "--set", "timeout=0.05", "--json")
    assert (ended.code, ended.line("document")["state"]) == (4, "unknown")
    assert f"longshore resume {ended.line('run')['run_id']}" in ended.err


def test_people_read_a_line_for_each_document(shore: Shore) -> None:
    """Without --json: state, path, job; the reason where it is not good; what to type next."""
    ended = shore.run("upload", shore.file("fail.pdf"), "--to", "subworkflow")
    first, reason, run = ended.out.splitlines()
    assert first.split()[:3] == ["failed", "fail.pdf", "job"]
    assert "could not be read" in reason
    run_id = run.split()[1]
    assert f"longshore rerun {run_id} --failed" in ended.err


def test_no_wait_ends_when_the_vendor_has_the_job(
    empty_shore: Shore, trouble: Callable[..., object]
) -> None:
    """With --no-wait a document is told as running, which changes no exit code."""
    trouble([], "subworkflow.walk=IN_PROGRESS:9,SUCCESS", only="subworkflow")
    name = empty_shore.file("a.pdf")
    ended = empty_shore.run("upload", name, "--to", "subworkflow", "--no-wait", "--json")
    line = ended.line("document")
    assert (ended.code, line["state"], ended.line("run")["running"]) == (0, "running", 1)
    assert line["vendor_job_id"]


@pytest.mark.parametrize("command", ["upload", "plan"])
def test_a_file_that_is_named_twice_goes_once(shore: Shore, command: str) -> None:
    """By itself, in its folder, by a glob, by another way to write its path; and it is told."""
    folder = shore.folder / "plans"
    folder.mkdir()
    for name in ("a.pdf", "b.pdf"):
        (folder / name).write_bytes(b"%PDF-1.4\n")
    (folder / "c.pdf").symlink_to("a.pdf")  # a name of its own
    (shore.folder / "same").symlink_to("plans")
    given = ["plans", "plans/a.pdf", str(folder / "b.pdf"), "same/a.pdf", "plans/*.pdf"]
    ended = shore.run(command, *given, "--to", "subworkflow", "--json")
    assert ended.code == 0
    assert ended.line("run" if command == "upload" else "plan")["documents"] == 3
    assert "longshore: 6 names stand there again, such as plans/c.pdf; each file goes once" in (
        ended.err
    )


def test_a_manifest_is_taken_line_by_line(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may go by two names; what is no name of a file is refused as ever."""
    name = Path(shore.file("a.pdf")).name
    lines = [name, {"path": name, "name": "b.pdf"}, {"path": "\0/\ud800.pdf"}]
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = shore.run("upload", "-", "--to", "subworkflow", "--json")
    line = ended.line("run")
    assert (ended.code, line["succeeded"], line["refused"]) == (1, 2, 1)


def test_a_refusal_names_the_target_to_look_at(shore: Shore) -> None:
    """For people and for scripts; the plan itself knows only the vendor's limits."""
    shore.file("longshore.toml", b'[targets.mine]\nprovider = "subworkflow"\n')
    given = ("upload", shore.file("a.png"), "--to", "mine", "--set", "api_key=k")
    hint = "`longshore providers show mine` lists what the vendor takes"
    assert f"hint: {hint}" in shore.run(*given).out
    assert shore.run(*given, "--json").line("document")["error"]["hint"] == hint


def test_strict_sends_nothing_if_one_is_refused(shore: Shore) -> None:
    """With --strict one refused document refuses all of them."""
    name = shore.file("a.pdf")
    ended = shore.run("upload", name, "nowhere.pdf", "--to", "sendai", "--strict", "--json")
    assert (ended.code, ended.line("run")["refused"], ended.line("run")["requests"]) == (2, 2, 0)


def test_no_checksum_leaves_the_digest_out(shore: Shore) -> None:
    """With --no-checksum there is no SHA-256 where the vendor does not want one."""
    name = shore.file("a.pdf")
    ended = shore.run("upload", name, "--to", "sendai", "--no-checksum", "--json")
    assert ended.line("document")["sha256"] is None


def test_batch_size_bounds_a_submission(shore: Shore) -> None:
    """--batch-size 1 makes a job of each document."""
    names = [shore.file("a.pdf"), shore.file("b.pdf")]
    ended = shore.run("upload", *names, "--to", "sendai", "--batch-size", "1", "--json")
    jobs = {line["vendor_job_id"] for line in ended.lines if line["event"] == "document"}
    assert len(jobs) == 2


def test_the_id_of_a_document_stays_as_it_was_first_told(shore: Shore) -> None:
    """A script that keeps it finds the document later, whatever a vendor's job calls it."""
    name = shore.file("a.pdf")
    first = shore.run("upload", name, "--to", "plangrep", "--no-wait", "--json")
    later = shore.run("resume", first.line("run")["run_id"], "--json")
    ids = [ended.line("document")["vendor_document_id"] for ended in (first, later)]
    assert (later.code, ids[0]) == (0, ids[1])
    assert ids[0] is not None


def test_skip_existing_leaves_out_what_succeeded_before(shore: Shore) -> None:
    """The same bytes under another name are skipped; others go; the digest is told."""
    first = shore.run("upload", shore.file("a.pdf", b"%PDF same"), "--to", "sendai", "--json")
    names = [shore.file("copy.pdf", b"%PDF same"), shore.file("new.pdf", b"%PDF also")]
    ended = shore.run("upload", *names, "--to", "sendai", "--skip-existing", "--json")
    states = {line["name"]: line["state"] for line in ended.lines if "name" in line}
    assert (ended.code, states) == (0, {"copy.pdf": "skipped", "new.pdf": "succeeded"})
    assert first.line("document")["sha256"] in {line.get("sha256") for line in ended.lines}


def test_skip_existing_leaves_out_what_nobody_knows_of(
    empty_shore: Shore, trouble: Callable[..., object]
) -> None:
    """It may be at the vendor: sent again, it would be there twice."""
    trouble([{"method": "POST", "path": "*/upload", "drop": "after"}], only="sendai")
    name = empty_shore.file("a.pdf")
    first = empty_shore.run("upload", name, "--to", "sendai", "--set", "timeout=0.05", "--json")
    again = empty_shore.run("upload", name, "--to", "sendai", "--skip-existing", "--json")
    states = [ended.line("document")["state"] for ended in (first, again)]
    assert (states, again.line("run")["requests"]) == (["unknown", "skipped"], 0)


def test_skip_existing_knows_the_settings(shore: Shore) -> None:
    """What went to another project is not here."""
    name = shore.file("a.pdf")
    shore.run("upload", name, "--to", "sendai", "--set", "project_id=proj_other")
    ended = shore.run("upload", name, "--to", "sendai", "--skip-existing", "--json")
    assert ended.line("document")["state"] == "succeeded"


def test_skip_existing_does_not_know_what_failed(shore: Shore) -> None:
    """Only what succeeded is skipped."""
    shore.run("upload", shore.file("fail.pdf"), "--to", "subworkflow")
    name = shore.file("good.pdf")
    ended = shore.run("upload", name, "--to", "subworkflow", "--skip-existing", "--json")
    assert ended.line("document")["state"] == "succeeded"


def test_dry_run_sends_nothing(shore: Shore) -> None:
    """--dry-run prints the plan and leaves no run behind."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "plangrep", "--dry-run", "--json")
    plan = ended.line("plan")
    assert (ended.code, plan["documents"], plan["batches"], plan["refused"]) == (0, 1, 1, 0)
    assert shore.run("status", "--json").lines == []


def test_dry_run_ends_with_two_when_nothing_could_go(shore: Shore) -> None:
    """--dry-run tells why, and ends as the upload would."""
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "geolens", "--dry-run")
    assert ended.code == 2
    assert "wrong type: .pdf" in ended.out


def test_a_setting_of_the_target_by_its_name(shore: Shore) -> None:
    """--set TARGET:NAME=VALUE, as where there are several; it stands above NAME=VALUE."""
    name = shore.file("a.pdf")
    settings = ("--set", "sendai:upload_name=ours", "--set", "upload_name=x", "--set", "meta.a:b=c")
    ended = shore.run("upload", name, "--to", "sendai", *settings, "--json")
    stored = shore.run("status", ended.line("run")["run_id"], "--verbose").out
    assert ended.code == 0
    assert ", upload_name = ours, " in stored
    assert "meta.a:b = c" in stored


@pytest.mark.parametrize("command", [("upload",), ("upload", "--dry-run"), ("plan",)])
def test_a_setting_of_a_target_that_is_not_there(shore: Shore, command: tuple[str, ...]) -> None:
    """A slip of the pen is not passed over in silence."""
    name = shore.file("a.pdf")
    ended = shore.run(*command, name, "--to", "sendai", "--set", "sendia:upload_name=x")
    assert ended.code == 2
    assert "'sendia' is none of the targets" in ended.err
    assert "there are: sendai" in ended.err


def test_two_signals_when_the_run_has_just_ended(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing left to stop: it is told as it ended, and no traceback."""

    async def interrupted(*given: Any, **more: Any) -> RunReport:
        report = await execute(*given, **more)
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        return report

    monkeypatch.setattr("longshore.pipeline.execute", interrupted)
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "subworkflow")
    assert (ended.code, "1 succeeded" in ended.out) == (0, True)
    assert ended.err.splitlines() == [ended.err.strip()]
    assert ended.err.startswith("longshore: stopping; ")


def test_quiet_says_nothing_on_stderr(shore: Shore) -> None:
    """--quiet leaves stderr empty when nothing is wrong with the command itself."""
    ended = shore.run("upload", shore.file("fail.pdf"), "--to", "subworkflow", "--quiet")
    assert (ended.code, ended.err) == (1, "")


def test_a_manifest_comes_on_stdin(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` reads paths, and objects with another name."""
    shore.file("a.pdf")
    manifest = shore.folder / "manifest"
    manifest.write_text('{"path": "a.pdf", "name": "other.pdf"}\n')
    with manifest.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = shore.run("upload", "-", "--to", "sendai", "--json")
    assert ended.line("document")["name"] == "other.pdf"


def test_one_is_not_told_as_several(shore: Shore) -> None:
    """What most people see first is the plan of one file."""
    said = shore.run("plan", shore.file("a.pdf"), "--to", "sendai").out
    assert said.startswith("sendai: 1 document, 16 B in 1 batch\n")


def test_what_is_no_media_type_is_said_so(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one that is."""
    shore.file("a.pdf")
    manifest = shore.folder / "manifest"
    manifest.write_text('{"path": "a.pdf", "media_type": "pdf"}\n')
    with manifest.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = shore.run("upload", "-", "--to", "sendai")

    words = "line 1: media_type is not a media type such as application/pdf"
    assert (ended.code, words in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"path": "a.pdf", "nmae": "b.pdf"}', "there is no key 'nmae': did you mean name?"),
        ('{"path": "a.pdf", "mediatype": "a/b"}', "did you mean media_type? (known: media_type,"),
        ('{"paht": "a.pdf"}', "did you mean path?"),
        ('{"path": "a.pdf" "name": "b.pdf"}', "line 2: Expecting ',' delimiter: column 18 "),
    ],
)
def test_a_manifest_with_a_misspelt_key(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """Without it the vendor would be told another name, and nobody would know."""
    shore.file("a.pdf")
    manifest = shore.folder / "manifest"
    manifest.write_text(f'{{"path": "a.pdf", "parts": 1, "event": "mine"}}\n{line}\n')
    with manifest.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = shore.bare("plan", "-", "--to", "sendai")
    assert ended.code == 2
    assert words in ended.err


def test_a_manifest_that_names_several_files_at_once_says_what_to_do(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder and a glob are refused, with a hint; so is a file that is just not there."""
    (shore.folder / "maps").mkdir()
    manifest = shore.folder / "manifest"
    manifest.write_text("maps\n*.pdf\nnone.pdf\n")
    with manifest.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = shore.run("upload", "-", "--to", "geolens", "--json")

    hints = {line["path"]: line["error"]["hint"] for line in ended.lines[:-1]}
    each = "each line of a manifest names one file"
    assert hints == {
        "maps": f"{each}: list the folder's files, or give the folder as PATH",
        "*.pdf": f"check the path; {each}: a glob is given as PATH",
        "none.pdf": "check the path",
    }


def test_a_file_that_is_named_like_a_glob_has_a_hint_of_its_own(shore: Shore) -> None:
    """It was found in a folder: nobody wrote a glob, nor a manifest."""
    (shore.folder / "maps").mkdir()
    (shore.folder / "maps" / "plan[1].pdf").symlink_to("nowhere")
    ended = shore.run("upload", "maps", "--to", "geolens", "--json")

    assert ended.lines[0]["error"]["hint"] == "check the path"


@pytest.mark.parametrize("line", ["a.pdf", '{"path": "a.pdf"}'])
def test_a_manifest_may_begin_with_a_byte_order_mark(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """As spreadsheets and some editors write it; it is no part of the first path."""
    shore.file("a.pdf")
    manifest = shore.folder / "manifest"
    manifest.write_text(f"{line}\n", "utf-8-sig")
    with manifest.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = shore.run("plan", "-", "--to", "sendai", "--json")
    assert (ended.code, ended.line("plan")["documents"]) == (0, 1)


def test_spans_on_the_console_are_not_among_the_json_lines(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's console exporter writes to stdout by itself; that is for results."""
    pytest.importorskip("opentelemetry.sdk")
    for name, value in {"TRACES": "console", "METRICS": "none"}.items():
        monkeypatch.setenv(f"OTEL_{name}_EXPORTER", value)
    monkeypatch.setenv("LONGSHORE_OTEL", "true")
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "subworkflow", "--json")

    assert [line["event"] for line in ended.lines] == ["document", "run"]
    assert '"name": "longshore.document"' in ended.err


def test_a_target_of_the_configuration_file(shore: Shore) -> None:
    """A target has the name it was given; --config names the file."""
    folder = shore.folder / "settings"
    folder.mkdir()
    (folder / "mine.toml").write_text(
        '[targets.desk]\nprovider = "sendai"\napi_key = "demo"\nteam_id = "t"\nproject_id = "p"\n'
        f'poll_interval = 0.02\nbase_url = "{_base_url("SENDAI")}"\n'
    )
    name = shore.file("a.pdf")
    ended = shore.run(
        "upload", name, "--to", "desk", "--config", str(Path("settings", "mine.toml")), "--json"
    )
    assert (
        ended.code,
        ended.line("document")["target"],
        ended.line("document")["provider"],
    ) == (0, "desk", "sendai")


def _base_url(name: str) -> str:
    import os

    return os.environ[f"LONGSHORE_{name}_BASE_URL"]
