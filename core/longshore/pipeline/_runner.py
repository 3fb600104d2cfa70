"""The flow runner: runs one flow from its top, with the answers it already got.

Before a KEYED or ONCE request leaves, its intent is durable; its answer is durable before the
next request of the flow leaves, or together with the flow's result. A lost answer is dealt with
as the request says. Nothing here sleeps: whatever has to wait is ``Suspended``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn, TypeVar

from longshore.errors import (
    AccountError,
    ConfigurationError,
    DocumentError,
    LongshoreError,
    PluginError,
    ProtocolError,
    SessionLost,
    WaitExpired,
)
from longshore.journal import FactKind, Write
from longshore.pipeline._engine import Engine
from longshore.pipeline._flow_facts import FlowFacts
from longshore.pipeline._interruptions import Suspended
from longshore.pipeline._lost import LostAnswer, check_whole
from longshore.pipeline._places import Closed
from longshore.pipeline._requests import (
    check_same,
    is_dear,
    key_of,
    makes_work,
    move,
    read_refusal,
    unusable,
)
from longshore.pipeline._unit import Unit
from longshore.provider import Flow, Refused, Request, Response, Retry, Wait
from longshore.transfer import AnswerLost, Tally

__all__ = ["FlowRunner"]

T = TypeVar("T")


class FlowRunner:
    """Runs one flow of one unit.

    Args:
        engine: everything that moves it.
        unit: whose flow it is.
        flow: the name under which the flow's facts are kept.
        tally: counts what leaves.
        durable: False for a flow that nothing depends on, such as an abort.
    """

    def __init__(
        self, engine: Engine, unit: Unit, flow: str, tally: Tally, *, durable: bool = True
    ) -> None:
        self._engine = engine
        self._unit = unit
        self._flow = flow
        self._tally = tally
        self._facts = FlowFacts(engine, unit, flow, durable=durable)
        self._seen: set[str] = set()
        self._asking = "?" in flow
        self._acted = False
        self._turned_down: list[Request] = []

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return its result; the caller makes that durable.

        Raises:
            Suspended: come back later.
            Restart: a fresh session is needed.
            LongshoreError: as the vendor's refusal or the flow says.
        """
        try:
            check_whole(self._unit, self._flow)
            item = move(next, flow)
            while True:
                try:
                    if isinstance(item, Wait):
                        await self._wait(item)
                    response = await self._perform(item)
                except (Refused, WaitExpired) as error:
                    item = move(flow.throw, error)
                else:
                    item = move(flow.send, response)
        except StopIteration as stop:
            result: T = stop.value
            return result
        except (Refused, SessionLost) as refused:
            await self._facts.forget_all(self._turned_down)  # it may be tried again
            raise (refused.error if isinstance(refused, Refused) else refused) from None
        except ProtocolError as error:
            raise (unusable(error) if self._acted else error) from None
        except Closed:
            await self._facts.flush()
            raise Suspended(self._engine.clock.now(), "it is not to leave any more") from None
        finally:
            flow.close()

    # ------------------------------------------------------------------ one request

    async def _perform(self, request: Request) -> Response:
        if request.retry is Retry.SAFE:
            response = await self._exchange(request)
            if self._asking:
                response = replace(response, received_at=self._engine.clock.now())
            return self._checked(request, response)
        self._check_step(request)
        slot = (self._flow, request.step)
        if (answered := self._unit.answers.get(slot)) is not None:
            check_same(request, answered.digest)
            return self._checked(request, answered.response)
        if (intent := self._unit.intents.get(slot)) is not None:
            check_same(request, intent.digest)
            await self._facts.flush()  # it may have to wait
            if (found := await self._lost(request).resolve()) is not None:
                return self._checked(request, found)
        return await self._send(request)

    async def _send(self, request: Request) -> Response:
        """Send a request that is not safe, with its intent written first."""
        again = (self._flow, request.step) in self._unit.intents
        writes = [] if again else self._facts.new_intent(request)
        self._tally.acted, self._tally.patience = False, self._engine.patience(request)
        try:
            response = await self._exchange(request, writes)
        except (asyncio.CancelledError, Closed):
            if writes and not self._tally.acted:  # it did not leave, or was refused with a 429
                await self._facts.forget_all([request])  # also what is being written now
            raise
        except DocumentError as error:
            if again or error.sent:
                await self._lost(request).hold_torn(error)
            raise
        except ProtocolError as error:
            if error.status is not None:  # an answer came, but not one that can be read
                self._acted |= makes_work(request)
            raise
        except AnswerLost as lost:
            await self._lost(request).note(lost)
        except (AccountError, PluginError, ConfigurationError):  # also: no token, no TLS
            if not again and (request.retry is Retry.ONCE or not self._tally.acted):
                await self._facts.forget(request)  # it surely did not act
            raise
        refusal, found = read_refusal(self._engine.provider, request, response), None
        if refusal is not None:
            found = await self._turn_down(request, refusal, again=again)
        if found is None:
            self._facts.came.append((request, response))
        return self._checked(request, found or response)

    async def _turn_down(
        self, request: Request, refusal: LongshoreError, *, again: bool
    ) -> Response | None:
        """Deal with a refusal.

        Returns:
            The answer of an earlier try that did act; None when the refusal stands.
        """
        lost_just_now = request.retry is Retry.KEYED and self._tally.repeated
        repeated = again or lost_just_now
        if isinstance(refusal, AccountError):
            self._engine.trouble = refusal  # who waits for a place is not to run into it, too
            if not repeated:  # refused before acting: ask again once that is mended
                await self._facts.forget(request)
            raise refusal
        found = None
        if repeated:
            found = await self._lost(request).despite(lost_just_now=lost_just_now)
        if found is None:
            self._turned_down.append(request)
        return found

    async def _exchange(self, request: Request, intent: Sequence[Write] = ()) -> Response:
        """Carry a request when there is a place for it and all that it depends on is durable.

        After a crash, what waits for a place looks as if it might have left. So where that would
        cost something, the place comes before the intent.
        """
        engine, unit = self._engine, self._unit
        place_first = is_dear(request, self._flow)
        if not place_first:
            await self._facts.flush(intent)
        elif (unit.owing or self._facts.came) and not engine.places.free:
            await self._facts.flush()
        async with engine.places:
            over = unit.verdict is not None or (unit.unwanted and intent)
            if over and self._flow.startswith("send/"):
                raise Closed  # its session has come to an end meanwhile
            if place_first:
                await self._facts.flush(intent)
            key = key_of(unit, self._flow, request)
            if request.retry is Retry.ONCE:
                self._tally.again = lambda: self._claim_again(request)
            try:
                return await engine.driver.exchange(request, key, unit.sources(), self._tally)
            finally:
                self._tally.again, self._tally.patience = None, 0.0  # else they hold each other

    async def _claim_again(self, request: Request) -> None:
        """Before another try: whoever took the unit over since may have asked, and sent it, too.

        Raises:
            StaleEpoch: somebody did.
        """
        now, skew = self._engine.clock.now(), self._engine.driver.skew
        await self._facts.keep(request, replace(self._facts.intent(request), at=now, skew=skew))

    # ------------------------------------------------------------------ answers

    def _lost(self, request: Request) -> LostAnswer:
        return LostAnswer(self._facts, request, self._ask)

    async def _ask(self, name: str, flow: Flow[T]) -> T:
        """Run a flow of questions about a request of this one."""
        return await FlowRunner(self._engine, self._unit, name, self._tally).run(flow)

    def _checked(self, request: Request, response: Response) -> Response:
        if (error := read_refusal(self._engine.provider, request, response)) is None:
            self._acted |= makes_work(request)
            return response
        if isinstance(error, AccountError | SessionLost):
            raise error
        raise Refused(response, error)

    # ------------------------------------------------------------------ waiting, checking

    async def _wait(self, wait: Wait) -> NoReturn:
        if self._flow == "poll":
            raise PluginError("a poll tells the status of now: it does not wait")
        engine, unit, slot = self._engine, self._unit, (self._flow, wait.name)
        now, pause = engine.clock.now(), engine.pause(wait.seconds)
        timer = unit.timers.get(slot)
        if timer is not None and now >= timer.since + wait.limit:
            raise WaitExpired(
                f"waited {wait.limit:.0f} s for {wait.name!r} in vain",
                hint="look at the vendor's own pages, then upload again",
            )
        put = unit.fact(FactKind.TIMER, *slot, {"since": now, "pause": pause})
        await self._facts.flush([] if timer else [put])
        raise Suspended(now + pause, f"waiting for {wait.name}")

    def _check_step(self, request: Request) -> None:
        if self._asking or self._flow == "poll":  # else it would be given back what it once heard
            raise PluginError(f"{self._flow}: what only asks may only hold safe requests")
        if request.step in self._seen:
            raise PluginError(f"{self._flow}: two requests share the step {request.step!r}")
        self._seen.add(request.step)
