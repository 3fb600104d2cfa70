"""Help, the version, completion, and the time they take."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from longshore.cli._app import COMMANDS
from tests.cli.conftest import Shore

HEAVY = ("httpx", "pydantic", "sqlite3", "rich", "asyncio", "anyio", "stamina")


def names() -> Iterator[tuple[str, ...]]:
    """All commands with their subcommands."""
    yield from ((name,) for name in COMMANDS)
    yield from (("providers", "show"), ("providers", "check"), ("migrate", "verify"))
    yield from (("webhooks", "serve"), ("webhooks", "address"))


@pytest.mark.parametrize("name", list(names()), ids=" ".join)
def test_every_command_shows_an_example(empty_shore: Shore, name: tuple[str, ...]) -> None:
    """The help of a command ends with an example of it, and names the options that all have."""
    ended = empty_shore.bare(*name, "--help")
    assert ended.code == 0
    assert f"Example: longshore {' '.join(name)}" in ended.out
    for option in ("--json", "--journal", "--config", "--quiet", "--verbose"):
        assert option in ended.out


def test_the_help_lists_all_commands(empty_shore: Shore) -> None:
    """`longshore --help` lists every command of the table."""
    words = empty_shore.bare("--help").out.split()
    assert [name for name in COMMANDS if name not in words] == []


def test_without_any_word_the_help_is_shown(empty_shore: Shore) -> None:
    """The first thing that people type; a script that forgot its command gets 2."""
    ended = empty_shore.bare()
    assert (ended.code, ended.out, ended.err) == (2, "", empty_shore.bare("--help").out)


def test_ctrl_c_before_a_command_is_known_is_no_traceback(
    empty_shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal may come while the first modules are being loaded."""

    def load(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("longshore.cli._app.import_module", load)
    assert empty_shore.bare("upload", "--help").code == 130


def test_the_version(empty_shore: Shore) -> None:
    """--version names the program and its version."""
    ended = empty_shore.bare("--version")
    assert (ended.code, ended.out.split()[0]) == (0, "longshore")


def test_completion_is_offered(empty_shore: Shore) -> None:
    """The shell's completion can be installed."""
    assert "--install-completion" in empty_shore.bare("--help").out


@pytest.mark.parametrize("name", list(names()), ids=" ".join)
def test_every_help_looks_the_same(empty_shore: Shore, name: tuple[str, ...]) -> None:
    """Plain text, no boxes; the list of a command's own commands is in whole sentences."""
    said = empty_shore.bare(*name, "--help").out
    assert said.startswith(f"Usage: longshore {' '.join(name)}")
    assert "..." not in said.partition("Commands:")[2]
    assert [twice for twice in ("[[", "...}...", "...]...") if twice in said] == []
    assert "--install-completion" not in said


@pytest.mark.parametrize("name", ["upload", "compare", "migrate"])
def test_help_says_how_to_lift_a_cap(empty_shore: Shore, name: str) -> None:
    """A script that has a variable for the rate needs a value for none."""
    words = " ".join(empty_shore.bare(name, "--help").out.split())
    assert "0: no cap" in words.partition("--bwlimit RATE")[2].partition("--")[0]


def test_help_says_what_a_target_is(empty_shore: Shore) -> None:
    """The examples' `my-target` means something to a newcomer; the first of them needs none."""
    said = " ".join(empty_shore.bare("--help").out.split())
    assert "A TARGET is a table of longshore.toml" in said
    assert said.index("longshore demo") < said.index("--to my-target")


@pytest.mark.parametrize("name", list(names()), ids=" ".join)
def test_help_names_no_type_of_python(empty_shore: Shore, name: tuple[str, ...]) -> None:
    """`PATH <list[str]>` tells a person nothing; `--on-unknown <hold|resend>` does."""
    assert (
        re.findall(r"<(?:str|list|int|Path|file)\b\S*", empty_shore.bare(*name, "--help").out) == []
    )


@pytest.mark.parametrize("name", list(names()), ids=" ".join)
def test_help_has_a_short_form(empty_shore: Shore, name: tuple[str, ...]) -> None:
    """-h is --help, for every command."""
    assert empty_shore.bare(*name, "-h").out == empty_shore.bare(*name, "--help").out


@pytest.mark.parametrize("group", ["migrate", "providers", "webhooks"])
def test_an_option_before_a_command_of_a_group_is_not_lost(empty_shore: Shore, group: str) -> None:
    """The command would not know of it, and would look into another journal or configuration."""
    command = {"migrate": "verify", "providers": "check", "webhooks": "serve"}[group]
    ended = empty_shore.bare(group, "--config", "other.toml", command, "sendai")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == [
        f"longshore: --config stands before {command}",
        f"hint: options go after the command: longshore {group} {command} ...",
    ]


@pytest.mark.process
@pytest.mark.parametrize("arguments", ["--help", "providers", "status --help", "upload --help"])
def test_what_needs_nothing_loads_nothing_heavy(arguments: str) -> None:
    """Help and the list of providers import neither HTTP nor validation nor a database."""
    code = (
        f"import sys; from longshore.cli import main; main({arguments.split()});"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


@pytest.mark.process
def test_python_m_longshore_is_the_command_line() -> None:
    """`python -m longshore` behaves as `longshore` does."""
    ended = subprocess.run(
        [sys.executable, "-m", "longshore", "upload"], capture_output=True, text=True, check=False
    )
    assert (
        ended.returncode,
        ended.stderr.splitlines()[-1],
    ) == (2, "hint: longshore upload --help")
