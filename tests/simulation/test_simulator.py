"""The simulator itself: the same seed is the same history, and a failure can be made small."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from longshore.capabilities import Rate
from longshore.journal import DropFacts, FactKind, MemoryJournal, PutFact, Write
from longshore.sandbox import Call, Reply
from longshore.testing.simulation import (
    FAULTS,
    SimulatedTransport,
    Tally,
    World,
    broken_promises,
    drive,
    enumerate_points,
    enumerate_seeds,
    faults_at,
    play,
    shrink,
)
from longshore.testing.simulation.__main__ import main
from longshore.testing.simulation._many import Progress, jobs_of
from longshore.testing.simulation._watch import Watch
from tests.simulation import minimal
from tests.simulation.cases import CASES

HELD, KEYED, PARTED = minimal.CASES


def test_a_seed_is_one_history() -> None:
    """Point for point, fault for fault, whatever was played before."""
    for case in (PARTED, CASES[0]):
        one, other = play(case, seed=17), play(case, seed=17)
        assert one.log == other.log
        assert one.plan == other.plan
        assert one.documents == other.documents


def test_seeds_are_different_histories() -> None:
    """The order of things is the seed's."""
    logs = {tuple(play(CASES[4], seed=seed, chance=False).log) for seed in range(10)}
    assert len(logs) > 5


def test_a_history_is_played_again_from_its_plan() -> None:
    """What chance chose, given as a plan, leads to the same end."""
    first = next(h for seed in range(50) if len((h := play(PARTED, seed=seed)).happened) > 2)
    again = play(PARTED, first.plan, seed=first.seed)
    assert again.log == first.log
    assert again.happened == first.happened


def test_every_fault_comes_true() -> None:
    """Chance leaves nothing out; the rarest are played alone."""
    seen = set(enumerate_seeds(PARTED, range(300)).faults)
    case = next(case for case in CASES if case.name == "geolens/multipart")
    seen |= set(enumerate_points(case, frozenset({"etag", "expired", "deleted"})).faults)
    assert set(FAULTS) - seen == set()


def test_every_fault_has_a_place() -> None:
    """Each stands at some point, and nothing stands there that has no meaning."""
    points = (
        "before commit PutFact", "request once POST https://x/y file",
        "request idempotent PUT https://x/y file signed", "answer idempotent PUT https://x/y etag",
    )  # fmt: skip
    found = {fault for point in points for fault in faults_at(point)}
    assert found == set(FAULTS)


def test_a_second_executor_takes_over_at_any_point() -> None:
    """It does all that is left while the first one stands still, which then learns so."""
    calm = play(PARTED)
    middle = calm.log.index("after take b0") + 1
    overtaken = play(PARTED, {middle: "rival"})
    assert [unit.epoch for unit in overtaken.units] > [unit.epoch for unit in calm.units]
    for number in range(1, len(calm.log) + 1):
        history = play(PARTED, {number: "rival"})
        assert history.watch.lives > calm.watch.lives
        assert broken_promises(PARTED, history) == []


def test_a_request_that_may_not_come_twice_is_never_delivered_twice() -> None:
    """A network that doubles such a request is beyond anyone's means."""
    assert "twice" not in faults_at("request once POST https://x/y")
    assert "429!" not in faults_at("answer once POST https://x/y")


def test_a_failure_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many faults the one remains without which no promise breaks."""
    commit = MemoryJournal.commit

    async def forgetful(
        self: MemoryJournal, unit: str, epoch: int, writes: Sequence[Write]
    ) -> None:
        kept = [
            write
            for write in writes
            if not (isinstance(write, PutFact) and write.fact.kind is FactKind.INTENT)
            or isinstance(write, DropFacts)
        ]
        await commit(self, unit, epoch, kept)

    monkeypatch.setattr(MemoryJournal, "commit", forgetful)
    log = play(HELD).log
    answer = 1 + next(n for n, what in enumerate(log) if what.startswith("answer once"))
    plan = {3: "back", answer: "crash", answer + 4: "stop", answer + 9: "jump"}
    assert broken_promises(HELD, play(HELD, plan)) != []
    assert shrink(HELD, plan) == {answer: "crash"}


def test_time_passes_while_a_coroutine_sleeps() -> None:
    """And what was to happen meanwhile has happened."""
    world = World()
    begun, came = world.time, []
    world.at(begun + 5, lambda: came.append(world.time - begun))

    async def sleep() -> float:
        await world.sleep(9.0)
        return world.now() - begun

    assert drive(sleep()) == 9.0
    assert came == [5.0]


@pytest.mark.parametrize("logger", ["longshore.somewhere", "stamina", "somebody.else"])
def test_a_secret_in_a_log_line_is_found(logger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs it, at whatever level, and also as a part of a traceback."""
    deliver = SimulatedTransport._deliver

    def talkative(self: SimulatedTransport, call: Call, **more: Any) -> Reply:
        try:
            int(call.headers.get("authorization", ""))
        except ValueError:
            logging.getLogger(logger).debug("it happened", exc_info=True)
        return deliver(self, call, **more)

    monkeypatch.setattr(SimulatedTransport, "_deliver", talkative)
    case = CASES[0]
    assert [p for p in broken_promises(case, play(case)) if "a secret is shown" in p] != []


