"""``resume --on-incompatible``: a run that another version of its plugin wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from longshore.plugins import load_plugins
from tests.cli.conftest import Ended, Shore

Upgrade = Callable[..., None]
Trouble = Callable[..., dict[str, str]]
ONCE = {"status": 401, "first": 1}
RESTART = ("--on-incompatible", "restart")


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """Install the next version of a vendor's plugin, or of several."""

    def install(*names: str) -> None:
        for name in names:
            provider = load_plugins().provider(name)
            monkeypatch.setattr(provider, "state_version", provider.state_version + 1)

    return install


def refused(shore: Shore, trouble: Trouble, *names: str) -> str:
    """Begin a run whose key is refused at first, so that nothing of it reaches the vendor."""
    trouble([ONCE])
    ended = shore.run("upload", *map(shore.file, names), "--to", "plangrep", "--json")
    assert ended.code == 2
    return str(ended.line("run")["run_id"])


def states(ended: Ended) -> dict[str, str]:
    return {line["name"]: line["state"] for line in ended.lines if line["event"] == "document"}


def test_it_is_an_error_that_says_what_to_type(
    empty_shore: Shore, trouble: Trouble, upgrade: Upgrade
) -> None:
    """Exit code 2, nothing on stdout, and a command that works as it stands."""
    run_id = refused(empty_shore, trouble, "a.pdf")
    upgrade("plangrep")
    for fail in ((), ("--on-incompatible", "fail")):
        ended = empty_shore.run("resume", run_id, "--json", *fail)
        assert (ended.code, ended.out) == (2, "")
    command = f"longshore resume {run_id} --journal {empty_shore.journal} --on-incompatible restart"
    assert command in ended.err
    done = empty_shore.bare(*command.split()[1:], "--json")
    assert (done.code, done.line("document")["state"]) == (0, "succeeded")
    assert done.err.startswith(f"longshore: run {run_id} goes on with plangrep ")


def test_what_never_left_goes_on_and_the_run_is_like_any_other(
    empty_shore: Shore, trouble: Trouble, upgrade: Upgrade
) -> None:
    """Exit code 0, a line for each document; the next resume needs no option."""
    run_id = refused(empty_shore, trouble, "a.pdf", "b.pdf")
    upgrade("plangrep")
    ended = empty_shore.run("resume", "--json", *RESTART)
    assert (ended.code, states(ended)) == (0, {"a.pdf": "succeeded", "b.pdf": "succeeded"})
    assert empty_shore.run("resume", run_id).code == 0
    again = empty_shore.run("resume", run_id, *RESTART)
    assert (again.code, "goes on with" in again.err) == (0, False)


def test_a_job_is_held_with_the_version_that_can_ask_about_it(
    shore: Shore, upgrade: Upgrade
) -> None:
    """Exit code 4 whenever it is resumed; the line tells the job, the reason and the way."""
    begun = shore.run("upload", shore.file("a.pdf"), "--to", "subworkflow", "--no-wait", "--json")
    job = begun.line("document")["vendor_job_id"]
    upgrade("subworkflow")
    for option in (RESTART, (), RESTART):
        ended = shore.run("resume", "--json", *option)
        assert ended.code == 4
        line = ended.line("document")
        assert (line["state"], line["vendor_job_id"]) == ("unknown", job)
        assert line["error"]["kind"] == "unknown_outcome"
        assert line["error"]["message"].startswith(f"the vendor has job {job} of subworkflow ")
        assert "install subworkflow " in line["error"]["hint"]
    assert "goes on with" not in ended.err


def test_only_what_cannot_be_read_begins_afresh(shore: Shore, upgrade: Upgrade) -> None:
    """Of several runs, those of other plugins go on as ever."""
    for target in ("sendai", "subworkflow"):
        shore.run("upload", shore.file("a.pdf"), "--to", target, "--no-wait")
    upgrade("subworkflow")
    ended = shore.run("resume", "--json", *RESTART)
    found = {line["target"]: line["state"] for line in ended.lines if line["event"] == "document"}
    assert (ended.code, found) == (4, {"sendai": "succeeded", "subworkflow": "unknown"})


def test_every_run_of_a_route_begins_afresh(
    empty_shore: Shore, trouble: Trouble, upgrade: Upgrade
) -> None:
    """They go on together, so each must be readable: those of its shadows, too."""
    (empty_shore.folder / "longshore.toml").write_text(
        '[routes.main]\nprimary = "plangrep"\nshadow = ["sendai"]\n'
    )
    trouble([], only="sendai")
    trouble([ONCE])
    empty_shore.run("upload", empty_shore.file("a.pdf"), "--to", "route:main")
    upgrade("plangrep", "sendai")
    assert empty_shore.run("resume").code == 2
    ended = empty_shore.run("resume", "--json", *RESTART)
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")
    assert ended.err.count("goes on with") == 2


def test_another_word_is_a_usage_error(empty_shore: Shore) -> None:
    """Exit code 2, and the words that there are."""
    ended = empty_shore.run("resume", "--on-incompatible", "maybe")
    assert ended.code == 2
    assert "'fail', 'restart'" in ended.err


def test_nobody_acts_on_a_job_of_another_version(shore: Shore, upgrade: Upgrade) -> None:
    """It is turned down, with the reason, and nothing changes."""
    shore.run("upload", shore.file("blocked.pdf"), "--to", "plangrep")
    upgrade("plangrep")
    job = shore.run("resume", "--json", *RESTART).line("document")["vendor_job_id"]
    ended = shore.run("act", job, "resume")
    assert "cannot ask about" in ended.err
    assert shore.run("resume", "--json").line("document")["state"] == "unknown"
