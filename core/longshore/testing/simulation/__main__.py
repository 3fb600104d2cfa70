"""``python -m longshore.testing.simulation --cases tests.simulation.cases:CASES``.

Plays each case with every single thing that can go wrong, then (``--pairs``) with each crash or
loss and a crash at every point afterwards, then (``--random N``) N histories in seeded orders with
whatever chance brings. Says every ten seconds how far it is. Prints counts and speed, and for a
broken promise at once the command that plays it again, at the end the smallest history that breaks
it. Exit code 1 when there is any, 130 when it was interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial

from longshore.testing.simulation._case import Case
from longshore.testing.simulation._check import broken_promises
from longshore.testing.simulation._enumerate import Tally, shrink
from longshore.testing.simulation._faults import CORE, FAULTS
from longshore.testing.simulation._history import play
from longshore.testing.simulation._many import Job, Progress, jobs_of, play_job, tallies
from longshore.testing.simulation._world import Plan

__all__ = ["main"]

_SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what the arguments ask for; return the exit code."""
    options = _parser().parse_args(arguments)
    cases = [case for case in load(options.cases) if options.case in ("", case.name)]
    if not cases:
        sys.exit(f"no case is named {options.case!r}")
    if options.faults is not None or options.seed is not None:
        return max(_replay(case, options) for case in cases)
    share = -(-options.random // len(cases))
    jobs = jobs_of(
        cases,
        points=not options.only_random,
        pairs=options.pairs or options.all,
        kinds=CORE if options.core else None,
        first_kinds=None if options.all else CORE,
        seeds=range(options.first, options.first + share),
    )
    return _play_all(options, jobs)


def load(name: str) -> Sequence[Case]:
    """Import the cases: ``package.module:NAME``."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, _, attribute = name.partition(":")
    try:
        return tuple(getattr(importlib.import_module(module), attribute or "CASES"))
    except (ModuleNotFoundError, AttributeError) as error:
        sys.exit(f"--cases {name}: {error}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m longshore.testing.simulation")
    add = parser.add_argument
    add("--cases", required=True, metavar="MODULE:NAME", help="a sequence of Case")
    add("--case", default="", metavar="NAME", help="only this one")
    add("--pairs", action="store_true", help="each crash or loss, with a crash after it")
    add("--all", action="store_true", help="pairs: each fault of any kind, with a crash after it")
    add("--core", action="store_true", help="singles: only crashes, lost requests and answers")
    add("--random", type=int, default=0, metavar="N", help="so many histories, over all cases")
    add("--only-random", action="store_true", help="no single faults")
    add("--first", type=int, default=0, metavar="SEED", help="the first of the seeds")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    add("--seed", type=int, metavar="SEED", help="play this one history")
    add("--faults", metavar="12:crash,...", help="with exactly these faults")
    return parser


# ---------------------------------------------------------------------------- many histories


def _play_all(options: argparse.Namespace, jobs: Sequence[Job]) -> int:
    """Play all jobs, in several processes, and sum them up by kind and case."""
    played: dict[tuple[str, str], Tally] = {}
    progress, code = Progress(jobs), 0
    play_one = partial(play_job, partial(load, options.cases))
    try:
        for job, tally in tallies(play_one, jobs, options.jobs, progress):
            _tell_at_once(options.cases, tally)
            known = played.setdefault(job[:2], tally)
            if known is not tally:
                known.join(tally)
    except KeyboardInterrupt:
        code = 130
        _say(f"interrupted after {progress.line().strip()}")
        if progress.first is not None:
            _say(f"go on with --only-random --first {progress.first}")
    for kind in ("points", "pairs", "random"):
        _show(kind, [tally for key, tally in played.items() if key[0] == kind])
    return _tell(options, load(options.cases), played.values()) or code


def _tell_at_once(cases: str, tally: Tally) -> None:
    """Print how to play a broken history again, before it is made small."""
    for (plan, problems), seed in list(zip(tally.failures, tally.seeds, strict=True))[:_SHOWN]:
        _say(f"{tally.case}: {problems[0]}\n  {_command(cases, tally.case, plan, seed)}")


def _show(kind: str, tallies: Sequence[Tally]) -> None:
    if not tallies:
        return
    what = {"points": "each single fault", "pairs": "each pair with a crash", "random": "seeds"}
    _say(f"\n{what[kind]}")
    for tally in tallies:
        _say(tally.line())
    histories = sum(tally.histories for tally in tallies)
    seconds = sum(tally.seconds for tally in tallies)
    faults = sum(tally.faults.total() for tally in tallies)
    broken = sum(len(tally.failures) for tally in tallies)
    _say(
        f"{'all':28} {histories} histories, {faults} faults, {histories / seconds:.0f} histories "
        f"a second of one processor; {broken} broken"
    )


def _tell(options: argparse.Namespace, cases: Sequence[Case], tallies: Iterable[Tally]) -> int:
    """Print the smallest history of each kind of failure, and how to play it again."""
    bad = 0
    for tally in tallies:
        case = next(case for case in cases if case.name == tally.case)
        bad += len(tally.failures)
        for (plan, _), seed in list(zip(tally.failures, tally.seeds, strict=True))[:_SHOWN]:
            smallest = shrink(case, plan, seed)
            _print_one(options.cases, case, smallest, seed)
    return 1 if bad else 0


# ------------------------------------------------------------------------------ one history


def _replay(case: Case, options: argparse.Namespace) -> int:
    plan = None if options.faults is None else _read(options.faults)
    return _print_one(options.cases, case, plan, options.seed)


def _print_one(cases: str, case: Case, plan: Plan | None, seed: int | None) -> int:
    history = play(case, plan, seed=seed)
    problems = broken_promises(case, history)
    _say(f"\n{case.name}: {'; '.join(problems) or 'every promise is kept'}")
    for happened in history.happened:
        _say(f"  {happened.number:4} {happened.fault:12} at {happened.what}")
    _say(f"  {_command(cases, case.name, history.plan, seed)}")
    return 1 if problems else 0


def _command(cases: str, case: str, plan: Plan, seed: int | None) -> str:
    """Return the one line that plays a history again."""
    chosen = ",".join(f"{number}:{fault}" for number, fault in plan.items())
    order = f" --seed {seed}" if seed is not None else ""
    return (
        f"python -m longshore.testing.simulation --cases {cases} "
        f"--case '{case}'{order} --faults '{chosen}'"
    )


def _read(text: str) -> Plan:
    pairs = [pair.partition(":")[::2] for pair in text.split(",") if pair]
    if wrong := [fault for _, fault in pairs if fault not in FAULTS]:
        sys.exit(f"unknown faults: {', '.join(wrong)}; known: {', '.join(FAULTS)}")
    return {int(number): fault for number, fault in pairs}


if __name__ == "__main__":
    sys.exit(main())