def test_loggers_are_left_as_they_were() -> None:
    """What a history hears it hears alone."""
    loggers = [logging.getLogger(name) for name in ("", "longshore", "httpx", "stamina")]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    play(PARTED)
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before


def test_an_early_poll_is_found_over_two_processes() -> None:
    """The floor counts from the last status in the journal, whoever wrote it."""
    world = World()
    watch = Watch(world)
    watch.lives = 1
    watch.heard("b", world.now())
    watch.lives = 2
    world.advance(world.time + 3.0)
    watch.polls("b", floor=5.0, life=2, overtaken=False)
    assert watch.problems == ["the job of b was polled 3.0 s after the last time"]


def test_an_older_process_may_overtake_a_younger_one() -> None:
    """It was kept waiting, takes the batch last, and finishes a part that the other sends, too."""
    fleet = next(case for case in CASES if case.name == "subworkflow/fleet")
    plan = {3: "429/date", 4: "504", 5: "429", 6: "rival"}
    assert broken_promises(fleet, play(fleet, plan, seed=1180871)) == []


@pytest.mark.parametrize("read_rate", [None, Rate(requests=2, seconds=1.0)])
def test_reads_that_are_counted_apart_crowd_nobody_else(read_rate: Rate | None) -> None:
    """Two writes and two reads in a second: too many for one count of three."""
    watch = Watch(World())
    watch.lives = 1
    for word in ("once", "safe", "keyed", "safe"):
        watch.leaves("b", 1, word=word, signed=False)
    told = list(watch.crowded(Rate(requests=3, seconds=1.0), read_rate))
    assert len(told) == (1 if read_rate is None else 0)
    watch.leaves("b", 1, word="safe", signed=False)
    told = list(watch.crowded(None, read_rate))
    assert told == ([] if read_rate is None else ["3 requests within 0.00 s; allowed: 2 in 1 s"])


@pytest.mark.parametrize("skew", [0.0, 7200.0])
def test_a_window_may_be_crowded_after_our_clock_has_jumped(skew: float) -> None:
    """What waited for its moment leaves beside what comes; without a jump nothing may."""
    world = World()
    watch = Watch(world)
    watch.lives = 1
    watch.leaves("b", 1, word="once", signed=False)
    world.skew = skew
    for _ in range(3):
        world.advance(world.time + 5.0)
        watch.leaves("b", 1, word="once", signed=False)
    assert len(list(watch.crowded(Rate(requests=2, seconds=60.0), None))) == (skew == 0.0)


def test_polls_without_an_answer_are_counted() -> None:
    """One early poll for each process that ended with an answer in its hands, and no more."""
    world = World()
    watch = Watch(world)
    for life in (1, 2, 3):
        world.advance(world.time + 1.0)
        watch.polls("b", floor=5.0, life=life, overtaken=False)
    assert watch.problems == []
    assert list(watch.hurried(2)) == []
    assert list(watch.hurried(1)) == ["the job of b was polled early 2 times after 1 faults"]


def test_progress_is_told_now_and_then() -> None:
    """With counts, speed and the seed below which everything was played."""
    jobs = jobs_of(
        minimal.CASES, points=True, pairs=False, seeds=range(500), kinds=None, first_kinds=None
    )
    time = [0.0]
    progress = Progress(jobs, lambda: time[0])
    assert progress.first == 0
    for job in jobs:
        if job.begin == 0:
            time[0] += 1.0
            progress.add(job, Tally(job.case, histories=100))
    assert progress.first == 250
    assert progress.line() == (
        "    6 s: 600 histories, 100 a second, 6 of 9 jobs, 0 broken; all seeds below 250 are done"
    )


def test_the_command_line_plays_a_history(capsys: pytest.CaptureFixture[str]) -> None:
    """One line replays it, and says what happened."""
    where = ["--cases", "tests.simulation.minimal:CASES", "--case", "minimal/keyed"]
    assert main([*where, "--faults", "13:lost"]) == 0
    said = capsys.readouterr().out
    assert "every promise is kept" in said
    assert "13 lost" in said
    assert "--case 'minimal/keyed' --faults '13:lost'" in said


def test_the_command_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Singles and seeds, summed up."""
    where = ["--cases", "tests.simulation.minimal:CASES", "--case", "minimal/held", "--core"]
    assert main([*where, "--random", "20", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "each single fault" in said
    assert "20 histories" in said
    assert "0 broken" in said


@pytest.mark.parametrize("name", ["tests.simulation.minimal:NONE", "tests.nowhere:CASES"])
def test_cases_that_are_not_there_are_told(name: str) -> None:
    """In words, not as a traceback."""
    with pytest.raises(SystemExit, match=f"--cases {name}: "):
        main(["--cases", name])
