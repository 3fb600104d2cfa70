"""The lives of a run: process after process, until one of them finds nothing left to do."""

from __future__ import annotations

from longshore.errors import IncompatibleState, LongshoreError, StaleEpoch
from longshore.lifecycle import Outcome
from longshore.provider import Provider, ProviderSettings
from longshore.testing.simulation._case import Case
from longshore.testing.simulation._concurrent import Concurrent
from longshore.testing.simulation._process import Maker, Scene, clean_up
from longshore.testing.simulation._sequential import Sequential
from longshore.testing.simulation._world import Crash, Endless, Event, drive

__all__ = ["finish", "live"]

_LIVES = 60
"""Processes that one history may need; more means that it does not end."""

_VAIN = 3
"""Processes in a row that may end with an error although nothing goes wrong any more."""

_RETURNS = 12
"""Looks at the queue of abandoned sessions after the run."""

_SLEEPS = {"crash/hour": 7200.0, "crash/days": 90_000.0}


def live(case: Case, scene: Scene, problems: list[str]) -> int:
    """Start process after process, until one of them finds nothing left to do.

    Args:
        case: what is carried where.
        scene: what outlives a process.
        problems: gets what is wrong with its end.

    Returns:
        How many processes it took.
    """
    world, vain, provider = scene.world, 0, scene.provider
    for life in range(1, _LIVES + 1):
        before = len(world.happened)
        world.stopping = False
        try:
            trouble = _one_life(scene, provider)
        except Endless as error:
            problems.append(str(error))
            return life
        except Crash as crash:
            world.advance(world.time + _SLEEPS.get(str(crash), 1.0))
            provider = _next_provider(case, str(crash), provider)
            if str(crash) == "crash/upgrade":
                _upgraded(scene, provider, problems)
            continue
        if trouble is None and not world.stopping:
            return life
        vain = vain + 1 if len(world.happened) == before else 0
        if vain >= _VAIN:
            words = f"{type(trouble).__name__}: {trouble}"
            problems.append(f"the run ends with {words}, again and again")
            return life
        world.advance(world.time + (60.0 * vain or 1.0))
    problems.append("it does not end")
    return _LIVES


def _next_provider(case: Case, crash: Event, now: Maker) -> Maker:
    """Settings that were changed stay so."""
    changes = crash == "crash/settings" and case.changed is not None
    return case.changed or now if changes else now


def _upgraded(scene: Scene, provider: Maker, problems: list[str]) -> None:
    """Try to go on with another version of the plugin: refused, before anything is sent."""

    def newer() -> Provider[ProviderSettings]:
        made = provider()
        vars(made)["state_version"] = made.state_version + 1
        return made

    try:
        Sequential(scene, newer)
    except IncompatibleState:
        return
    problems.append("what another version of the plugin wrote was accepted")


def _one_life(scene: Scene, provider: Maker) -> LongshoreError | None:
    """Let a process run to its end; return what ended it before its time.

    Raises:
        Crash: the last process ended.
    """
    if scene.world.rng is not None:
        return _together(scene, provider)
    process = Sequential(scene, provider)
    try:
        process.run()
    except LongshoreError as error:
        return error
    finally:
        process.ends()
    return None


def _together(scene: Scene, provider: Maker) -> LongshoreError | None:
    """As one process, unless a second executor starts meanwhile."""
    world, rng = scene.world, scene.world.rng
    assert rng is not None
    first = Concurrent(scene, provider)
    active, last, ended = [first], first, False
    crash: Crash | None = None
    while active:
        if world.rival:
            world.rival = False
            last.ends()
            last = Concurrent(scene, provider)
            active.append(last)
        world.executors = len(active)
        process = active[0] if len(active) == 1 else rng.choice(active)
        try:
            moved = process.turn()
        except Crash as end:
            process.kill()
            active.remove(process)
            crash = end
            continue
        if process.over:
            active.remove(process)
            ended |= process.finished
        elif not moved:
            wakes = min(each.wakes() for each in active)
            if wakes > world.time or len(active) == 1:
                world.advance(wakes)
    last.ends()
    if crash is not None and not ended:
        raise crash
    return None if ended else last.trouble or StaleEpoch("another executor took over")


def finish(scene: Scene, problems: list[str]) -> None:
    """Resume what is unknown, and empty the queue of what was given up; nothing goes wrong now."""
    if any(unit.outcome is Outcome.UNKNOWN for unit in drive(scene.journal.units(scene.run_id))):
        drive(scene.journal.reopen(scene.run_id))
        try:
            _one_life(scene, scene.provider)
        except Endless as error:
            problems.append(str(error))
    if drive(scene.journal.abandoned(scene.run_id)):
        _give_everything_back(scene, problems)


def _give_everything_back(scene: Scene, problems: list[str]) -> None:
    world = scene.world
    try:
        engine = Sequential(scene, scene.provider).engine
        for _ in range(_RETURNS):
            at = drive(clean_up(engine))
            if at is None:
                return
            world.advance(world.time + max(at - world.now(), 0.0))
    except (LongshoreError, Endless) as error:
        problems.append(f"the queue of abandoned sessions stands: {error}")
