"""``compare``: its lines, its files, its exit codes, and the same command again."""

from __future__ import annotations

import csv
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Shore

TWO = ("--to", "plangrep", "--to", "sendai")


def test_json_has_the_lines_of_upload_and_one_run_line_a_target(shore: Shore) -> None:
    """A line for each document and target; a run line for each target, counts adding up."""
    names = [shore.file(name) for name in ("a.pdf", "b.pdf")]
    ended = shore.run("compare", *names, *TWO, "--to", "geolens", "--json")
    documents = [line for line in ended.lines if line["event"] == "document"]
    runs = [line for line in ended.lines if line["event"] == "run"]
    assert sorted((line["target"], line["name"]) for line in documents) == [
        (target, name) for target in ("geolens", "plangrep", "sendai") for name in names
    ]
    assert [(run["target"], run["succeeded"], run["refused"]) for run in runs] == [
        ("plangrep", 2, 0),
        ("sendai", 2, 0),
        ("geolens", 0, 2),
    ]
    uploaded = shore.run("upload", names[0], "--to", "plangrep", "--json")
    assert list(documents[0]) == list(uploaded.line("document"))
    assert [list(run) for run in runs] == [list(uploaded.line("run"))] * 3
    assert ended.code == 1


def test_rounds_are_summed_in_the_run_line(shore: Shore) -> None:
    """With --repeat there is still one line for each target; it names the runs of its rounds."""
    ended = shore.run("compare", shore.file("a.pdf"), *TWO, "--repeat", "2", "--json")
    runs = [line for line in ended.lines if line["event"] == "run"]
    assert [(run["target"], run["documents"], run["succeeded"]) for run in runs] == [
        ("plangrep", 2, 2),
        ("sendai", 2, 2),
    ]
    assert all(run["run_ids"][-1] == run["run_id"] and len(run["run_ids"]) == 2 for run in runs)
    assert len([line for line in ended.lines if line["event"] == "document"]) == 4


def test_it_writes_report_csv_and_json_lines(shore: Shore) -> None:
    """Each file has each document at each target."""
    name = shore.file("a.pdf")
    files = ("--report", "r.html", "--csv", "r.csv", "--jsonl", "r.jsonl")
    ended = shore.run("compare", name, *TWO, *files)
    assert ended.code == 0
    html = (shore.folder / "r.html").read_text("utf-8")
    assert "Comparison of plangrep, sendai" in html
    with (shore.folder / "r.csv").open(encoding="utf-8", newline="") as file:
        told = [(row["target"], row["outcome"]) for row in csv.DictReader(file)]
    lines = [json.loads(line) for line in (shore.folder / "r.jsonl").read_text().splitlines()]
    assert told == [(line["target"], line["outcome"]) for line in lines]
    assert told == [("plangrep", "succeeded"), ("sendai", "succeeded")]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has /proc")
def test_results_that_cannot_be_written_are_told(shore: Shore) -> None:
    """With the place; the same command with another one sends nothing again."""
    names = [shore.file(name) for name in ("a.pdf", "b.pdf")]
    call = ("compare", *names, "--to", "subworkflow", "--to", "plangrep")
    ended = shore.run(*call, "--results", "/proc")
    (shore.folder / "results").mkdir()
    again = shore.run(*call, "--results", "results", "--json")
    assert (ended.code, again.code) == (2, 0)
    assert ended.err.startswith("longshore: /proc/")
    assert "hint: the same command with another folder; nothing is sent again" in ended.err
    assert len(list((shore.folder / "results").iterdir())) == 3
    runs = {line["run_id"] for line in again.lines if line["event"] == "run"}
    assert len(runs) == len(shore.run("status", "--json").lines) == 2


def test_people_read_what_did_not_succeed_and_a_table(shore: Shore) -> None:
    """Without --json: the documents that did not succeed, with their target; a line a target."""
    names = [shore.file("a.pdf"), shore.file("fail.pdf")]
    ended = shore.run("compare", *names, "--to", "subworkflow", "--to", "plangrep")
    first = ended.out.splitlines()[0].split()
    assert first[0] == "failed"
    assert first[2] == "fail.pdf"
    told = ended.out.splitlines()
    for table in (told[-7:-4], told[-3:]):
        assert [line.split()[0] for line in table] == ["target", "subworkflow", "plangrep"]
    assert told[-6].split()[1:4] == ["2", "0", "50.0"]
    assert max(map(len, told[-7:])) <= 80
    assert ended.code == 1


