"""What a flow makes durable of its requests: intents before they leave, answers once they came."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

from longshore.journal import DropFacts, FactKind, Write
from longshore.pipeline._engine import Engine
from longshore.pipeline._requests import digest_of, makes_work
from longshore.pipeline._scratch import Answered, Intent
from longshore.pipeline._unit import Unit
from longshore.provider import Request, Response, Retry

__all__ = ["FlowFacts"]


class FlowFacts:
    """The intents and answers of one flow of one unit.

    Args:
        engine: everything that moves it.
        unit: whose flow it is.
        flow: the name under which its facts are kept.
        durable: False for a flow that nothing depends on.

    Attributes:
        engine, unit, flow: as given.
        came: answers that are not durable yet.
    """

    def __init__(self, engine: Engine, unit: Unit, flow: str, *, durable: bool) -> None:
        self.engine = engine
        self.unit = unit
        self.flow = flow
        self._durable = durable
        self.came: list[tuple[Request, Response]] = []

    def intent(self, request: Request) -> Intent:
        """The open intent of a request, with the times that our present clock would have told."""
        intent, planned = self.unit.intents[self.flow, request.step], self.unit.record.created_at
        now, skew = self.engine.clock.now(), self.engine.driver.skew
        return intent.told_by(now, skew, planned=planned)

    def new_intent(self, request: Request) -> list[Write]:
        """What is to be written before a request leaves."""
        if request.retry is Retry.IDEMPOTENT:
            return []
        engine, work = self.engine, makes_work(request)
        now, skew = engine.clock.now(), engine.driver.skew
        intent = Intent(digest_of(request), now, makes_work=work, skew=skew)
        return [self.unit.fact(FactKind.INTENT, self.flow, request.step, intent.json())]

    async def keep(self, request: Request, intent: Intent) -> None:
        """Make an intent durable in place of the one before."""
        value = intent.json()
        await self._write([self.unit.fact(FactKind.INTENT, self.flow, request.step, value)])

    async def found(self, request: Request, intent: Intent, response: Response) -> None:
        """Make the answer that a question found durable, before a rival makes it doubtful.

        Its intent stays: until the job is claimed, who asks about an equal one sees a rival.
        """
        value = Answered(intent.digest, response).json()
        await self._write([self.unit.fact(FactKind.ANSWER, self.flow, request.step, value)])

    async def forget(self, request: Request) -> None:
        """Drop the intent of a request that surely did not act."""
        if (self.flow, request.step) in self.unit.intents:
            await self._write([DropFacts((FactKind.INTENT,), self.flow, request.step)])

    async def forget_all(self, requests: Sequence[Request]) -> None:
        """Drop all that is known of requests."""
        kinds = (FactKind.INTENT, FactKind.ANSWER)
        if requests:
            await self._write([DropFacts(kinds, self.flow, r.step) for r in requests])

    async def flush(self, more: Sequence[Write] = ()) -> None:
        """Make what came durable, and more: nothing leaves before what came before it is."""
        writes = [*starmap(self._answered, self.came), *more]
        self.came = []
        if writes or self.unit.deferred:
            await self._write(writes)

    def _answered(self, request: Request, response: Response) -> Write:
        intent = self.unit.intents.get((self.flow, request.step))
        value = Answered(intent.digest if intent else digest_of(request), response).json()
        return self.unit.fact(FactKind.ANSWER, self.flow, request.step, value)

    async def _write(self, writes: list[Write]) -> None:
        if self._durable:
            await self.unit.write(self.engine.journal, writes)
        else:
            self.unit.apply(writes)
