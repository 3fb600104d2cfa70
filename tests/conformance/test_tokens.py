"""A provider whose credential is a token that expires passes the kit and every single fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from longshore.lifecycle import Outcome
from longshore.provider import Bytes, Flow, Request, Token
from longshore.sandbox import Call, Reply, route
from longshore.testing.conformance import Kit, run_checks
from longshore.testing.simulation import enumerate_points
from tests.conformance.acme import MODES, Acme, kit_of
from tests.conformance.acme_sandbox import AcmeSandbox

LIFE = 2.0


class Door(AcmeSandbox):
    """Acme, for who has a token of the last two seconds."""

    def __init__(self, assumptions: Mapping[str, Any] | None = None) -> None:
        super().__init__(assumptions)
        self.tokens: dict[str, float] = {}

    @route("POST", "/token", guarded=False)
    def grant(self, call: Call, now: float) -> Reply:
        """Give a token."""
        if b"key-123456" not in call.body.read() or call.bearer:
            return Reply.json(400, {"message": "invalid_client"})
        token = self.new_token("at-")
        self.tokens[token] = now + LIFE
        return Reply.json(200, {"access_token": token})

    def guard(self, call: Call, now: float) -> Reply | None:
        """Ask for a token that holds."""
        if self.tokens.get(call.bearer, 0.0) <= now:
            return Reply.json(401, {"message": "who are you?"})
        return None


class Visitor(Acme):
    """Gets its tokens with its key."""

    def authorize(self) -> Flow[Token]:
        assert self.settings.api_key is not None
        secret = self.settings.api_key.get_secret_value()
        form = Bytes(f"client_secret={secret}".encode(), "application/x-www-form-urlencoded")
        reply = yield Request("POST", "/token", form)
        return Token(reply.json()["access_token"], LIFE)


class Texting(Visitor):
    """Returns what is no token."""

    def authorize(self) -> Any:
        return (yield from super().authorize()).value


def kit(provider: type[Acme]) -> Kit:
    """Return the kit with the other sandbox."""
    return replace(kit_of(provider, MODES[1:]), sandbox=Door)


def test_it_passes_the_kit() -> None:
    """Tokens that run out in the middle of everything are nobody's trouble."""
    ended = run_checks(kit(Visitor))
    assert [c for c in ended if c.outcome == "failed"] == []


def test_no_single_fault_is_felt() -> None:
    """Nor does a crash or a lost answer anywhere lose or double anything."""
    its = kit(Visitor)
    tally = enumerate_points(its.case(its.modes[0]))
    assert tally.failures == []
    assert set(tally.outcomes) == {Outcome.SUCCEEDED}


def test_a_token_that_is_none_is_named() -> None:
    """One check says what authorize has to return."""
    told = {c.name: c.message for c in run_checks(kit(Texting)) if c.outcome == "failed"}
    assert "Token(value, seconds)" in told["test_a_token_is_had_without_a_trace"]