def test_an_account_in_trouble_is_two_with_everything_else_reported(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """A vendor that refuses the key ends with 2; the other's documents and the report are whole."""
    trouble([{"status": 401}], only="subworkflow")
    ended = shore.run(
        "compare", shore.file("a.pdf"), "--to", "subworkflow", "--to", "plangrep",
        "--report", "r.html", "--json",
    )  # fmt: skip
    runs = {line["target"]: line for line in ended.lines if line["event"] == "run"}
    assert (ended.code, runs["plangrep"]["succeeded"], runs["subworkflow"]["running"]) == (2, 1, 1)
    assert "subworkflow could not go on" in ended.err
    assert "could not go on" in (shore.folder / "r.html").read_text("utf-8")


def test_the_same_command_goes_on(shore: Shore, trouble: Callable[..., object]) -> None:
    """After trouble the same command carries on with what is left, in the same runs."""
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}])
    command = ("compare", shore.file("a.pdf"), *TWO, "--report", "r.html", "--json")
    ended = [shore.run(*command) for _ in range(3)]
    ids = [[line["run_id"] for line in one.lines if line["event"] == "run"] for one in ended]
    assert [one.code for one in ended] == [2, 0, 0]
    assert (ids[0] == ids[1], ids[1] == ids[2]) == (True, False)
    assert "going on with comparison" in ended[1].err
    assert ["go on with it:" in one.err for one in ended] == [True, False, False]
    assert " --report r.html" in ended[0].err  # else it would be over, and nothing written


def test_a_mended_address_is_taken_by_the_command_that_is_printed(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison goes on with what it began with; it tells that, and what changes it."""
    right = os.environ["LONGSHORE_PLANGREP_BASE_URL"]
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", f"{right}/nowhere")
    call = ("compare", shore.file("a.pdf"), *TWO)
    first = shore.run(*call)
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", right)
    again = shore.run(*call)
    (told,) = [line for line in again.err.splitlines() if "the run keeps base_url" in line]
    typed = told.partition("to change that:  longshore ")[2]
    ended = shore.bare(*shlex.split(typed), "--json")

    assert (first.code, "the run keeps" in first.err, again.code) == (2, False, 2)
    assert typed.endswith(f" --set plangrep:base_url={right}")
    assert (ended.code, [line["event"] for line in ended.lines].count("document")) == (0, 2)


def test_a_comparison_that_resume_went_on_with_knows_of_the_break(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """The same command still ends it; times during which nobody watched count in no figure."""
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}])
    command = ("compare", shore.file("a.pdf"), *TWO, "--jsonl", "rows.jsonl")
    first, resumed, ended = (shore.run(*words) for words in (command, ("resume",), command))
    rows = [json.loads(line) for line in (shore.folder / "rows.jsonl").read_text().splitlines()]
    assert [first.code, resumed.code, ended.code] == [2, 0, 0]
    assert len(shore.run("status", "--json").lines) == len(TWO) // 2
    assert [(row["target"], row["interrupted"]) for row in rows] == [
        ("plangrep", True),
        ("sendai", False),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "plangrep", "--to", "plangrep"), "named twice"),
        (("--to", "plangrep", "--report", "nowhere/r.html"), "no such folder"),
        (("--to", "plangrep", "--results", "nowhere"), "no such folder"),
        (("--to", "plangrep", "--set", "sendai:timeout=1"), "none of the targets"),
        (("--to", "plangrep", "--csv", "."), ". is a folder"),
        (("--to", "plangrep", "--csv", "r", "--jsonl", "./r"), "two outputs have one name"),
        (("--to", "nobody"), "nobody"),
        (("--to", "plangrep", "--part-size", "many"), "--part-size"),
    ],
)
def test_a_wrong_call_is_two_before_anything_is_sent(
    shore: Shore, arguments: tuple[str, ...], words: str
) -> None:
    """One line, a hint, exit 2; the journal has no run of it."""
    ended = shore.run("compare", shore.file("a.pdf"), *arguments)
    assert (ended.code, words in ended.err) == (2, True)
    assert shore.run("status", "--json").out == ""
