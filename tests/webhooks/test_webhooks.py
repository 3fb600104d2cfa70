"""Deliveries: known by their token, answered all alike, and nothing but a reason to poll sooner."""

from __future__ import annotations

import asyncio
import hmac
import stat
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import JsonValue, SecretStr

from longshore.capabilities import Capabilities, PollSchedule
from longshore.journal import ChangeUnit, MemoryJournal
from longshore.lifecycle import Batch, Outcome, Session, Transfer
from longshore.pipeline import execute, hook_key, token_of
from longshore.provider import Flow, Json, Remedy, Request
from longshore.redaction import redact_text
from longshore.transfer import Outgoing
from longshore.webhooks import Receiver, Result, Signature, address_of, app
from tests.pipeline.support import Acme, AcmeSettings, World, calm, hasty

FLOOR = 0.3
"""Seconds between two polls at least, in the live run below."""


class HookSettings(AcmeSettings):
    hook: str = "https://hooks.example/longshore/{token}"


class Hooked(Acme):
    """Registers an address with each session; polls rarely unless it is woken."""

    name = "hooked"
    Settings = HookSettings
    webhook_setting = "hook"

    def capabilities(self) -> Capabilities:
        polls = PollSchedule(floor=FLOOR, interval=600.0, longest=600.0)
        return super().capabilities().model_copy(update={"polls": polls})

    def start(self, batch: Batch) -> Flow[Session]:
        body = Json({"hook": batch.callback})
        reply = yield Request.post("/start", body, step="start", lost=Remedy.RESTART)
        whole = Transfer.whole(batch, "1")
        return Session(transfers=(whole,), data={"id": reply.json()["id"]})


class Door:
    """The application over a journal with one batch whose job runs."""

    def __init__(self, **arguments: Any) -> None:
        self.world = calm(Hooked)
        self.results: list[Result] = []
        self.receiver = Receiver(
            self.world.journal,
            told=lambda result, _run, _batch: self.results.append(result),
            **arguments,
        )
        transport = httpx.ASGITransport(app=app(receiver=self.receiver, most=1000))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://hooks.example")

    async def open(self, **changes: object) -> None:
        await self.world.plan([4])
        (taken,) = await self.world.journal.take("b0000")
        change = ChangeUnit({"job_id": "job-1", **changes})
        await self.world.journal.commit("b0000", taken.unit.epoch, [change])

    @property
    def path(self) -> str:
        return "/longshore/" + token_of(hook_key(self.world.journal), "b0000")

    async def post(self, path: str, body: bytes = b"{}", **headers: str) -> httpx.Response:
        reply = await self.client.post(path, content=body, headers=headers)
        await self.receiver.settled()
        return reply

    async def mail(self) -> list[tuple[str, JsonValue]]:
        return [(message.verb, message.body) for message in await self.world.journal.mail("run")]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    await made.open()
    async with made.client:
        yield made


async def test_a_delivery_leaves_a_wake_for_its_batch(door: Door) -> None:
    """Whatever it says, it is a hint: the run's executor polls."""
    reply = await door.post(door.path, b'{"status": "completed"}')

    assert reply.status_code == 204
    assert await door.mail() == [("wake", {"unit": "b0000"})]


async def test_replays_out_of_order_change_nothing(door: Door) -> None:
    """Twice, thrice, the older one last: one wake is left until it is read."""
    for body in (b'{"status":"completed"}', b'{"status":"processing"}', b'{"status":"completed"}'):
        await door.post(door.path, body)

    assert await door.mail() == [("wake", {"unit": "b0000"})]
    assert door.results == [Result.WOKEN, Result.WAITING, Result.WAITING]


async def test_nobody_learns_which_tokens_are_known(door: Door) -> None:
    """A known token, a forged one, none at all: the same answer to the last byte."""
    forged = "b0000." + "A" * 43
    stranger = token_of(hook_key(door.world.journal), "b9999")
    replies = [
        await door.post(path)
        for path in (door.path, f"/{forged}", f"/{stranger}", "/", "/\N{SNOWMAN}", f"/{'x' * 3000}")
    ]

    assert {(r.status_code, r.content, tuple(r.headers.items())) for r in replies} == {
        (204, b"", (("cache-control", "no-store"),))
    }
    assert await door.mail() == [("wake", {"unit": "b0000"})]
    assert door.results == [Result.WOKEN, *[Result.STRANGE] * 5]


