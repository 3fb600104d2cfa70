"""Secrets of sessions: hidden while their batches are in memory, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from longshore.lifecycle import Batch, Outcome, Session
from longshore.pipeline import Executor, RunOptions, _active, _executor, advance, cancel_run
from longshore.provider import Flow
from longshore.transfer import Outgoing
from tests.pipeline.support import Acme, calm, hasty

pytestmark = pytest.mark.usefixtures("short")

_JOBS = 100


class Secretive(Acme):
    """Gives each session a secret of its own."""

    def start(self, batch: Batch) -> Flow[Session]:
        """Begin a session."""
        session = yield from super().start(batch)
        return session.changed({"secrets": {"token": f"opensesame-{session.data['id']}-"}})


@pytest.mark.parametrize("room", [0, _JOBS])
async def test_a_secret_is_hidden_as_long_as_its_batch_is_in_memory(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Also where jobs are asked about in turn, whether they are kept between polls or read again.

    To hide all secrets for ever would cost more and more.
    """
    monkeypatch.setattr(_executor, "_KEEP", 0.0)
    monkeypatch.setattr(_active, "_KEPT", room)
    world = hasty(Secretive)
    world.vendor.states = ["busy", "busy", "busy", "done"]
    await world.plan(*[[4]] * _JOBS, concurrency=4)
    engine = await world.engine()
    hidden: list[bool] = []

    def look(outgoing: Outgoing) -> None:
        _, job, session = outgoing.url.rpartition("/jobs/job-")
        if job:
            secret = f"opensesame-{session}-"
            hidden.append(secret not in engine.redactor.text(f"it says {secret}"))

    world.vendor.on_request = look
    await Executor(engine, RunOptions(concurrency=4), asyncio.Event()).run()
    assert await world.journal.outcomes("run") == {Outcome.SUCCEEDED: _JOBS}
    assert (len(hidden), all(hidden)) == (4 * _JOBS, True)
    told = [engine.redactor.text(f"opensesame-s{n}-") for n in range(1, _JOBS + 1)]
    assert told == [f"opensesame-s{n}-" for n in range(1, _JOBS + 1)]


async def test_to_cancel_many_batches_is_to_hide_the_secrets_of_one_at_a_time() -> None:
    """A run of 100,000 jobs would else be cancelled slower and slower."""
    world = calm(Secretive)
    await world.plan(*[[4]] * 3)
    began = await world.engine()
    for number in range(3):
        await advance(f"b{number:04}", engine=began, until=lambda unit: unit.job is not None)
    engine = await world.engine()
    hidden: list[list[bool]] = []

    def look(_: Outgoing) -> None:
        secrets = [f"opensesame-s{number}-" for number in range(1, 4)]
        hidden.append([engine.redactor.text(secret) != secret for secret in secrets])

    world.vendor.on_request = look
    await cancel_run(engine)
    assert hidden == [[n == batch for n in range(3)] for batch in range(3)]
    assert await world.outcomes() == ["cancelled"] * 3
