"""Ctrl-C while the sync client works: what runs in its thread ends before the caller goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from longshore import Client
from longshore.client._portal import call
from longshore.lifecycle import Outcome
from longshore.provider import Response
from longshore.transfer import Outgoing
from tests.client.conftest import Ear, arguments
from tests.pipeline.support import Vendor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to a thread")


def ctrl_c() -> None:
    """Interrupt the main thread, as a terminal does."""
    identity = threading.main_thread().ident
    assert identity is not None
    signal.pthread_kill(identity, signal.SIGINT)


class Slow(Vendor):
    """A vendor whose first answer to a kind of request comes late, or never.

    Ctrl-C comes when it has the request.
    """

    def __init__(self, late: str, **given: Any) -> None:
        super().__init__(**given)
        self.waiting = False
        self.be_late(late)

    def be_late(self, method: str) -> None:
        """Answer the next request of this kind late."""
        self.late: str | None = method
        self._comes = asyncio.Event()

    def let_go(self) -> None:
        """Give the late answer."""
        self._comes.set()

    async def send(self, outgoing: Outgoing) -> Response:
        """Answer, sooner or later."""
        if outgoing.method == self.late:
            self.late = None
            self.waiting = True
            ctrl_c()
            try:
                await self._comes.wait()
            finally:
                self.waiting = False
        return await super().send(outgoing)


def test_ctrl_c_lets_requests_in_flight_end(tmp_path: Path, files: Any) -> None:
    """Their answers are kept: nothing is unknown, and nothing is sent twice afterwards."""
    vendor = Slow("POST")
    ear = Ear(vendor.let_go)
    given = arguments(tmp_path, vendor, listener=ear, concurrency=1)
    with pytest.raises(KeyboardInterrupt), Client("one", **given) as client:
        client.upload(files(4, 5, 6))
    assert vendor.count("POST") == 1
    vendor.be_late("POST")
    with pytest.raises(KeyboardInterrupt), Client("one", **given) as client:
        client.resume(ear.run_id)
    assert vendor.count("POST") == 2
    with Client("one", **given) as client:
        report = client.resume(ear.run_id)
    assert (report.exit_code, report.outcomes) == (0, {Outcome.SUCCEEDED: 3})
    assert vendor.count("POST") == 3


def test_ctrl_c_lets_the_request_of_a_step_end(tmp_path: Path, files: Any) -> None:
    """The step is not done, but the answer that came is kept: the next call sends nothing twice."""
    vendor = Slow("POST")
    given = arguments(tmp_path, vendor, listener=Ear(vendor.let_go))
    with Client("one", **given) as client:
        upload = client.start(files(4))
        with pytest.raises(KeyboardInterrupt):
            client.send(upload)
        upload = client.complete(client.send(upload))
    assert (upload.sent, upload.outcome, vendor.count("POST")) == (1, Outcome.RUNNING, 1)


def test_a_second_ctrl_c_waits_for_nothing(tmp_path: Path, files: Any) -> None:
    """Whatever is in flight is given up, as when the process is killed."""
    vendor = Slow("POST")
    ear = Ear(ctrl_c)
    given = arguments(tmp_path, vendor, listener=ear)
    with Client("one", **given) as client:
        with pytest.raises(KeyboardInterrupt):
            client.upload(files(4))
        assert not vendor.waiting
        report = client.resume(ear.run_id)
    assert report.outcomes == {Outcome.UNKNOWN: 1}  # nobody can ask this vendor


def test_ctrl_c_ends_a_step(tmp_path: Path, files: Any) -> None:
    """`wait` does not go on polling for nobody; the client works on."""
    vendor = Slow("GET", states=["busy", "done"])
    with Client("acme", **arguments(tmp_path, vendor)) as client:
        upload = client.complete(client.send(client.start(files(4))))
        with pytest.raises(KeyboardInterrupt):
            client.wait(upload)
        assert not vendor.waiting
        assert client.poll(upload).outcome is Outcome.RUNNING
        assert client.wait(upload).outcome is Outcome.SUCCEEDED


def test_a_step_that_ctrl_c_ended_can_be_taken_again(
    tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is free again, and what had arrived is not sent twice."""
    monkeypatch.setattr("longshore.pipeline._executor.GRACE", 0.01)
    vendor = Slow("PUT")
    with Client("acme", **arguments(tmp_path, vendor)) as client:
        upload = client.start(files(10))
        with pytest.raises(KeyboardInterrupt):
            client.send(upload)
        assert not vendor.waiting
        upload = client.complete(client.send(upload))
    assert (upload.sent, upload.job is not None) == (3, True)
    assert vendor.arrived == {"s1/1": 1, "s1/2": 1, "s1/3": 1}


@pytest.mark.parametrize("scheduled", [True, False])
def test_an_interrupt_while_a_work_is_handed_over_leaves_nothing_behind(
    scheduled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the loop has it by then: it ends, or does not begin."""
    log: list[str] = []

    async def work() -> None:
        log.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    with start_blocking_portal() as portal:
        hand_over = portal.start_task_soon

        def interrupted(function: Any, *arguments: Any, **more: Any) -> Any:
            if function.__name__ != "run":
                return hand_over(function, *arguments, **more)
            if scheduled:
                hand_over(function, *arguments, **more)
            raise KeyboardInterrupt

        monkeypatch.setattr(portal, "start_task_soon", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call(portal, work)
        assert log == (["began", "ended"] if scheduled else [])
