"""Comparisons made by hand, and sandboxes to make real ones against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from longshore.evaluate import Comparison, Detail, Row, Side, compare
from longshore.evaluate._agreement import values_of
from longshore.evaluate._details import Budget
from longshore.journal import RunRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import RunReport
from longshore.plugins import load_plugins
from longshore.provider import Artifact, DocumentResult, FieldValue, Place, Table, TextPiece
from longshore.sandbox import Fault, Faults, RunningSandbox, serve

EVIL = "<script>alert(1)</script>.pdf"
TARGETS = ("alpha", "bravo")
QUICK = {"subworkflow": {"walk": "IN_PROGRESS:0.015,SUCCESS"}}


def row(document: int = 1, target: str = "alpha", **more: Any) -> Row:
    """A document that went well, with everything measured."""
    usual: dict[str, Any] = {
        "comparison": "c0ffee00",
        "round": 1,
        "provider": target,
        "path": f"docs/{document}.pdf",
        "name": f"{document}.pdf",
        "size": 1000 * document,
        "media_type": "application/pdf",
        "batch_id": f"{target}-{document}-{more.get('round', 1)}",
        "batch_documents": 1,
        "vendor_job_id": f"job-{document}",
        "outcome": "succeeded",
        "seconds_to_accepted": 0.5,
        "seconds_to_done": float(document),
        "bytes_per_second": 1e6,
        "requests": 4,
        "results": "fetched",
    }
    return Row(document=document, target=target, **usual | more)


def refused(document: int, target: str) -> Row:
    """A document that a target does not take."""
    none = dict.fromkeys(
        ("batch_id", "vendor_job_id", "seconds_to_accepted", "seconds_to_done", "bytes_per_second")
    )
    return row(
        document,
        target,
        outcome="refused",
        error_kind="refused",
        error_message="wrong type: .pdf",
        requests=0,
        results="",
        **none,
    )


def detail(*fields: tuple[str, Any], raw: str = "{}", **more: Any) -> Detail:
    """A vendor's result with these fields."""
    found = tuple(
        FieldValue(name=name, value=value, confidence=0.9, place=Place(page=1))
        for name, value in fields
    )
    result = DocumentResult(
        fields=found,
        texts=(TextPiece(text="A <b>bold</b> word", kind="detail"),),
        tables=(Table(rows=(("a", "b"),)),),
        artifacts=(
            Artifact(name="1.pdf", url="https://vendor.test/x?token=opensesame", signed=True),
        ),
        **more,
    )
    made = Detail.of(result, Budget(), raw, ())
    made.values = values_of(result)
    return made


def comparison(rows: list[Row], details: dict[tuple[str, int, int], Detail] | None = None,
               targets: tuple[str, ...] = TARGETS) -> Comparison:  # fmt: skip
    """A comparison of these rows."""
    sides = []
    for name in targets:
        mine = [one for one in rows if one.target == name]
        outcomes = {o: sum(one.outcome == o for one in mine) for o in Outcome}
        run = RunRecord(id=f"run-{name}", target=name, provider=name, finished_at=2.0)
        report = RunReport(run, {o: count for o, count in outcomes.items() if count})
        settings: dict[str, Any] = {"base_url": f"https://{name}.test", "timeout": 60.0}
        sides.append(Side(name, name, name.title(), "1.0", settings, {"rate": "none"}, [report]))
    command = "longshore compare docs --to alpha --to bravo"
    return Comparison("c0ffee00", sides, rows, details or {}, command=command, began_at=1e9)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Three PDFs, one with a name that would like to be a script, and a map."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a.pdf", "b.pdf", EVIL.replace("/", "%")):
        (folder / name).write_bytes(b"%PDF-1.4 " + name.encode())
    (folder / "map.geojson").write_bytes(b'{"type": "FeatureCollection", "features": []}')
    return folder


class Quay:
    """Sandboxes of all vendors, and comparisons against them with a journal of one's own."""

    def __init__(self, running: RunningSandbox, settings: dict[str, str], folder: Path) -> None:
        self.running = running
        self._settings = settings
        self._folder = folder

    def compare(self, docs: Path, *to: str, **more: Any) -> Comparison:
        """Compare."""
        settings = self.settings_of(*to) | more.pop("settings", {})
        journal = self._folder / "journal.db"
        return compare([docs], to=to, settings=settings, journal=journal, **more)

    def settings_of(self, *targets: str) -> dict[str, str]:
        """Return the settings that lead to these sandboxes."""
        return {k: v for k, v in self._settings.items() if k.partition(":")[0] in targets}

    def jobs(self, vendor: str) -> int:
        """Count the jobs that a vendor has."""
        jobs = self.running.state(vendor)["jobs"]
        return len(jobs) if isinstance(jobs, list | dict) else 0


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Callable[..., Quay]]:
    """Start sandboxes: ``quay(Fault(...), sendai={"tasks_in_upload": "true"})``."""
    with ExitStack() as stack:

        def start(*faults: Fault, **assumed: dict[str, str]) -> Quay:
            plugins = load_plugins()
            vendors = [
                plugins.sandbox(name, QUICK.get(name, {}) | assumed.get(name, {}))
                for name in plugins.providers()
            ]
            running = stack.enter_context(serve(vendors, faults=Faults(faults)))
            settings: dict[str, str] = {}
            for vendor in vendors:
                own = {**vendor.demo_settings, "base_url": running.urls[vendor.name]}
                own["poll_interval"] = "0.02"
                settings |= {f"{vendor.name}:{key}": str(value) for key, value in own.items()}
            return Quay(running, settings, tmp_path)

        yield start
