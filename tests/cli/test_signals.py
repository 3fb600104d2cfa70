"""Ctrl-C and SIGTERM, once and again, at real processes."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from longshore.cli._interrupt import Interrupt, run_async
from longshore.cli._terminal import Terminal
from tests.cli.processes import PART, Processes, first_part, in_parts, run_line, wait_for

pytestmark = pytest.mark.process

Trouble = Callable[..., dict[str, str]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_in_good_order(
    processes: Processes, slow: tuple[str, ...], number: signal.Signals
) -> None:
    """130, the run's line, the resume command as the last line; and the rest follows later."""
    process = processes.start(*slow, "--json")
    wait_for(processes, process, first_part)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    run = run_line(out)
    assert (process.returncode, run["running"]) == (130, 1)
    assert f"longshore resume {run['run_id']} --journal journal.db" == err.splitlines()[-1]
    code, out, _ = processes.run("resume", "--json")
    again = run_line(out)
    assert (code, again["succeeded"], again["bytes_sent"]) == (0, 1, 3 * PART)


IN_THE_BACKGROUND = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the shell of a script does for `longshore ... &`
from longshore.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_that_is_ignored_stays_so(processes: Processes, slow: tuple[str, ...]) -> None:
    """Ctrl-C for a script is not for what it does in the background."""
    process = processes.start(*slow, "--json", program=("-c", IN_THE_BACKGROUND))
    wait_for(processes, process, first_part)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, run_line(out)["succeeded"]) == (0, 1)
    assert "stopping" not in err


def test_two_signals_stop_at_once(processes: Processes, trouble: Trouble) -> None:
    """The second Ctrl-C waits for no answer; lines and counts agree, and the rest goes later."""
    rules = [{"method": "POST", "path": "*/append*", "nth": [2], "delay": 30}]
    trouble(rules, only="subworkflow")
    process = processes.start(*in_parts(processes.folder), "--json")
    out, err = _stop_twice(processes, process)
    assert [json.loads(line).get("state") for line in out.splitlines()] == ["running", None]
    assert run_line(out)["running"] == 1
    again = f"longshore resume {run_line(out)['run_id']} --journal journal.db"
    assert again == err.splitlines()[-1]
    code, out, _ = processes.run("resume", "--json")
    assert (code, run_line(out)["succeeded"]) == (0, 1)


def _stop_twice(processes: Processes, process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C twice while a part is on its way; what is said on stdout, and on stderr."""
    wait_for(processes, process, first_part)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C again" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    return out, err


SIGNAL_AT_THE_END = """
import asyncio, os, signal, sys
from longshore.cli import main

class Runner(asyncio.Runner):
    def close(self):
        os.kill(os.getpid(), signal.SIGINT)
        super().close()

asyncio.Runner = Runner
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["upload", "compare"])
def test_a_second_signal_at_the_very_end_adds_nothing(
    processes: Processes, slow: tuple[str, ...], command: str
) -> None:
    """All was told by then; the last line still says how to go on."""
    words = (command, *slow[1:])
    process = processes.start(*words, program=("-c", SIGNAL_AT_THE_END))
    wait_for(processes, process, first_part)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    how = {"upload": "longshore resume ", "compare": "go on with it:     longshore compare "}
    assert err.splitlines()[-1].startswith(how[command])


SIGNAL_BEFORE_IT = """
import os, signal, sys
from longshore.cli import main

class Finder:
    def find_spec(self, name, *_):
        if name == "longshore.cli._interrupt":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_while_python_begins_adds_nothing(processes: Processes) -> None:
    """No warning below the last line that a command was never awaited."""
    process = processes.start("resume", program=("-c", SIGNAL_BEFORE_IT))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "longshore: interrupted\n")


SIGNAL_AFTER_IT = """
import atexit, os, signal, sys
atexit.register(os.kill, os.getpid(), signal.SIGINT)  # last: what is registered later comes first
from longshore.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_while_python_ends_adds_nothing(processes: Processes) -> None:
    """No traceback below the last line: that one may say how to go on."""
    process = processes.start("resume", program=("-c", SIGNAL_AFTER_IT))
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert err == "longshore: nothing to resume: no journal journal.db yet\n"


SIGNAL_WHILE_TASKS_END = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from longshore.cli import main, _status

@asynccontextmanager
async def opened(*_):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.Event().wait()
        yield
    finally:
        os.kill(os.getpid(), signal.SIGINT)

