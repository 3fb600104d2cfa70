"""Access tokens: got when needed, once for all, before they expire and after a 401."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from longshore.errors import PluginError, Unauthorized
from longshore.provider import (
    Bytes,
    Flow,
    Headers,
    Provider,
    ProviderSettings,
    Request,
    Response,
    Token,
)
from longshore.redaction import Redactor
from longshore.transfer import Driver, Outgoing, Pace, Tally, retry_with_clock


class Granted(Provider):
    """Gets a token for a minute with its key."""

    name = "granted"

    def authorize(self) -> Flow[Token]:
        assert self.settings.api_key is not None
        key = self.settings.api_key.get_secret_value()
        body = Bytes(f"client_secret={key}".encode(), "application/x-www-form-urlencoded")
        reply = yield Request("POST", "/token", body)
        return Token(reply.json()["access_token"], 60.0)


class World:
    """A virtual clock, and a vendor whose tokens are counted."""

    def __init__(self, provider: type[Provider[Any]] = Granted) -> None:
        self.time = 1000.0
        self.asked: list[Outgoing] = []
        self.seen: list[str] = []
        self.valid: Callable[[str], bool] = lambda _token: True
        self.refuse = False
        self.slow = 0.0
        self.grant: bytes | None = None
        self.redactor = Redactor()
        settings = ProviderSettings(api_key=SecretStr("hunter2"), base_url="https://a.example")
        self.driver = Driver(
            provider(settings),
            transport=self,
            clock=self,
            sources=self,  # type: ignore[arg-type]  # no document is sent
            pace=Pace(self),
            retries=retry_with_clock(self),
            rng=random.Random(1),
            learn=self.redactor.learn,
        )

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    async def send(self, outgoing: Outgoing) -> Response:
        await asyncio.sleep(0)
        if outgoing.url.endswith("/token"):
            self.asked.append(outgoing)
            if self.refuse:
                return Response(400, Headers(), b'{"error": "invalid_client"}')
            self.time += self.slow
            if self.grant is not None:
                return Response(200, Headers(), self.grant)
            token = {"access_token": f"token-{len(self.asked)}"}
            return Response(200, Headers(), json.dumps(token).encode())
        bearer = outgoing.headers.get("Authorization", "none")
        self.seen.append(bearer)
        return Response(200 if self.valid(bearer) else 401, Headers(), b"{}")

    def go(self, *requests: Request) -> list[Response]:
        async def all_of() -> list[Response]:
            work = [self.driver.exchange(r, "k", {}, Tally()) for r in requests]
            return list(await asyncio.gather(*work))

        return asyncio.run(all_of())


JOB = Request.post("/jobs", step="job")


def test_one_token_serves_all_that_wait_for_it() -> None:
    """It is asked for once, with the flow's own credentials and without those of ``sign``."""
    world = World()
    world.go(*[JOB] * 5)
    assert [o.headers.get("Authorization") for o in world.asked] == [None]
    assert world.seen == ["Bearer token-1"] * 5


def test_a_token_is_renewed_before_it_expires() -> None:
    """What leaves late has a fresh one."""
    world = World()
    world.go(JOB)
    world.time += 59.0
    world.go(JOB)
    assert world.seen == ["Bearer token-1", "Bearer token-2"]


def test_a_refused_token_is_replaced_once() -> None:
    """A vendor that gives tokens up early costs one try, also of a request that goes once."""
    world = World()
    world.go(JOB)
    world.valid = lambda bearer: bearer != "Bearer token-1"
    assert [reply.status for reply in world.go(JOB, JOB)] == [200, 200]
    assert len(world.asked) == 2
    world.valid = lambda _bearer: False
    assert [reply.status for reply in world.go(JOB)] == [401]


def test_without_a_token_the_account_is_refused() -> None:
    """Whatever status the vendor says it with; the message says what was wanted."""
    world = World()
    world.refuse = True
    with pytest.raises(Unauthorized, match=r"no access token: the vendor refused .400.") as refused:
        world.go(JOB)
    assert refused.value.hint
    assert world.seen == []


def test_a_token_that_is_over_when_it_comes_is_not_asked_for_without_end() -> None:
    """A vendor may say 0, or its clock be ahead of ours: somebody goes, and a 401 tells."""

    class Short(Granted):
        def authorize(self) -> Flow[Token]:
            return Token((yield from super().authorize()).value, 0.0)

    world = World(Short)
    world.slow = 3.0
    assert [reply.status for reply in world.go(JOB, JOB)] == [200, 200]
    assert len(world.asked) == 1


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"<html>", Unauthorized, "no access token"),
        (b"{}", PluginError, "authorize broke off: KeyError"),
    ],
)
def test_an_answer_without_a_token_blames_no_batch(
    body: bytes, error: type[Exception], words: str
) -> None:
    """Nothing of the batch left, so nothing of it may be at work."""
    world = World()
    world.grant = body
    with pytest.raises(error, match=words):
        world.go(JOB)
    assert world.seen == []


def test_a_token_is_hidden() -> None:
    """Neither its text form nor a text that repeats it shows the value."""
    world = World()
    world.go(JOB)
    assert repr(Token("token-1", 60.0)) == "Token(seconds=60.0)"
    assert "token-1" not in world.redactor.text("the vendor says token-1")


def test_an_absolute_address_gets_no_token() -> None:
    """It is not asked for either."""
    world = World()
    world.go(Request.get("https://files.example/a"))
    assert (world.asked, world.seen) == ([], ["none"])


def test_a_flow_that_returns_something_else_is_named() -> None:
    """And one that yields what may not simply be repeated."""

    class Texting(Granted):
        def authorize(self) -> Any:
            yield Request.get("/token")
            return "token"

    class Acting(Granted):
        def authorize(self) -> Flow[Token]:
            yield JOB
            raise NotImplementedError

    for wrong, words in ((Texting, "returns a Token, not str"), (Acting, "that are SAFE")):
        with pytest.raises(PluginError, match=words):
            World(wrong).go(JOB)
