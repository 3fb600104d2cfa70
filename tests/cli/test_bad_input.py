"""Bad input: one clear line, a hint, and the exit code of the contract."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from longshore.errors import JournalError
from tests.cli.conftest import Shore

Trouble = Callable[..., object]


def said(err: str) -> list[str]:
    """The lines that say what is wrong: an error and its hint."""
    return [line for line in err.splitlines() if line.startswith(("longshore:", "hint:"))]


@dataclass(frozen=True)
class Wrong:
    """A command that cannot work, and what it must say."""

    arguments: tuple[str, ...]
    error: str
    hint: str
    prepare: Callable[[Shore], object] = lambda shore: shore.file("a.pdf")


def _bad_toml(shore: Shore) -> None:
    shore.file("a.pdf")
    shore.file("longshore.toml", b'[targets.x]\nprovider = "sendai\n')


def _route(shore: Shore) -> None:
    shore.file("a.pdf")
    shore.file("longshore.toml", b'[routes.main]\nprimary = "sendai"\n')


def _no_files(shore: Shore) -> None:
    (shore.folder / "empty").mkdir()


BEFORE_ANYTHING = {
    "no target given": Wrong(("upload", "a.pdf"), "missing option '--to'", "upload --help"),
    "no path": Wrong(("upload", "--to", "sendai"), "missing argument 'PATH'", "--help"),
    "no such command": Wrong(("uplaod",), "did you mean 'upload'", "longshore --help"),
    "no such option": Wrong(("upload", "--too"), "no such option: --too", "upload --help"),
    "an option before the command": Wrong(
        ("--json", "status"),
        "no such option: --json",
        "options go after the command: longshore status",
    ),
    "no number": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--concurrency", "many"),
        "invalid value for '--concurrency': it should be a valid integer",
        "upload --help",
    ),
    "no size": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--part-size", "huge"),
        "--part-size: 'huge' is not a size",
        "upload --help",
    ),
    "no time": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--give-up-after", "soon"),
        "--give-up-after: 'soon' is not a time",
        "upload --help",
    ),
    "two targets": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--to", "geolens"),
        "an upload goes to one target",
        "longshore compare takes several",
    ),
    "no size of a plan": Wrong(
        ("plan", "a.pdf", "--to", "sendai", "--part-size", "huge"),
        "--part-size: 'huge' is not a size",
        "longshore plan --help",
    ),
    "no value": Wrong(("upload", "a.pdf", "--to"), "requires an argument", "upload --help"),
    "no such choice": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--on-unknown", "retry"),
        "'--on-unknown': 'retry' is not one of",
        "upload --help",
    ),
    "no pair": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--set", "x"), "there is no '='", "--set"
    ),
    "no name of a setting": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--set", " =x"),
        "there is no name before '='",
        "--set",
    ),
    "no name behind a target": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--set", "sendai:=x"),
        "--set sendai:=x: there is no name before '='",
        "--set",
    ),
    "unknown setting": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--set", "team=x"),
        "there is no setting 'team'",
        "team_id",
    ),
    "unknown target": Wrong(
        ("upload", "a.pdf", "--to", "plangerp"), "is named 'plangerp'", "did you mean plangrep?"
    ),
    "no key": Wrong(
        ("upload", "a.pdf", "--to", "subworkflow"), "no API key", "LONGSHORE_SUBWORKFLOW_API_KEY"
    ),
    "bad base URL": Wrong(
        ("upload", "a.pdf", "--to", "subworkflow", "--set", "base_url=ftp://x"),
        "'base_url'",
        "",
    ),
    "bad TOML": Wrong(
        ("upload", "a.pdf", "--to", "sendai"), "at line 2, column 19", "", prepare=_bad_toml
    ),
    "no configuration file": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--config", "no.toml"),
        "there is no configuration file",
        "--config",
    ),
    "a folder for a configuration file": Wrong(
        ("upload", "a.pdf", "--to", "sendai", "--config", "."),
        "is a folder, and a configuration file is needed",
        "longshore.toml",
    ),
    "a route in a plan": Wrong(
        ("plan", "a.pdf", "--to", "route:main"),
        "'route:main' is a route",
        "longshore upload takes routes; with --to route:main --dry-run",
    ),
    "a route without its word": Wrong(
        ("upload", "a.pdf", "--to", "main"),
        "no provider is named 'main'",
        "did you mean route:main?",
        prepare=_route,
    ),
    "routes are no table": Wrong(
        ("upload", "a.pdf", "--to", "sendai"),
        "'routes' is no table",
        "write [routes.NAME]",
        prepare=lambda shore: shore.file("longshore.toml", b"routes = 5\n"),
    ),
    "a setting of no target": Wrong(
        ("migrate", "verify", "map.jsonl", "--set", "timeout=1"),
        "--set timeout: of which target?",
        "--set TARGET:NAME=VALUE",
    ),
    "a document as a map": Wrong(
        ("migrate", "verify", "a.pdf"),
        "a.pdf, line 1: this is no map",
        "choose another file",
        prepare=lambda shore: shore.file("a.pdf", b"%PDF-1.4\n\xff\xfe\x9c\n"),
    ),
    "a folder as a map": Wrong(
        ("migrate", "verify", "empty"), "this is no file", "--map FILE", prepare=_no_files
    ),
    "directory without files": Wrong(
        ("upload", "empty", "--to", "sendai", "--set", "api_key=k", "--set", "team_id=t",
         "--set", "project_id=p"),
        "the directory holds no files",
        "",
        prepare=_no_files,
    ),
    "glob without files": Wrong(
        ("upload", "*.tif", "--to", "sendai", "--set", "api_key=k", "--set", "team_id=t",
         "--set", "project_id=p"),
        "no file matches",
        "",
    ),
    "no run at all": Wrong(("forget", ""), "'RUN': it is empty", "forget --help"),
    "no run to migrate": Wrong(
        ("migrate", "--from", "sendai", "--to", "geolens", "--run", ""),
        "'--run': it is empty",
        "migrate --help",
    ),
    "unknown run": Wrong(("resume", "nowhere"), "no run 'nowhere'", "longshore status"),
    "unknown run of another journal": Wrong(
        ("resume", "nowhere", "--journal", "j.db"),
        "no run 'nowhere'",
        "longshore status --journal j.db lists all runs",
        prepare=lambda shore: shore.make_journal("j.db"),
    ),
    "unknown job": Wrong(("act", "job_1", "resume"), "knows no job 'job_1'", "longshore actions"),
    "rerun of what": Wrong(("rerun", "abc"), "rerun of what?", "--failed"),
    "no assumption": Wrong(
        ("sandbox", "--assume", "x"), "no vendor.name=value", "longshore sandbox --assumptions"
    ),
    "no such assumption": Wrong(
        ("sandbox", "--assume", "geolens.part_siz=1"),
        "--assume geolens...: unknown assumption 'part_siz'; did you mean part_size or max_size?",
        "longshore sandbox --assumptions",
    ),
    "no value of an assumption": Wrong(
        ("sandbox", "--assume", "geolens.part_size=big"),
        "--assume geolens...: assumption 'part_size': 'big' is not",
        "longshore sandbox --assumptions",
    ),
    "no provider": Wrong(("providers", "show", "sendia"), "sendia", "did you mean sendai?"),
    "no fault plan": Wrong(("sandbox", "--faults", "no.json"), "no.json: No such file", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", BEFORE_ANYTHING.values(), ids=BEFORE_ANYTHING.keys())
def test_what_cannot_work_is_said_in_a_line(empty_shore: Shore, case: Wrong) -> None:
    """A line that says what is wrong, a hint where there is one, nothing on stdout, and 2."""
    case.prepare(empty_shore)
    ended = empty_shore.bare(*case.arguments)
    error, *hints = ended.err.splitlines()
    assert (ended.code, ended.out) == (2, "")
    assert error.startswith("longshore: ")
    assert case.error.lower() in error.lower()
    assert len(hints) <= 1
    assert case.hint in "".join(hints)
    assert bool(case.hint) <= bool(hints)


@pytest.mark.parametrize(
    "command", [("upload",), ("plan", "--ask"), ("compare", "--csv", "figures.csv", "-v")]
)
def test_a_key_that_the_vendor_shows_is_not_shown(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """As some do with one that they do not take: `invalid key: ...`."""
    key = "quay-7-secret"
    trouble([{"status": 401, "body": {"error": {"code": "no", "message": f"invalid {key}!"}}}])
    monkeypatch.setenv("LONGSHORE_PLANGREP_API_KEY", key)
    monkeypatch.setenv("LONGSHORE_LOG", "json")
    ended = empty_shore.run(command[0], empty_shore.file("a.pdf"), "--to", "plangrep", *command[1:])
    files = [path.read_bytes() for path in empty_shore.folder.iterdir() if path.is_file()]

    assert (ended.code, "invalid REDACTED!" in ended.err) == (2, True)
    assert key not in ended.out + ended.err
    assert not any(key.encode() in content for content in files)


def test_usage_errors_print_no_json(shore: Shore) -> None:
    """With --json stdout stays empty when there is no run to tell about."""
    ended = shore.run("upload", "a.pdf", "--to", "nowhere", "--json")
    assert (ended.code, ended.out) == (2, "")


# ------------------------------------------------------------------ a document's own fault


def test_a_missing_file_is_refused_and_the_rest_goes(shore: Shore) -> None:
    """A missing file is refused with its reason; others arrive; exit 1."""
    ended = shore.run("upload", "nowhere.pdf", shore.file("a.pdf"), "--to", "sendai", "--json")
    lines = {line["path"]: line for line in ended.lines if line["event"] == "document"}
    assert (
        ended.code,
        lines["nowhere.pdf"]["state"],
        lines["a.pdf"]["state"],
    ) == (1, "refused", "succeeded")
    assert "no such file" in lines["nowhere.pdf"]["error"]["message"]


def _too_large(shore: Shore) -> str:
    with (shore.folder / "large.pdf").open("wb") as file:
        file.truncate(40_000_001)
    return "large.pdf"


def _no_file(shore: Shore) -> str:
    os.mkfifo(shore.folder / "pipe.pdf")
    return "pipe.pdf"


@pytest.mark.parametrize(
    ("make", "target", "reason"),
    [
        (lambda shore: shore.file("none.geojson", b""), "geolens", "the file is empty"),
        (_too_large, "sendai", "too large: 40,000,001 bytes"),
        (lambda shore: shore.file("a.exe"), "subworkflow", "wrong type: .exe"),
        (_no_file, "sendai", "not a regular file"),
    ],
)
def test_what_a_vendor_does_not_take_is_refused_before_the_first_byte(
    shore: Shore, make: Callable[[Shore], str], target: str, reason: str
) -> None:
    """The reason is told, nothing is sent, and 2 because nothing could go."""
    ended = shore.run("upload", make(shore), "--to", target, "--json")
    assert (ended.code, ended.line("document")["state"]) == (2, "refused")
    assert reason in ended.line("document")["error"]["message"]
    assert ended.line("document")["bytes_sent"] == 0


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_submission_that_is_refused_fails_alone(
    empty_shore: Shore, trouble: Trouble, status: int
) -> None:
    """400, 404, 413 and 422 on a submission fail its documents; the next one goes; exit 1."""
    trouble([{"method": "POST", "path": "*/files", "nth": 1, "status": status}])
    names = [empty_shore.file("a.pdf"), empty_shore.file("b.pdf")]
    ended = empty_shore.run(
        "upload", *names, "--to", "plangrep", "--batch-size", "1", "--concurrency", "1", "--json"
    )
    lines = [line for line in ended.lines if line["event"] == "document"]
    assert (ended.code, sorted(line["state"] for line in lines)) == (1, ["failed", "succeeded"])
    (failed,) = [line for line in lines if line["state"] == "failed"]
    assert str(status) in failed["error"]["message"]


def test_a_reply_that_is_no_json_is_shown(empty_shore: Shore, trouble: Trouble) -> None:
    """A reply that cannot be used is quoted; the vendor may have acted: nothing is sent again."""
    rule = {"method": "POST", "path": "*/jobs", "status": 201, "body": "<html>busy</html>"}
    trouble([rule])
    ended = empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "plangrep", "--json")
    line = ended.line("document")
    assert (ended.code, line["state"]) == (4, "unknown")
    assert "<html>busy</html>" in line["error"]["message"]


# ------------------------------------------------------------------ an account's fault


@pytest.mark.parametrize("status", [401, 402, 403])
def test_account_trouble_stops_the_run_and_nothing_fails(
    empty_shore: Shore, trouble: Trouble, status: int
) -> None:
    """401, 402 and 403 stop the run with 2; no document fails; the last line says how to go on."""
    trouble([{"method": "POST", "path": "*/jobs", "status": status}])
    ended = empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "plangrep", "--json")
    run = ended.line("run")
    assert (ended.code, run["running"], run["failed"]) == (2, 1, 0)
    error, hint, last = ended.err.splitlines()
    assert f"({status})" in error
    assert hint.startswith("hint: ")
    assert f"longshore resume {run['run_id']} --journal {empty_shore.journal}" == last


def test_a_wrong_key_is_found_before_the_first_byte(empty_shore: Shore, trouble: Trouble) -> None:
    """A wrong key stops the run in prepare, where the vendor has a harmless call."""
    trouble([], "plangrep.api_key=right")
    ended = empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "plangrep", "--json")
    assert (ended.code, ended.line("run")["bytes_sent"]) == (2, 0)
    assert "(401)" in ended.err


def test_the_run_can_be_resumed_with_the_right_key(
    empty_shore: Shore, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the key was corrected, resume carries what was left."""
    trouble([], "plangrep.api_key=right")
    empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "plangrep")
    monkeypatch.setenv("LONGSHORE_PLANGREP_API_KEY", "right")
    ended = empty_shore.run("resume", "--json")
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")