_status.open_existing = opened
sys.exit(main(sys.argv[1:]))
"""


def test_a_second_signal_while_a_command_ends_adds_nothing(processes: Processes) -> None:
    """Where nothing was sent the first one ends it; impatience is no reason for a traceback."""
    process = processes.start("status", program=("-c", SIGNAL_WHILE_TASKS_END))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "longshore: interrupted\n")


def _at_two(processes: Processes, trouble: Trouble) -> tuple[str, ...]:
    """Three parts to a vendor whose second answer takes long; another vendor is quick."""
    rules = [{"method": "POST", "path": "*/append*", "nth": [2], "delay": 30}]
    trouble([], only="sendai")
    trouble(rules, only="subworkflow")
    _, path, _, _, *options = in_parts(processes.folder)
    return path, *(
        word if "=" not in word else f"subworkflow:{word}" for word in options
    ), "--json"  # fmt: skip


def test_two_signals_stop_a_comparison_at_once(processes: Processes, trouble: Trouble) -> None:
    """A line for each document and target, counts that agree, and the command that goes on."""
    words = _at_two(processes, trouble)
    targets = ("--to", "subworkflow", "--to", "sendai")
    process = processes.start("compare", *words, *targets, "--csv", "rows.csv")
    out, err = _stop_twice(processes, process)
    again = err.splitlines()[-1].partition("go on with it:     longshore ")[2]
    code, more, told = processes.run(*shlex.split(again)[:-2], "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    documents = {line["target"]: line["state"] for line in lines[:2]}
    assert [line["event"] for line in lines] == ["document", "document", "run", "run"]
    assert [(run["target"], run[documents[run["target"]]]) for run in lines[2:]] == [
        ("subworkflow", 1),
        ("sendai", 1),
    ]
    assert (documents["subworkflow"], lines[2]["seconds"] > 0) == ("running", True)
    assert (code, "going on with comparison" in told) == (0, True)
    assert [json.loads(line)["event"] for line in more.splitlines()].count("document") == 2
    assert (processes.folder / "rows.csv").exists()


def test_two_signals_stop_an_upload_by_a_route_at_once(
    processes: Processes, trouble: Trouble
) -> None:
    """The lines of what counts and of its copies; one command goes on with all of it."""
    table = '[routes.main]\nprimary = "subworkflow"\nshadow = ["sendai"]\n'
    (processes.folder / "longshore.toml").write_text(table)
    words = _at_two(processes, trouble)
    process = processes.start("upload", *words, "--to", "route:main")
    out, err = _stop_twice(processes, process)
    code, more, _ = processes.run("resume", "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    events = sorted(line["event"] for line in lines[:2])
    assert [*events, *(line["event"] for line in lines[2:])] == [
        "document",
        "shadow",
        "shadow_run",
        "run",
    ]
    assert {line["event"]: line["state"] for line in lines[:2]}["document"] == "running"
    assert (lines[-1]["running"], lines[-1]["seconds"] > 0) == (1, True)
    assert f"longshore resume {lines[-1]['run_id']} --journal journal.db" == err.splitlines()[-1]
    assert (code, run_line(more)["succeeded"]) == (0, 1)


def test_a_signal_before_anything_was_sent(processes: Processes) -> None:
    """Ctrl-C while the list of documents is still being read ends the command, with no run."""
    settings = ("api_key=k", "base_url=http://127.0.0.1:9", "team_id=t", "project_id=p")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "longshore", "upload", "-", "--to", "sendai", "--journal",
            "journal.db", *(word for setting in settings for word in ("--set", setting)),
        ],
        cwd=processes.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (processes.folder / "journal.db").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_one_signal_ends_a_plan_that_reads_its_documents(processes: Processes) -> None:
    """Whoever types `-` and waits in vain presses Ctrl-C once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "longshore", "plan", "-", "--to", "subworkflow", "--quiet"],
        cwd=processes.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (processes.folder / "a.pdf").write_bytes(b"%PDF-1.4\n")
    assert process.stdin is not None
    process.stdin.write("a.pdf\n" * 40_000)  # more than a pipe holds: now it reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.communicate()


def test_a_signal_that_the_loop_does_not_see_wakes_it() -> None:
    """Such as one that comes between its last step and its wait; here: to another thread."""

    def interrupt() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def wait() -> float:
        began = time.monotonic()
        with Interrupt(Terminal(quiet=True)) as caught:
            caught.sending = True
            threading.Timer(0.05, interrupt).start()
            await asyncio.wait_for(caught.stop.wait(), 20)
        return time.monotonic() - began

    assert run_async(wait()) < 10


ACT_FOR_EVER = """
import asyncio, sys
from longshore.cli import main
from longshore.pipeline import _actions

async def act_on(*arguments):
    print("asked", file=sys.stderr)
    await asyncio.Event().wait()

_actions.act_on = act_on
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_where_python_ignores_errors_is_not_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In what it calls when an object dies, such as one of asyncio's own weak references."""

    async def work() -> None:
        dying = Terminal()
        reference = weakref.ref(dying, lambda _: signal.raise_signal(signal.SIGINT))
        del dying
        assert reference() is None
        await asyncio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run_async(asyncio.wait_for(work(), 5))
    assert capsys.readouterr().err == ""


def test_two_signals_stop_an_action_at_once(processes: Processes, trouble: Trouble) -> None:
    """130; whether it is done nobody here knows: the last line asks the vendor."""
    trouble([], "sendai.tasks_in_upload=true", only="sendai")
    (processes.folder / "review.pdf").write_bytes(b"%PDF")
    _, out, _ = processes.run("upload", "review.pdf", "--to", "sendai", "--json")
    job, run_id = (json.loads(line) for line in out.splitlines())
    words = ("act", job["vendor_job_id"], "complete")
    process = processes.start(*words, program=("-c", ACT_FOR_EVER))
    assert process.stderr is not None
    line = ""
    for line in process.stderr:
        if line.startswith(("asked", "longshore: stopping")):
            process.send_signal(signal.SIGINT)
        else:
            break
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert line == f"longshore resume {run_id['run_id']} --journal journal.db\n"
