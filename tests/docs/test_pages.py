"""The pages are in step with the code: made parts, links, names, command lines."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

import longshore
from longshore import provider
from longshore.documents import Document
from longshore.journal import DocumentRecord, RunRecord, SQLiteJournal, open_journal
from longshore.lifecycle import Outcome
from longshore.pipeline import RunOptions, RunReport, document_line, run_line
from longshore.pipeline._engine import MOST_QUESTIONS, MOST_RESTARTS
from longshore.pipeline._failures import OUTAGE_PAUSE
from longshore.provider import ProviderSettings
from longshore.sandbox import Faults
from longshore.transfer._retry import MOST_RETRY_AFTER, Policy
from tests.docs.pages import (
    DOCS,
    PAGES,
    ROOT,
    Block,
    all_commands,
    blocks,
    command_lines,
    command_of,
    made,
    python_blocks,
)

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    """Return a page's name for a test's id."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


def links(page: Path) -> list[tuple[Path, str]]:
    """Return the files and anchors that a page leads to."""
    found = []
    for target in _LINK.findall(prose(page)):
        if "://" not in target and not target.startswith("mailto:"):
            place, _, anchor = target.partition("#")
            found.append(((page.parent / unquote(place)).resolve() if place else page, anchor))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_made_from_the_code_is_up_to_date(page: Path) -> None:
    """Examples, options and error kinds on a page are those of the code.

    `python -m tests.docs.pages` writes them anew.
    """
    text = page.read_text("utf-8")
    assert made(text) == text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link inside of the repository leads to a file, every anchor to a heading."""
    broken = [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


def test_every_page_can_be_reached() -> None:
    """From the index, by links, one comes to every page."""
    index = DOCS / "index.md"
    reached, waiting = {index}, [index]
    while waiting:
        for target, _ in links(waiting.pop()):
            if target.suffix == ".md" and target.is_relative_to(DOCS) and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_the_tests_against_attacks_are_there() -> None:
    """What the threat model calls proved names a file or a folder of tests."""
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    named = set(re.findall(r"`(?:tests/(?:fuzz/)?)?(test_\w+\.py)`|`(tests/[\w/.]+)`", text))
    missing = [
        file or place
        for file, place in named
        if not ((ROOT / place).exists() if place else list((ROOT / "tests").rglob(file)))
    ]
    assert named
    assert missing == []


# ------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(("block", "words"), command_lines(), ids=lambda value: str(value)[:60])
def test_command_lines_can_be_typed(block: Block, words: list[str]) -> None:
    """Every call of longshore on a page is one that the program understands."""
    command = command_of("")
    context = command.make_context("longshore", list(words), resilient_parsing=False)
    rest = list(context._protected_args) + context.args
    while getattr(command, "commands", None) is not None and rest:
        below = command.commands.get(rest[0])
        assert below is not None, f"{block}: no command {rest[0]}"
        context = below.make_context(rest[0], rest[1:], parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]
        command = below


def test_every_command_has_its_section() -> None:
    """No command is missing on the page of commands, and none is there that does not exist."""
    text = (DOCS / "reference" / "cli.md").read_text("utf-8")
    assert re.findall(r"<!-- help: ([\w -]+) -->", text) == all_commands_in_order(text)


def all_commands_in_order(text: str) -> list[str]:
    """Return all commands in the order in which the page has them; unknown ones last."""
    return sorted(all_commands(), key=lambda command: text.find(f"<!-- help: {command} -->"))


# ------------------------------------------------------------------------- names and fields


def named(page: str, heading: str = "") -> set[str]:
    """Return what stands in backticks in the first column of a page's tables."""
    text = (DOCS / page).read_text("utf-8")
    if heading:
        text = re.split(rf"^## {re.escape(heading)}$", text, flags=re.M)[1]
        text = re.split(r"^## ", text, flags=re.M)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.M)
    return {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}


def test_the_fields_of_a_document_line_are_told() -> None:
    """The page of JSON lines names exactly the fields that are printed."""
    run = RunRecord(id="r", target="t", provider="p")
    record = DocumentRecord(document=Document(id="d", name="a", size=1), run_id="r")
    told = named("reference/json-lines.md", "A document") - {str(o) for o in Outcome}
    assert told == set(document_line(run, record, None))


def test_the_fields_of_a_run_line_are_told() -> None:
    """The page of JSON lines names exactly the fields of the last line."""
    report = RunReport(RunRecord(id="r", target="t", provider="p"), {})
    assert named("reference/json-lines.md", "A run") == set(run_line(report))