# ------------------------------------------------------------------ the journal


def test_a_run_in_use_is_left_alone(shore: Shore) -> None:
    """Another process executes the run: 2 and who it is; without RUN it is passed over."""
    from longshore.journal._locks import hold_run

    shore.run("upload", shore.file("blocked.pdf"), "--to", "plangrep")
    run_id = shore.run("status", "--json").line("run")["run_id"]
    with hold_run(shore.journal, run_id):
        named, all_of_them = shore.run("resume", run_id), shore.run("resume")
    assert (named.code, all_of_them.code) == (2, 0)
    assert f"run {run_id} is in use by process {os.getpid()}" in named.err
    assert "hint: " in named.err
    assert "left to it" in all_of_them.err


def test_a_journal_from_a_newer_version(shore: Shore) -> None:
    """A journal that this version cannot read is left as it is."""
    import sqlite3

    shore.make_journal()
    with sqlite3.connect(shore.journal) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    ended = shore.run("status")
    assert ended.code == 2
    assert "newer" in ended.err


def test_a_journal_on_a_network_disk(shore: Shore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal on a network disk is refused, with what to do instead."""
    monkeypatch.setattr("longshore.journal._place.is_network", lambda kind: True)
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai")
    assert (ended.code, ended.out) == (2, "")
    assert "network disk" in ended.err
    assert "--journal" in ended.err


def test_what_nobody_expected_is_a_line_and_two(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody thought of shows no secret, and its place only with --verbose."""

    def fail(*arguments: object, **named: object) -> None:
        raise KeyError("https://files.example/x?X-Amz-Signature=abc123")

    monkeypatch.setattr("longshore.targets.target_now", fail)
    short = shore.run("upload", "a.pdf", "--to", "sendai")
    long = shore.run("upload", "a.pdf", "--to", "sendai", "--verbose")
    assert (short.code, long.code) == (2, 2)
    assert "Traceback" not in short.err
    assert "--verbose" in short.err
    assert "Traceback" in long.err
    assert "abc123" not in short.err + long.err


def test_what_was_refused_before_the_upload_is_asked_again(
    empty_shore: Shore, trouble: Trouble
) -> None:
    """A refusal in the preparation ends the run with 2; a resume does not repeat it by heart."""
    trouble([{"method": "POST", "path": "*/projects", "nth": 1, "status": 404}])
    name = empty_shore.file("a.pdf")

    assert empty_shore.run("upload", name, "--to", "plangrep").code == 2
    assert empty_shore.run("resume").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_observers_that_cannot_write_change_no_exit_code(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents are there, and the disk of the events is full: that is told, and no fault."""
    monkeypatch.setenv("LONGSHORE_EVENTS", "/dev/full")
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai", "--json")
    assert (ended.code, ended.line("run")["succeeded"]) == (0, 1)
    last = ended.err.splitlines()[-1]
    assert last == "longshore: not all of what happened is written: No space left on device"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_observers_that_cannot_write_hide_no_error(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for the journal, too: what a person has to know is why the command ended."""
    from longshore.journal import SQLiteJournal

    async def full(*_: object, **__: object) -> None:
        raise JournalError("the journal cannot be read: disk full", hint="make room")

    monkeypatch.setenv("LONGSHORE_EVENTS", "/dev/full")
    monkeypatch.setattr(SQLiteJournal, "cost", full)
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "sendai", "--json")
    assert ended.code == 2
    assert "not all of what happened is written: No space left on device" in ended.err
    assert "longshore: the journal cannot be read: disk full\nhint: make room" in ended.err