async def test_the_answer_does_not_wait_for_what_follows(door: Door) -> None:
    """The time until the answer tells nothing about the token either."""
    reply = await door.client.post(door.path)

    assert (reply.status_code, door.results) == (204, [])
    await door.receiver.settled()


async def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    """Declared or streamed: it is not read to its end, whosever token it is."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 300

    sent: list[int] = []
    streamed = await door.client.post(door.path, content=stream())
    declared = await door.post(door.path, b"x" * 1001)
    unknown = await door.post("/nobody", b"x" * 1001)

    assert [streamed.status_code, declared.status_code, unknown.status_code] == [413, 413, 413]
    assert (len(sent), await door.mail()) == (4, [])


async def test_what_is_over_is_not_woken() -> None:
    """A late delivery for a batch that succeeded leaves nothing behind."""
    door = Door()
    await door.open(outcome=Outcome.SUCCEEDED, settled=True)
    await door.post(door.path)

    assert (door.results, await door.mail()) == ([Result.OVER], [])


async def test_a_late_delivery_is_no_false_alarm() -> None:
    """The secrets of a batch that is over are deleted: nothing can be said about its signature."""
    how = Signature(header="X-Signature", secret=(SecretStr("session:webhook"),))
    door = Door(signatures={"hooked": how})
    await door.open(outcome=Outcome.SUCCEEDED, settled=True)
    await door.post(door.path, b"body", **{"X-Signature": _hmac(b"its secret", b"body")})

    assert (door.results, await door.mail()) == ([Result.OVER], [])


async def test_a_signature_is_checked_where_one_is_told() -> None:
    """A wrong one is answered like a right one, and wakes nobody."""
    how = Signature(header="X-Signature", secret=(SecretStr("s3cret-1"),), prefix="sha256=")
    door = Door(signatures={"hooked": how})
    await door.open()
    good = "sha256=" + _hmac(b"s3cret-1", b"body")
    replies = [
        await door.post(door.path, b"body"),
        await door.post(door.path, b"body", **{"X-Signature": "sha256=" + "0" * 64}),
        await door.post(door.path, b"other", **{"X-Signature": good}),
        await door.post(door.path, b"body", **{"X-Signature": good}),
    ]

    assert {reply.status_code for reply in replies} == {204}
    assert door.results == [*[Result.UNSIGNED] * 3, Result.WOKEN]


async def test_a_told_that_fails_loses_no_delivery(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that prints where nobody reads any more; the end is in order, too."""

    def told(_result: Result, _run: str, _batch: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(door.receiver, "_told", told)
    await door.post("/longshore/nobody")
    await door.post(door.path)
    await door.receiver.aclose()

    assert await door.mail() == [("wake", {"unit": "b0000"})]
    assert door.receiver.counts == {Result.STRANGE: 1, Result.WOKEN: 1}


async def test_a_flood_is_dropped_not_kept(door: Door) -> None:
    """What is waiting to be dealt with is bounded."""
    for _ in range(400):
        door.receiver.take("x", [], b"")
    await door.receiver.settled()

    assert door.receiver.counts == {Result.STRANGE: 256, Result.DROPPED: 144}


def _hmac(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, "sha256").hexdigest()


# -------------------------------------------------------------------- one address for a target


async def test_an_address_of_a_target_finds_batches_by_their_jobs(door: Door) -> None:
    """Wherever the vendor's id stands in the delivery; other ids and other targets do nothing."""
    url = address_of(door.world.journal, "hooked", "http://hooks.example/x/")
    other = address_of(door.world.journal, "other", "http://hooks.example/x/")
    body = b'{"id": "evt_1", "upload": {"tasks": [{"of": ["job-1"]}], "n": 1, "t": null}}'
    replies = [
        await door.post(other, body),
        await door.post(url, b'{"id": "job-2"}'),
        await door.post(url, b"no JSON"),
        await door.post(url, b"[" * 900),
        await door.post(url, body),
        await door.post(url, body),
    ]

    assert {reply.status_code for reply in replies} == {204}
    assert door.results == [*[Result.STRANGE] * 4, Result.WOKEN, Result.WAITING]
    assert await door.mail() == [("wake", {"unit": "b0000"})]


async def test_a_delivery_for_a_target_must_be_signed_where_that_is_told() -> None:
    """With a static token, for example."""
    how = Signature(
        header="Authorization", secret=(SecretStr("tok-123"),), algorithm="plain", prefix="Bearer "
    )
    door = Door(signatures={"hooked": how})
    await door.open()
    url = address_of(door.world.journal, "hooked", "http://hooks.example")
    await door.post(url, b'["job-1"]', Authorization="Bearer tok-124")
    await door.post(url, b'["job-1"]', Authorization="Bearer tok-123")

    assert door.results == [Result.UNSIGNED, Result.WOKEN]


# ------------------------------------------------------------------------------- a live run


async def test_a_live_run_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll that was planned in ten minutes comes now, yet never below the vendor's floor."""
    monkeypatch.setattr("longshore.pipeline._executor._TICK", 0.05)
    world = World(Hooked(HookSettings(timeout=0.5)), clock=hasty().clock)
    await world.plan([4])
    world.vendor.states = ["busy", "busy", "done"]
    receiver = Receiver(world.journal)
    polls: list[float] = []
    registered: list[str] = []

    def watch(outgoing: Outgoing) -> None:
        if outgoing.url.endswith("/start"):
            body = b"".join(s for s in outgoing.body.segments if isinstance(s, bytes))
            registered.append(body.decode().partition("longshore/")[2].rstrip('"}'))
        if "/jobs/" in outgoing.url:
            polls.append(world.clock.now())
            for _ in range(2):  # each status is delivered twice
                receiver.take(registered[0], [], b"anything")

    world.vendor.on_request = watch
    report = await asyncio.wait_for(
        execute(world.journal, world.target(), await world.journal.run("run"), world.environment()),
        20,
    )
    await receiver.settled()

    assert report.outcomes == {Outcome.SUCCEEDED: 1}
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    assert len(gaps) == 2
    assert all(FLOOR <= gap < 10 for gap in gaps)


# ---------------------------------------------------------------------------- tokens and key


async def test_each_batch_has_a_token_of_its_own() -> None:
    """Made from the batch's id and the journal's key; another journal makes another."""
    one, other = MemoryJournal(), MemoryJournal()
    key = hook_key(one)

    assert token_of(key, "b1") == token_of(hook_key(one), "b1")
    assert len({token_of(key, "b1"), token_of(key, "b2"), token_of(hook_key(other), "b1")}) == 3


def test_the_key_of_a_journal_file_is_ours_alone(tmp_path: Path) -> None:
    """It lies beside the journal with mode 0600, whoever made it first."""

    class File:
        path = tmp_path / "journal.db"

    keys: Any = File()
    key = hook_key(keys)
    file = tmp_path / "journal.db-hooks"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)

    assert hook_key(keys) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db-hooks"]


async def test_a_token_is_redacted_wherever_it_turns_up() -> None:
    """A vendor may quote the address in an error."""
    for id in ("0123456789abcdef", "to-my-target"):
        token = token_of(b"k" * 32, id)
        assert redact_text(f"https://x.example/{token} is not reachable") == (
            "https://x.example/REDACTED is not reachable"
        )


async def test_an_address_without_a_place_for_a_token_stays_as_it_is() -> None:
    """Somebody else's receiver gets what the setting says, and no key is made."""
    world = World(Hooked(HookSettings(hook="https://mine.example/x")), clock=hasty().clock)
    from longshore.pipeline._hooks import hooks_of

    hooks = hooks_of(world.journal, world.provider)

    assert hooks is not None
    assert (hooks.url("b1"), hooks.key) == ("https://mine.example/x", b"")
