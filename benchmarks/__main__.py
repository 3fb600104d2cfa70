"""Measure everything: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import BENCHES
from benchmarks._measure import Bench, Wrong, cores, running_sink
from benchmarks._network import certificate, congestion, enter_own_network
from benchmarks._report import print_result, summary, write
from benchmarks._result import Result
from benchmarks._scale import FULL, QUICK, TINY

__all__ = ["main", "measure"]

_SCALES = {"full": FULL, "quick": QUICK, "tiny": TINY}
_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs" / "explanation"
_FILES = _ROOT / "build"  # on a disk: a journal in memory would cost nothing


def main() -> None:
    """Run what was asked for; a goal that is missed is told, and is no error."""
    asked = _arguments()
    enter_own_network()
    results = measure(asked.only or list(BENCHES), asked.scale, asked.rounds, asked.dir)
    for line in summary(results):
        print(line)
    if asked.write:
        write(results, asked.write, _machine(asked.rounds), list(BENCHES))
        print(f"\nwritten to {asked.write}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    add, names = parser.add_argument, ", ".join(BENCHES)
    add("--only", action="append", choices=list(BENCHES), metavar="NAME", help=f"of: {names}")
    add("--rounds", type=int, help="turns of each client (5; with --quick and --tiny 1)")
    for scale, what in (("quick", "small sizes, some minutes"), ("tiny", "does everything work?")):
        help = f"{what}; writes nothing by itself"
        add(f"--{scale}", dest="scale", action="store_const", const=scale, help=help)
    add("--dir", type=Path, default=_FILES, help="where files and journals are made (build)")
    add("--write", type=Path, help="where table, JSON and plots go (docs/explanation)")
    parser.set_defaults(scale="full")
    asked = parser.parse_args()
    if asked.scale == "full" and asked.write is None:
        asked.write = _DOCS
    asked.rounds = asked.rounds or (5 if asked.scale == "full" else 1)
    return asked


def measure(names: list[str], scale: str, rounds: int, folder: Path) -> list[Result]:
    """Run benchmarks, one after the other, and print what each found."""
    results = []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="longshore-bench-", dir=folder) as made:
        home = Path(made)
        (home / "home").mkdir()
        authority, pem = certificate(home)
        with running_sink(pem) as sink:
            bench = Bench(_SCALES[scale], rounds, home, sink, authority, _say)
            for name in names:
                _say(f"{name} ...")
                began = time.monotonic()
                try:
                    result = BENCHES[name](bench)
                except Wrong as error:
                    result = Result(name, name, "failed", notes=[str(error)])
                result.took = time.monotonic() - began
                print_result(result)
                results.append(result)
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _machine(rounds: int) -> dict[str, str]:
    client, sink = cores()
    system = f"{platform.system()} {platform.machine()}"
    return {
        "machine": f"{system}, client on core {client}, sink on {sink}",
        "python": f"Python {platform.python_version()}",
        "tcp": congestion(),
        "rounds": f"{rounds} rounds",
    }


if __name__ == "__main__":
    main()
