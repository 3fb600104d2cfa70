"""The demo, as a newcomer runs it: real documents, real sockets, all vendors at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from longshore.cli import main
from longshore.cli._demo import make_documents
from longshore.cli._demo_shown import Row, table
from longshore.plugins import load_plugins

TITLES = ["geolens (presigned-s3)", "plangrep", "sendai (batch-tasks)", "subworkflow"]


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(arguments: Sequence[str]) -> Ran:
    """Run a command; neither stream is a terminal."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def ran() -> Ran:
    """Run the demo once for all tests."""
    return run(["demo"])


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """Run the demo once more, for scripts."""
    ran = run(["demo", "--json", "--quiet"])
    assert (ran.code, ran.err) == (0, "")
    return [json.loads(line) for line in ran.out.splitlines()]


def test_it_ends_well(ran: Ran) -> None:
    """What a vendor does not take is no failure."""
    assert ran.code == 0


def test_every_provider_is_in_the_table_with_its_alias(ran: Ran) -> None:
    """The names stand at the beginning of their lines, in plain text, and whole."""
    shown = [line for line in ran.out.splitlines() if line.startswith(tuple(TITLES))]

    assert [line.partition("  ")[0] for line in shown] == TITLES
    assert all("succeeded" in line for line in shown)
    assert "\x1b" not in ran.out


def test_what_is_refused_is_explained(ran: Ran) -> None:
    """Names and reasons, known before the first byte."""
    assert "geolens: minutes.pdf, plan.pdf, large-scan.pdf" in ran.out
    assert "wrong type: .pdf" in ran.out


def test_the_bytes_are_compared(ran: Ran) -> None:
    """What the sandboxes hold has the digests of the sources."""
    assert "18 of 18 documents are at the sandboxes with the SHA-256 of their source." in ran.out


def test_it_says_what_to_type_next(ran: Ran) -> None:
    """The last lines are commands."""
    assert "  longshore sandbox " in ran.out.partition("Next:")[2]


def test_scripts_get_the_lines_of_upload(lines: list[dict[str, Any]]) -> None:
    """A line for each document and one for each run, and nothing else."""
    runs = {line["target"]: line for line in lines if line["event"] == "run"}

    assert sorted(runs) == list(load_plugins().providers())
    assert {line["event"] for line in lines} == {"document", "run"}
    assert [line["documents"] for line in runs.values()] == [6] * len(runs)
    assert [line["retries"] for line in runs.values()] == [1] * len(runs)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("geolens", "large-photo.tif"),
        ("plangrep", "large-scan.pdf"),
        ("subworkflow", "large-scan.pdf"),
    ],
)
def test_large_documents_travel_in_parts(
    lines: list[dict[str, Any]], target: str, name: str
) -> None:
    """The thresholds are low enough for parts of 10 MiB to be seen."""
    (line,) = [x for x in lines if x.get("name") == name and x["target"] == target]

    assert (line["state"], line["parts"]) == ("succeeded", 3)


def test_the_documents_are_what_they_say(tmp_path: Path) -> None:
    """Each begins and ends as its kind does, and two of them have 30 MB."""
    documents = {path.name: path.read_bytes() for path in make_documents(tmp_path / "documents")}

    for name, content in documents.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF-1.4")
            xref = int(content.split(b"startxref\n")[1].split()[0])
            assert content[xref : xref + 4] == b"xref"
        elif name.endswith(".tif"):
            assert content.startswith(b"II*\x00")
        else:
            assert json.loads(content)["type"] == "FeatureCollection"
    assert [name for name, content in documents.items() if len(content) >= 30_000_000] == [
        "large-scan.pdf",
        "large-photo.tif",
    ]


def test_the_table_is_as_wide_as_it_needs_to_be() -> None:
    """No name is ever cut."""
    row = Row(provider="x" * 200, aliases=("y" * 200,))
    row.end({"requests": 1, "retries": 0, "bytes_sent": 5, "seconds": 1.0})

    assert f"{'x' * 200} ({'y' * 200})" in "\n".join(table([row]))
