"""``sandbox`` and ``providers``: what they list, and the variables they print."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import longshore_plangrep
from longshore.cli import _sandbox
from longshore.errors import UsageError
from longshore.plugins import Plugins, load_plugins
from longshore.provider import Card, hookimpl
from tests.cli.conftest import Shore


def test_the_assumptions_are_listed(empty_shore: Shore) -> None:
    """--assumptions lists those of the named vendor, and ends."""
    ended = empty_shore.bare("sandbox", "--provider", "sendai", "--assumptions", "--json")
    assert {("assumption", "sendai")} == {(line["event"], line["provider"]) for line in ended.lines}
    assert {"name", "value", "default", "choices", "description", "source"} < set(ended.lines[0])


def test_an_assumption_can_be_decided(empty_shore: Shore) -> None:
    """--assume changes the value that is listed."""
    ended = empty_shore.bare(
        "sandbox", "--assumptions", "--provider", "sendai", "--assume", "sendai.max_files=7",
        "--json",
    )  # fmt: skip
    assert [line["value"] for line in ended.lines if line["name"] == "max_files"] == [7]


def test_what_is_listed_is_what_is_taken(empty_shore: Shore) -> None:
    """Every line of the list can be given to --assume as it stands, and changes nothing then."""
    listed = empty_shore.bare("sandbox", "--assumptions").out
    lines = re.findall(r"^  ([a-z]+\.[a-z_0-9]+=.*?)(?:  \(one of .*\))?$", listed, re.M)
    given = [word for line in lines for word in ("--assume", *shlex.split(line))]
    assert len(given) == 2 * len(lines) > 200
    assert empty_shore.bare("sandbox", "--assumptions", *given).out == listed


@pytest.mark.parametrize("word", ["false", "False"])
def test_a_switch_is_taken_as_json_or_as_python_writes_it(empty_shore: Shore, word: str) -> None:
    """Both are the same switch."""
    ended = empty_shore.bare(
        "sandbox", "--assumptions", "--assume", f"geolens.can_retry={word}", "--json"
    )
    assert [line["value"] for line in ended.lines if line["name"] == "can_retry"] == [False]


def test_an_unknown_assumption_is_an_error(empty_shore: Shore) -> None:
    """The error names the assumption."""
    ended = empty_shore.bare("sandbox", "--assumptions", "--assume", "sendai.max_flies=7")
    assert ended.code == 2
    assert "max_flies" in ended.err


def test_an_assumption_of_a_sandbox_that_is_not_started() -> None:
    """Deciding something of another vendor is a mistake worth telling."""
    with pytest.raises(UsageError, match="not started"):
        _sandbox.make_vendors(load_plugins(), ["geolens"], ["sendai.max_files=7"])


@pytest.mark.parametrize(
    ("vendor", "hint"), [("geolense", "did you mean geolens?"), ("presigned-s3", "there are: geo")]
)
def test_a_fault_of_a_vendor_that_nobody_has(
    empty_shore: Shore, tmp_path: Path, vendor: str, hint: str
) -> None:
    """It would never happen, and the test that waits for it would be green."""
    plan = tmp_path / "faults.json"
    plan.write_text(f'[{{"status": 503}}, {{"vendor": "{vendor}", "status": 503}}]', "utf-8")
    ended = empty_shore.bare("sandbox", "--port", "0", "--faults", str(plan))
    assert ended.code == 2
    assert f"faults[1].vendor: no vendor is named '{vendor}'" in ended.err
    assert hint in ended.err


def test_a_fault_of_a_vendor_that_is_left_out_is_told(empty_shore: Shore, tmp_path: Path) -> None:
    """One plan may serve several calls; but nobody waits in vain for what cannot happen."""
    plan = tmp_path / "faults.json"
    plan.write_text('[{"status": 503}, {"vendor": "plangrep", "status": 503}]', "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends
        port = str(taken.getsockname()[1])
        call = ("sandbox", "--port", port, "--faults", str(plan), "--provider", "geolens")
        alone = empty_shore.bare(*call)
        both = empty_shore.bare(*call, "--provider", "plangrep")
    words = "longshore: faults[1] never happens: the sandbox of plangrep is not started\n"
    assert (words in alone.err, "never happens" in both.err) == (True, False)
    assert "faults[0]" not in alone.err


def test_the_variables_have_every_name_of_a_target() -> None:
    """A vendor's variables stand there for its name and for its alias."""
    plugins = load_plugins()
    (vendor,) = _sandbox.make_vendors(plugins, ["batch-tasks"], [])
    found = _sandbox.variables(plugins, vendor)
    assert found["LONGSHORE_SENDAI_TEAM_ID"] == found["LONGSHORE_BATCH_TASKS_TEAM_ID"]
    assert found["LONGSHORE_BATCH_TASKS_API_KEY"] == "demo"
    assert vendor.base_url == found["LONGSHORE_BATCH_TASKS_BASE_URL"]


