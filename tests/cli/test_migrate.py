"""``migrate`` and ``migrate verify``: lines, exit codes, maps, and the same command again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Shore

OLD, NEW = "plangrep", "subworkflow"
THERE = ("migrate", "--from", OLD, "--to", NEW)


def test_documents_of_earlier_runs_are_carried_and_mapped(shore: Shore) -> None:
    """Each document that succeeded at the first vendor; the map knows both vendors' ids."""
    names = [shore.file(name, name.encode()) for name in ("a.pdf", "b.pdf")]
    before = shore.run("upload", *names, "--to", OLD, "--json")
    ended = shore.run(*THERE, "--map", "map.jsonl", "--json")
    assert ended.code == 0
    assert [line["event"] for line in ended.lines] == ["plan", "document", "document", "run"]
    lines = [json.loads(line) for line in (shore.folder / "map.jsonl").read_text().splitlines()]
    old = {line["name"]: line for line in before.lines if line["event"] == "document"}
    new = {line["name"]: line for line in ended.lines if line["event"] == "document"}
    assert {
        line["name"]: (
            line["path"],
            line["sha256"],
            line["from"]["job_id"],
            line["from"]["document_id"],
            line["to"]["job_id"],
            line["to"]["document_id"],
            line["to"]["state"],
        )
        for line in lines
    } == {
        name: (
            str(shore.folder / name),
            old[name]["sha256"],
            old[name]["vendor_job_id"],
            old[name]["vendor_document_id"],
            new[name]["vendor_job_id"],
            new[name]["vendor_document_id"],
            "succeeded",
        )
        for name in names
    }
    verified = shore.run("migrate", "verify", "map.jsonl", "--json")
    assert verified.code == 0
    assert [(line["target"], line["there"]) for line in verified.lines] == [(NEW, 2), (OLD, 2)]
