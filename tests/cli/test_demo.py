"""The demo, as a newcomer runs it: real documents, real sockets, all vendors at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from longshore.cli import main
from longshore.cli._demo import make_documents
from longshore.cli._demo_shown import Row, table
from longshore.cli.progress._target_bars import TargetBars
from longshore.documents import Document
from longshore.journal import DocumentRecord, RunRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import (
    BytesMoved,
    DocumentFinished,
    Event,
    Polled,
    Retried,
    RunStarted,
    TransferSent,
)
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
    assert [line.partition(" of 6 ")[0][-1] for line in shown] == ["3", "6", "6", "3"]
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


def test_it_fits_a_terminal(ran: Ran) -> None:
    """80 columns: the table, the reasons, and what to type next."""
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []


def test_what_did_not_go_well_stands_below_the_table() -> None:
    """Nothing of it goes well unseen: the table itself only counts what succeeded."""
    row = Row(provider="acme", documents=3)
    row.states.update(succeeded=1, refused=1, failed=1)
    row.end({"requests": 1, "retries": 0, "bytes_sent": 5, "seconds": 1.0})

    assert "acme: 1 failed" in list(table([row]))


def test_bars_tell_what_happens() -> None:
    """Bytes, parts, retries and the vendor's words; what is refused is not waited for."""
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=160, color_system=None)
    run = RunRecord(id="r", target="acme", provider="acme", account="a")
    refused = DocumentRecord(
        document=Document(id="d", name="[odd].tif", size=40),
        run_id="r",
        unit_id="u",
        outcome=Outcome.REFUSED,
    )
    events: list[tuple[Event, str]] = [
        (RunStarted(run, 2, 140), "0/140 bytes"),
        (BytesMoved("u", 100), "100/140 bytes"),
        (TransferSent("u", ("d",), 100, 1, 3), "part 1 of 3"),
        (Retried("u", "status 429", 1.0), "status 429, again in 1 s"),
        (Polled("u", "job", Outcome.RUNNING, "working"), "working"),
        (DocumentFinished(run, refused, None), "[odd].tif: refused"),
    ]

    with TargetBars(["acme"], console=console) as bars:
        for event, _ in events:
            bars.see("acme", event)
            bars._progress.refresh()

    for _, words in events:
        assert words in out.getvalue()
    assert "100/100 bytes" in out.getvalue()


def test_a_document_of_a_run_that_never_began_is_told() -> None:
    """Its target could not be talked to at all; there is no size of it."""
    console = Console(file=StringIO(), force_terminal=True, width=160)
    run = RunRecord(id="r", target="acme", provider="acme")
    record = DocumentRecord(document=Document(id="d", name="a.pdf", size=40), run_id="r")
    with TargetBars(["acme"], console=console) as bars:
        bars.see("acme", DocumentFinished(run, record, None))


def test_what_holds_up_several_targets_stands_below_their_bars() -> None:
    """As long as it does: a budget that is spent, a lost request that may still arrive."""
    out, words = StringIO(), ["acme: requests wait for the vendor's budget: 60 requests a minute"]
    with TargetBars(["acme"], lambda: words, Console(file=out, force_terminal=True, width=160)):
        pass
    assert words[0] in out.getvalue()