def test_a_port_that_is_taken(empty_shore: Shore) -> None:
    """A port that was asked for and is taken is an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = empty_shore.bare("sandbox", "--provider", "sendai", "--port", port)
    assert ended.code == 2
    assert f"port {port} cannot be used: Address already in use\n" in ended.err
    assert "hint: --port 0" in ended.err


@pytest.mark.process
def test_a_reader_that_went_away_is_not_called_a_taken_port(empty_shore: Shore) -> None:
    """As with ``longshore sandbox --port 9000 | head -1``."""
    ours, theirs = os.pipe()
    os.close(ours)
    ended = subprocess.run(
        [sys.executable, "-m", "longshore", "sandbox", "--provider", "sendai", "--port", "0"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=40,
        check=False,
    )
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (130, b"")


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_told_to_stop_ends_well(number: signal.Signals) -> None:
    """A supervisor sends SIGTERM, a person Ctrl-C: both are how it is meant to end."""
    command = [sys.executable, "-m", "longshore", "sandbox", "--provider", "sendai", "--port", "0"]
    with subprocess.Popen(
        [*command, "--json", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        server.send_signal(number)
        _, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, b"")


# --------------------------------------------------------------------------------- providers


def test_the_providers_are_listed_with_their_aliases(empty_shore: Shore) -> None:
    """All four, with what each offers beside the upload."""
    lines = empty_shore.bare("providers", "--json").lines
    assert {line["name"]: line["aliases"] for line in lines} == {
        "geolens": ["presigned-s3"],
        "plangrep": [],
        "sendai": ["batch-tasks"],
        "subworkflow": [],
    }
    assert all("results" in line["offers"] for line in lines)


def test_a_list_for_people_says_where_each_comes_from(empty_shore: Shore) -> None:
    """Name and alias, title, distribution; the same ones as for scripts."""
    lines = empty_shore.bare("providers").out.splitlines()
    assert [line.split()[0] for line in lines] == ["geolens", "plangrep", "sendai", "subworkflow"]
    assert lines[2].startswith("sendai (batch-tasks)      Send AI           longshore ")


@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_a_provider_that_cannot_be_imported_is_listed_as_such(
    option: str, empty_shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every class is looked at, one that is broken is left out, with the reason."""
    plugins = Plugins.of(longshore_plangrep, _Broken)
    monkeypatch.setattr("longshore.plugins.load_plugins", lambda: plugins)

    ended = empty_shore.bare("providers", option)

    assert (ended.code, "no_such_module" in ended.out) == (0, True)
    assert ended.out.count("plangrep") >= 1


class _Broken:
    @staticmethod
    @hookimpl
    def longshore_providers() -> list[Card]:
        return [Card("broken", "no_such_module:Broken")]


def test_what_a_document_costs_is_shown(empty_shore: Shore) -> None:
    """In the vendor's words, for people and for scripts; nothing where it does not say."""
    words = "10 credits a drawing page and 1 a document page"
    line = empty_shore.bare("providers", "show", "plangrep", "--json").line("provider")
    assert words in line["capabilities"]["credits"]
    assert (
        f"what a document costs: {words}" in empty_shore.bare("providers", "show", "plangrep").out
    )
    assert "costs" not in empty_shore.bare("providers", "show", "sendai").out


def test_a_provider_shows_its_limits_and_variables(empty_shore: Shore) -> None:
    """Limits, behaviours, and the variable of every setting, by the name that was typed."""
    line = empty_shore.bare("providers", "show", "batch-tasks", "--json").line("provider")
    assert (
        line["name"],
        line["capabilities"]["limits"]["documents_per_batch"],
    ) == ("sendai", 100)
    variables = {setting["name"]: setting["variable"] for setting in line["settings"]}
    assert variables["team_id"] == "LONGSHORE_BATCH_TASKS_TEAM_ID"


def test_a_target_is_checked(shore: Shore) -> None:
    """`providers check` asks the vendor and shows what it found."""
    ended = shore.bare("providers", "check", "plangrep", "--json")
    assert (ended.code, ended.line("check")["ok"]) == (0, True)
    assert ended.line("check")["asked"]


def test_a_vendor_that_was_not_asked_is_not_said_to_work(empty_shore: Shore) -> None:
    """Send AI has nothing that could be asked before an upload: anything may be at the address."""
    given = ("base_url=http://127.0.0.1:9", "api_key=wrong", "team_id=t", "project_id=p")
    flags = [word for pair in given for word in ("--set", pair)]
    ended = empty_shore.bare("providers", "check", "sendai", *flags)
    assert ended.code == 0
    assert "the settings are complete, but only an upload tries address and key" in ended.out
    line = empty_shore.bare("providers", "check", "sendai", *flags, "--json").line("check")
    assert (line["ok"], line["asked"]) == (True, False)


def test_a_target_that_would_not_work(empty_shore: Shore) -> None:
    """What is missing is said, with the variable's name."""
    ended = empty_shore.bare("providers", "check", "plangrep")
    assert ended.code == 2
    assert "LONGSHORE_PLANGREP_API_KEY" in ended.err
