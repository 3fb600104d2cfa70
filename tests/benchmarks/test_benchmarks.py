"""The benchmarks still run: each once, as small as can be, in this process; nothing is timed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks need Linux", allow_module_level=True)
if shutil.which("openssl") is None:
    pytest.skip("the benchmarks make their certificate with openssl", allow_module_level=True)

from benchmarks import BENCHES, _child, scaling
from benchmarks._measure import Bench, Sample, Sink, running_sink
from benchmarks._network import certificate
from benchmarks._plots import draw, exponent
from benchmarks._report import write
from benchmarks._result import Curve, Result, at_least, at_most
from benchmarks._scale import TINY
from benchmarks._vendors import Vendors


class BenchHere(Bench):
    """Runs the clients in this process, which has imported everything already."""

    def run(self, text: str) -> dict[str, Any]:
        """Run a client, and leave this process on the cores that it had."""
        usual = os.sched_getaffinity(0)
        try:
            answer: dict[str, Any] = _child.main(text)
            return answer
        finally:
            os.sched_setaffinity(0, usual)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, Path]]:
    """The server of the benchmarks, and the certificate that it can be trusted by."""
    trusted, own = certificate(tmp_path_factory.mktemp("certificate"))
    with running_sink(own) as running:
        yield running, trusted


@pytest.mark.process
@pytest.mark.filterwarnings("default")  # those of other people's clients are theirs
@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_runs(name: str, sink: tuple[Sink, Path], tmp_path: Path) -> None:
    """Every client does what it is told; only peers that are not installed are left out."""
    running, trusted = sink
    bench = BenchHere(TINY, 1, tmp_path, running, trusted, lambda text: None)

    result = BENCHES[name](bench)

    assert [note for note in result.notes if not note.endswith("is not installed")] == []
    assert result.rows
    assert json.dumps([goal.reached for goal in result.goals])


def test_a_late_vendor_has_a_late_storage() -> None:
    """Every request waits, those to the signed URLs that it gave too."""
    vendors = Vendors()
    head = b"POST /geolens/d50/ingest/upload/presigned HTTP/1.1\r\nHost: here\r\n\r\n"
    given = vendors.answer(head, b'{"file_size":1}', secure=False)
    reply = json.loads(given.data.partition(b"\r\n\r\n")[2])
    path = reply["urls"][0].removeprefix("http://here")

    stored = vendors.answer(f"PUT {path} HTTP/1.1\r\n\r\n".encode(), b"", secure=False)

    assert (given.delay, stored.delay) == (0.05, 0.05)


def test_a_curve_ends_where_a_point_would_take_too_long(tmp_path: Path) -> None:
    """What is left out is told, with what it would have taken."""
    result = Result("one", "First", "So.")
    bench = Bench(TINY, 1, tmp_path, Sink.__new__(Sink), tmp_path, lambda text: None)

    def carry(count: int) -> Sample:
        return Sample(seconds=count / 100, cpu=1.0, rss=1, size=1, requests=1)

    samples = scaling.measured(bench, result, "documents", (10, 1_000, 100_000), carry)

    assert [point for point, _ in samples] == [10, 1_000]
    assert result.notes == ["100,000 documents: not measured; it would take about 1,000 s"]


def test_goals_are_judged() -> None:
    """A goal is reached from its bound on, and nothing is said where nothing was measured."""
    goals = [
        at_least(2, "speed", 2.0),
        at_least(2, "speed", 1.9),
        at_most(2, "cost", 2.0),
        at_most(2, "cost", 2.1),
        at_most(2, "cost", None),
    ]

    assert [goal.reached for goal in goals] == [True, False, True, False, None]


def test_exponents_are_those_of_the_last_points() -> None:
    """What a run costs at least does not hide how its cost grows."""
    points = [(float(10**n), 5.0 + 10.0 ** (2 * n)) for n in range(7)]

    assert exponent(points) == pytest.approx(2.0, abs=0.01)


def test_results_are_written_beside_earlier_ones(tmp_path: Path) -> None:
    """A run of one benchmark keeps what others found, and rewrites the page between its marks."""
    page = tmp_path / "speed.md"
    page.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    machine = {"machine": "m", "python": "p", "tcp": "t"}
    first = Result("one", "First", "So.", ["a", "b"], [["x", 1.2345]], [at_least(2, "w", 3.0)])

    order = ["two", "one"]

    write([first], tmp_path, machine, order)
    write([Result("two", "Second", "So.", ["a"], [["y"]])], tmp_path, machine, order)

    text = page.read_text()
    assert text.startswith("before\n<!-- bench:begin -->\n")
    assert text.endswith("<!-- bench:end -->\nafter\n")
    assert ["old" in text, "### First" in text, "### Second" in text] == [False, True, True]
    assert "| x | 1.23 |" in text
    assert "| w | 3.00 x | >= 2 x | reached |" in text
    assert list(json.loads((tmp_path / "speed.json").read_text())) == order


def test_plots_are_drawn(tmp_path: Path) -> None:
    """Curves of one plot share a picture, which is small and says the exponent."""
    pytest.importorskip("matplotlib", reason="in the dependency group `bench`")
    points = [(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)]
    curves = [Curve("Cost by size", label, "MiB", "s", points) for label in ("wall", "CPU")]

    files = draw(curves, tmp_path)

    assert files == {"Cost by size": tmp_path / "cost-by-size.svg"}
    assert files["Cost by size"].stat().st_size < 100_000
