"""What waits for a person: listed with its document, and as commands that can be typed."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.conftest import Shore

Trouble = Callable[..., dict[str, str]]


def test_what_the_vendor_names_no_action_for_is_listed_all_the_same(shore: Shore) -> None:
    """Scripts see a line without an action; the hint says how to name an object."""
    shore.run("upload", shore.file("review.pdf"), "--to", "sendai")
    line = shore.run("actions", "--json").line("action")
    ended = shore.run("act", line["vendor_job_id"], "complete")

    assert (line["action"], line["command"]) == (None, f"longshore resume {line['run_id']}")
    assert (ended.code, "as in complete:ID" in ended.err) == (2, True)


def test_skip_existing_knows_what_is_still_open_at_the_vendor(shore: Shore) -> None:
    """Sent again beside a job that waits or runs, a document would be read and billed twice."""
    waiting = shore.file("blocked.pdf", b"%PDF waits")
    running = shore.file("runs.pdf", b"%PDF runs")
    shore.run("upload", waiting, "--to", "plangrep")
    shore.run("upload", running, "--to", "plangrep", "--no-wait")
    ended = shore.run("upload", waiting, running, "--to", "plangrep", "--skip-existing", "--json")

    assert (ended.code, ended.line("run")["skipped"], ended.line("run")["requests"]) == (0, 2, 0)


def test_each_task_is_listed_with_its_document(empty_shore: Shore, trouble: Trouble) -> None:
    """One is discarded, all others are completed, and the run comes to its end."""
    shore = empty_shore
    trouble([], "sendai.tasks_in_upload=true", only="sendai")
    names = [shore.file(f"review{number}.pdf", b"%%PDF %d" % number) for number in (1, 2, 3)]
    shore.run("upload", *names, "--to", "sendai")
    listed = shore.run("actions", "--json").lines
    discard = next(line for line in listed if line["action"].startswith("discard"))
    shown = shore.run("actions").out
    shore.run(*discard["command"].split()[1:])
    shore.run("act", discard["vendor_job_id"], "complete")
    ended = shore.run("resume", "--json")

    assert sorted(line["paths"] for line in listed) == sorted([name] for name in names * 2)
    assert f"{discard['command']}  # {discard['paths'][0]}" in shown
    states = {line["path"]: line["state"] for line in ended.lines if line["event"] == "document"}
    assert states == {
        name: "cancelled" if [name] == discard["paths"] else "succeeded" for name in names
    }
