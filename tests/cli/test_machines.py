"""Machines as people have them: no home, another user's folder, dumb terminals, full disks."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs
import pytest

from longshore.cli._terminal import Terminal
from longshore.cli.progress import _display
from longshore.cli.progress._display import open_display
from longshore.documents import Document
from longshore.errors import JournalError, SourceMissing, SourceUnreadable
from longshore.journal import MemoryJournal, SQLiteJournal, default_journal_path
from longshore.pipeline import RunStarted
from tests.cli.conftest import Shore
from tests.cli.screen import RUN, Screen

LONGSHORE = [sys.executable, "-m", "longshore"]
FULL = Path("/dev/full")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home, as a container may run one that has no name."""

    def nowhere(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    for kind in ("config", "state"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_path", nowhere)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_names_a_journal(shore: Shore) -> None:
    """Only the journal needs a home; the line says what to name instead."""
    shore.file("a.pdf")
    ended = shore.bare("upload", "a.pdf", "--to", "sendai")
    assert ended.code == 2
    assert "no home folder" in ended.err
    assert "--journal" in ended.err
    assert shore.run("upload", "a.pdf", "--to", "sendai").code == 0
    assert shore.bare("plan", "a.pdf", "--to", "sendai").code == 0


def test_a_folder_that_cannot_be_looked_into_holds_no_configuration(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller became another user (sudo -u), and the folders are not this one's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", f"/tmp/{'long' * 100}")  # an error for root, too
    shore.file("a.pdf")
    ended = shore.run("upload", "a.pdf", "--to", "sendai")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_closed_folder_is_a_place_to_stand_in(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the working folder can be asked for a longshore.toml."""
    document = str(shore.folder / shore.file("a.pdf"))
    closed = shore.folder / "closed"
    closed.mkdir()
    monkeypatch.chdir(closed)
    closed.chmod(0)
    try:
        assert shore.run("upload", document, "--to", "sendai").code == 0
    finally:
        closed.chmod(0o700)


def test_a_tilde_that_the_shell_left_is_the_home(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--journal=~/runs.db`` makes no folder named ``~``."""
    home = shore.folder / "home"
    monkeypatch.setenv("HOME", str(home))
    shore.file("a.pdf")
    assert shore.bare("upload", "a.pdf", "--to", "sendai", "--journal=~/runs.db").code == 0
    assert (home / "runs.db").is_file()
    assert not (shore.folder / "~").exists()


def test_a_journal_needs_an_absolute_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some releases of platformdirs name a folder ``~`` in the working directory."""
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: Path("~/.local/state"))
    with pytest.raises(JournalError, match="no home folder"):
        default_journal_path()


# ---------------------------------------------------------------------- names


def test_the_locale_is_blamed_where_it_is_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under LANG=C without UTF-8 mode a good name arrives in pieces: renaming would not help."""
    name = os.fsdecode(b"\xff.pdf")
    (tmp_path / name).write_bytes(b"%PDF-1.4")
    with pytest.raises(SourceUnreadable, match="is not UTF-8"):
        Document.from_path(tmp_path / name, id="a")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-15")
    with pytest.raises(SourceUnreadable, match="reads names as iso8859-15") as caught:
        Document.from_path(tmp_path / name, id="a")
    assert caught.value.hint == "set PYTHONUTF8=1 or a UTF-8 locale"


def test_an_empty_path_is_no_folder() -> None:
    """``longshore upload "$UNSET"``: what is missing can be seen."""
    with pytest.raises(SourceMissing, match="'': no such file"):
        Document.from_path("", id="a")


# ---------------------------------------------------------------------- where it speaks


@pytest.mark.process
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["upload", "--help"], ["--version"]])
def test_help_that_cannot_be_printed_is_a_line(arguments: list[str]) -> None:
    """No traceback, and nothing more at the end."""
    with FULL.open("wb") as full:
        ended = subprocess.run(
            [*LONGSHORE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("longshore: unexpected OSError: [Errno 28]")
    assert len(ended.stderr.splitlines()) == 2


def test_a_limit_of_the_machine_is_not_called_a_fault(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread can be started: ``ulimit -u``, ``docker run --pids-limit``."""

    def start(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(SQLiteJournal, "__init__", start)
    ended = shore.bare("status")
    assert ended.code == 2
    assert "longshore: unexpected RuntimeError: can't start new thread" in ended.err
    assert "hint: a disk or a limit of this machine" in ended.err


def on_terminal(shore: Shore, *arguments: str, **more: str) -> str:
    """Run a command whose streams are one terminal; return what is on it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*LONGSHORE, *arguments, "--journal", str(shore.journal)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **more},
    )
    os.close(theirs)
    said = b""
    while piece := _read(ours):
        said += piece
    os.close(ours)
    assert process.wait(timeout=40) == 0, said
    return said.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody holds its other end any more
        return b""


@pytest.mark.process
@pytest.mark.parametrize("more", [{"TERM": "dumb"}, {"COLUMNS": "0"}], ids=str)
def test_a_terminal_that_cannot_draw_gets_lines(shore: Shore, more: Mapping[str, str]) -> None:
    """Emacs, a CI's terminal, a terminal of no size: nothing is drawn, and nothing is lost."""
    shore.file("a.pdf")
    said = on_terminal(shore, "upload", "a.pdf", "--to", "sendai", **more)
    document, run, *rest = said.splitlines()
    assert "a.pdf  job upl_" in document
    assert run.startswith("run ")
    assert not rest
    assert "\x1b[?25l" not in said


@pytest.mark.process
def test_several_targets_are_shown_where_a_terminal_can_draw(shore: Shore) -> None:
    """Else nothing is drawn; and no line of JSON is torn at the edge of a terminal."""
    shore.file("a.pdf")
    call = ("compare", "a.pdf", "--to", "sendai", "--to", "plangrep", "--new")
    drawn = on_terminal(shore, *call, "--json")
    dumb = on_terminal(shore, *call, TERM="dumb")
    logged = on_terminal(shore, *call, "--json", LONGSHORE_LOG="json")
    documents = re.findall(r'\{"event": "document"[^\r\n]*\}', drawn)
    assert {json.loads(line)["target"] for line in documents} == {"sendai", "plangrep"}
    assert "\x1b[?25l" in drawn
    assert "\x1b" not in dumb
    assert {type(json.loads(line)) for line in logged.splitlines()} == {dict}


async def test_a_dumb_terminal_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line now and then, as where stderr is no terminal."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(_display, "PAUSE", 0.01)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with open_display(Terminal(), MemoryJournal()) as display:
        display.see(RunStarted(RUN, 2, 40_000_000))
        await asyncio.sleep(0.05)
    assert screen.getvalue().startswith("longshore: 0 of 2 documents, ")


@pytest.mark.process
@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_who_wants_no_colours_gets_none(shore: Shore, more: Mapping[str, str]) -> None:
    """Also in what is printed without bars; see no-color.org."""
    shore.file("a.pdf")
    run = shore.run("upload", "a.pdf", "--to", "sendai", "--json").line("run")["run_id"]
    assert "\x1b[32m" in on_terminal(shore, "status", run)
    assert "\x1b" not in on_terminal(shore, "status", run, **more)


@pytest.mark.process
@pytest.mark.parametrize(
    ("variable", "value", "why", "hint"),
    [
        ("SSLKEYLOGFILE", "/nowhere/keys", "SSLKEYLOGFILE /nowhere/keys: ", "unset it"),
        ("NO_PROXY", "localhost,[::1]", "proxy that the environment names", "and NO_PROXY;"),
    ],
)
def test_the_variable_that_is_wrong_is_named(
    shore: Shore, variable: str, value: str, why: str, hint: str
) -> None:
    """What is in the environment for other programs: nothing left, so nothing is unknown later."""
    shore.file("a.pdf")
    ended = subprocess.run(
        [*LONGSHORE, "upload", "a.pdf", "--to", "sendai", "--journal", str(shore.journal)],
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    error, told, again = ended.stderr.splitlines()
    assert (ended.returncode, again.startswith("longshore resume")) == (2, True)
    assert why in error
    assert hint in told
    assert shore.run("resume").code == 0


# ---------------------------------------------------------------------- what is installed


def test_nothing_asks_more_of_sqlite_than_old_systems_have() -> None:
    """Python takes the system's: 3.34 in the Linux of 2022, which wants a conflict's columns.

    The journal is not alone: what is too much for the memory goes to a temporary database.
    """
    import longshore

    too_new = re.compile(r"ON CONFLICT DO UPDATE|\bRETURNING\b|\bSTRICT\b|->>|\bDROP COLUMN\b")
    folder = Path(longshore.__file__).parent
    found = {path.name: too_new.findall(path.read_text("utf-8")) for path in folder.rglob("*.py")}
    assert {name: words for name, words in found.items() if words} == {}


def test_what_was_only_read_inside_of_others_can_be_written() -> None:
    """Before pydantic 2.14 a model that was never made by itself had nothing to be written with."""
    from longshore._model import Frozen
    from longshore.journal._json import dump

    class Inner(Frozen):
        count: int = 0

    class Outer(Frozen):
        inner: Inner

    read = Outer.model_validate_json('{"inner":{"count":1}}').inner.changed({"count": 2})
    assert dump({"inner": read, "at": float("inf")}) == '{"inner":{"count":2},"at":Infinity}'