def test_the_options_are_told() -> None:
    """The page of the Python API has every option of a run."""
    assert named("reference/python-api.md", "Options") == set(RunOptions.model_fields)


def test_the_names_of_the_api_exist() -> None:
    """What the package exports is named on its page."""
    text = (DOCS / "reference" / "python-api.md").read_text("utf-8")
    assert [name for name in longshore.__all__ if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "kind", ["Setup", "Batch", "Transfer", "Session", "Receipt", "Accepted", "Job", "Status",
             "DocumentStatus", "Action", "Limits", "PartRule", "Rate", "PollSchedule"],
)  # fmt: skip
def test_the_fields_of_persisted_types_are_told(kind: str) -> None:
    """The page of the contract has every field of every type."""
    text = (DOCS / "reference" / "contract.md").read_text("utf-8")
    row = re.search(rf"^\| `{kind}` \| (.*) \|$", text, re.M)
    assert row is not None
    fields = set(getattr(provider, kind).model_fields)
    assert fields - set(re.findall(r"`(\w+)`", row[1])) == set()


async def test_the_tables_of_the_journal_are_told(tmp_path: Path) -> None:
    """The page of the journal has every table and every column."""
    async with open_journal(tmp_path / "journal.db") as journal:
        assert isinstance(journal, SQLiteJournal)
    import sqlite3
    from contextlib import closing

    text = (DOCS / "reference" / "journal.md").read_text("utf-8")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        for (table,) in database.execute(query).fetchall():
            row = re.search(rf"^\| `{table}` \| [^|]* \| (.*) \|$", text, re.M)
            assert row is not None, table
            columns = {column[1] for column in database.execute(f"PRAGMA table_info({table})")}
            assert columns - {"record"} == set(re.findall(r"`(\w+)`", row[1]))


# ------------------------------------------------------------------------- blocks of data


def test_blocks_of_data_can_be_read() -> None:
    """TOML and JSON on the pages are TOML and JSON; a marked plan of faults is one."""
    for block in (block for page in PAGES for block in blocks(page)):
        if block.kind == "toml":
            tomllib.loads(block.text)
        elif block.kind == "json":
            json.loads(block.text)
            if block.mark("run") is not None:
                assert Faults.from_json(block.text).rules


def test_every_dependency_is_justified() -> None:
    """The page of dependencies names each one, and each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for extra in extras.values() for each in extra)]
    text = (DOCS / "explanation" / "dependencies.md").read_text("utf-8")
    names = [re.split(r"[<>=\[]", requirement)[0] for requirement in wanted]
    assert [name for name in names if name not in text] == []
    assert [extra for extra in extras if f"| `{extra}` |" not in text] == []


def test_the_figures_are_those_of_the_code() -> None:
    """What the pages say about patience is what the code has."""
    policy = Policy()
    patience = f"{policy.tries} tries in {policy.seconds:.0f} s"
    said = {
        "explanation/transport.md": (patience, f"capped at {MOST_RETRY_AFTER:.0f} s"),
        "explanation/pacing.md": (
            patience.replace(" in ", " or "),
            f"capped at {MOST_RETRY_AFTER:.0f} s",
            f"pauses for {OUTAGE_PAUSE:.0f} s",
        ),
        "explanation/lost-answers.md": (
            f"asked at most {['', '', '', '', 'four', 'five'][MOST_QUESTIONS]} times",
            f"At most {['', '', '', 'three'][MOST_RESTARTS]} in a row",
            f"{ProviderSettings().timeout:.0f} s by default",
        ),
    }
    for page, figures in said.items():
        text = (DOCS / page).read_text("utf-8")
        assert [figure for figure in figures if figure not in text] == [], page


FRAGMENTS = {DOCS / "reference" / "cassettes.md"}
"""Pages whose Python is parts of tests that stand elsewhere (tests/cassettes)."""


def test_every_block_of_python_is_proved() -> None:
    """Each is run, or is a file that has tests, here or in a package that the command makes."""
    unproved = [
        str(block)
        for block in python_blocks()
        if not any(block.mark(word) is not None for word in ("run", "file", "new-provider"))
        and block.page not in FRAGMENTS
    ]
    assert unproved == []


@pytest.mark.parametrize("block", python_blocks(), ids=str)
def test_blocks_of_python_are_python(block: Block) -> None:
    """Fragments, too, are at least Python."""
    assert compile(block.text, str(block), "exec")
