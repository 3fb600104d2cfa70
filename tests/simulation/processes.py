"""Runs of one journal, one process of theirs after another: killed, and gone on with."""

from __future__ import annotations

import pytest

from longshore.lifecycle import Outcome
from longshore.sandbox import Recorder
from longshore.testing.simulation import (
    Case,
    Crash,
    MemorySources,
    SimulatedJournal,
    World,
    drive,
    play,
)
from longshore.testing.simulation._process import Scene
from longshore.testing.simulation._sequential import Sequential
from longshore.testing.simulation._watch import Watch


def runs(case: Case, *names: str, file: str = "") -> list[Scene]:
    """Plan a case's one document several times: a run each, which names its file unless given."""
    world = World()
    watch, vendor = Watch(world), Recorder(case.vendor())
    journal = SimulatedJournal(world, watch)
    ((_, content),) = case.documents
    ((planned, (record,)),) = case.planned.units
    scenes = []
    for name in names:
        document = record.document.changed({"id": f"d-{name}", "name": file or f"{name}.pdf"})
        unit = planned.changed({"id": f"b-{name}", "run_id": name})
        drive(journal.create_run(case.planned.run.changed({"id": name})))
        changes = {"document": document, "run_id": name, "unit_id": unit.id}
        drive(journal.enqueue([unit], [record.changed(changes)]))
        sources = MemorySources({document.id: content})
        scenes.append(Scene(world, journal, vendor, sources, watch, name, case.provider))
    return scenes


def point(case: Case, beginning: str) -> int:
    """Return the number of the last point of a case that begins like this."""
    return max(n for n, what in enumerate(play(case).log, 1) if what.startswith(beginning))


def later_point(case: Case, killed_at: str, part: str) -> int:
    """Return the number of the first such point of the process that goes on after a kill."""
    (rehearsal,) = runs(case, "one")
    kill(rehearsal, point(case, killed_at))
    begins = len(rehearsal.world.log)
    resume(rehearsal)
    return next(n for n, what in enumerate(rehearsal.world.log[begins:], 1) if part in what)


def kill(scene: Scene, point: int) -> None:
    """Begin a run in a process that ends at a point of it."""
    world = scene.world
    world.plan = {len(world.log) + point: "crash"}
    process = Sequential(scene, scene.provider)
    with pytest.raises(Crash):
        process.run()
    process.ends()
    world.plan = {}


def resume(scene: Scene) -> Outcome:
    """Go on with a run in a fresh process, and say how its document stands then."""
    run = drive(scene.journal.run(scene.run_id))
    drive(scene.journal.reopen(scene.run_id, sooner=run.alive_at - scene.world.now()))
    process = Sequential(scene, scene.provider)
    process.run()
    process.ends()
    ((_, record),) = drive(scene.journal.documents(scene.run_id))
    return record.outcome


def held(scene: Scene) -> list[str]:
    """Return the names of the documents that the vendor holds."""
    return sorted(held["name"] for held in scene.vendor.state(scene.world.time)["documents"])
