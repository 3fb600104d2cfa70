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
    BatchError,
    ConfigurationError,
    DocumentError,
    LongshoreError,
    PluginError,
    ProtocolError,
    SessionLost,
    UnknownOutcome,
    WaitExpired,
)
from longshore.journal import FactKind, Write
from longshore.pipeline._engine import MOST_QUESTIONS, Engine
from longshore.pipeline._flow_facts import FlowFacts
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._places import Closed
from longshore.pipeline._requests import (
    UNKNOWN_HINT,
    begin,
    check_same,
    check_whole,
    checked_answer,
    held_hint,
    is_dear,
    key_of,
    makes_work,
    move,
    read_refusal,
    torn_by,
    words_of_loss,
)
from longshore.pipeline._scratch import Intent
from longshore.pipeline._unit import Unit
from longshore.provider import (
    Abandon,
    Answer,
    Flow,
    Found,
    LostRequest,
    NotDone,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Undecided,
    Wait,
)
from longshore.transfer import AnswerLost, Tally

__all__ = ["FlowRunner"]

T = TypeVar("T")

_AT_MOST = 3  # questions in a row, while others send what looks the same
_CLAIM_MARGIN = 3600.0  # seconds: claims a little older than the request count too


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
        self._acted: Request | None = None
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
            raise self._or_unknown(error) from None
        except Closed:
            await self._facts.flush()
            raise Suspended(self._engine.clock.now(), "it is not to leave any more") from None
        finally:
            flow.close()

    def _or_unknown(self, error: ProtocolError) -> BatchError:
        """A reply that cannot be used to a request that made the vendor work is no failure."""
        if self._acted is None:
            return error
        return UnknownOutcome(f"the vendor may be at work: {error.message}", hint=UNKNOWN_HINT)

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
            if (found := await self._resolve(request, self._facts.intent(request))) is not None:
                return self._checked(request, found)
        return await self._send(request)

    async def _send(self, request: Request) -> Response:
        """Send a request that is not safe, with its intent written first."""
        again = (self._flow, request.step) in self._unit.intents
        writes = [] if again else self._facts.new_intent(request)
        self._tally.acted, self._tally.patience = False, self._patience(request)
        try:
            response = await self._exchange(request, writes)
        except (asyncio.CancelledError, Closed):
            if writes and not self._tally.acted:  # it did not leave, or was refused with a 429
                await self._facts.forget_all([request])  # also what is being written now
            raise
        except DocumentError as error:
            if again or error.sent:
                await self._hold_torn(request, error)
            raise
        except ProtocolError as error:
            if error.status is not None:  # an answer came, but not one that can be read
                self._note_act(request)
            raise
        except AnswerLost as lost:
            lost_at = self._engine.clock.now()
            await self._facts.keep(request, replace(self._facts.intent(request), lost_at=lost_at))
            self._give_up(request, lost, crashed=False)
            raise Suspended(lost_at + self._patience(request), f"no answer: {lost}") from None
        except (AccountError, PluginError, ConfigurationError):  # also: no token, no TLS
            if not again and (request.retry is Retry.ONCE or not self._tally.acted):
                await self._facts.forget(request)  # it surely did not act
            raise
        if (refusal := read_refusal(self._engine.provider, request, response)) is not None:
            repeated = again or (request.retry is Retry.KEYED and self._tally.repeated)
            if (found := await self._turn_down(request, refusal, repeated=repeated)) is not None:
                return self._checked(request, found)
        self._facts.came.append((request, response))
        return self._checked(request, response)

    async def _turn_down(
        self, request: Request, refusal: LongshoreError, *, repeated: bool
    ) -> Response | None:
        """Deal with a refusal.

        Returns:
            The answer of an earlier try that did act; None when the refusal stands.
        """
        if isinstance(refusal, AccountError):
            self._engine.trouble = refusal  # who waits for a place is not to run into it, too
            if not repeated:  # refused before acting: ask again once that is mended
                await self._facts.forget(request)
            raise refusal
        if (found := await self._despite(request) if repeated else None) is None:
            self._turned_down.append(request)
        return found

    async def _despite(self, request: Request) -> Response | None:
        """A repeat was refused, which says nothing about the try before it: that may have acted.

        Returns:
            The answer that it must have had, or None when it did not act: the refusal stands.
        """
        now, intent = self._engine.clock.now(), self._facts.intent(request)
        self._hold(request)
        if not callable(request.lost):
            return None
        lost_just_now = request.retry is Retry.KEYED and self._tally.repeated
        if intent.since is not None and not lost_just_now:  # the try before had its time
            return await self._ask(request, intent)
        intent = replace(intent, lost_at=intent.lost_at or now)
        if intent != self._unit.intents[self._flow, request.step]:
            await self._facts.keep(request, intent)
        may_arrive_until = (intent.lost_at or now) + self._patience(request)
        if now < may_arrive_until:
            raise Suspended(may_arrive_until, "the lost request may still arrive")
        return await self._ask(request, intent)

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

    def _checked(self, request: Request, response: Response) -> Response:
        if (error := read_refusal(self._engine.provider, request, response)) is None:
            self._note_act(request)
            return response
        if isinstance(error, AccountError | SessionLost):
            raise error
        raise Refused(response, error)

    def _note_act(self, request: Request) -> None:
        """Remember a request that made the vendor work: one that is not simply given up."""
        if makes_work(request):
            self._acted = request

    async def _hold_torn(self, request: Request, error: DocumentError) -> None:
        """A file changed while it was sent: the vendor may be at work on a mixture."""
        intent = self._unit.intents.get((self._flow, request.step))
        if intent is None or not makes_work(request):
            return  # what exists at the vendor does nothing: the document is left out
        await self._facts.keep(request, replace(intent, torn=True))
        raise torn_by(error) from error

    # ------------------------------------------------------------------ lost answers

    async def _resolve(self, request: Request, intent: Intent) -> Response | None:
        """Deal with a request whose answer is missing.

        Returns:
            The answer that it must have had, or None when it may be sent (again).
        """
        now = self._engine.clock.now()
        window = self._engine.capabilities.idempotency_window
        # Of an intent from the future nobody knows the age: our clock was set back since.
        keyed = request.retry is Retry.KEYED and abs(now - intent.at) < window
        if keyed or request.retry is Retry.IDEMPOTENT:
            return None
        slot = (self._flow, request.step)
        self._give_up(request, AnswerLost(), crashed=slot in self._unit.crashed)
        if intent != self._unit.intents[slot]:  # our clock was set: it has its time once more
            await self._facts.keep(request, intent)
        may_arrive_until = (intent.lost_at or intent.at) + self._patience(request)
        if now < may_arrive_until:
            raise Suspended(may_arrive_until, "the lost request may still arrive")
        if request.lost is Remedy.RERUN:
            await self._facts.forget(request)
            return None
        try:  # what is found is only ours if the file is what it was
            self._engine.driver.check(request, self._unit.sources())
        except DocumentError as error:
            await self._hold_torn(request, error)
        return await self._ask(request, intent)

    async def _ask(self, request: Request, intent: Intent) -> Response | None:
        facts, clock = self._facts, self._engine.clock
        answer: Answer = Undecided(self._patience(request), "equal requests leave all the time")
        lost = await self._lost_request(request, intent)
        for _ in range(_AT_MOST):
            found = await self._question(request, lost)
            if facts.intent(request) != intent:
                answer = Undecided(self._patience(request), "our clock was set since it left")
                break
            before, lost = lost, await self._lost_request(request, intent)
            # What was found may be of a request that left while the question was on its way.
            if not isinstance(found, Found) or lost == before:
                answer = found
                break
        if isinstance(answer, Found):
            await facts.found(request, intent, answer.response)
            return answer.response
        if isinstance(answer, NotDone):
            await facts.keep(request, intent.sent_again(clock.now(), self._engine.driver.skew))
            return None
        await facts.keep(request, replace(facts.intent(request), asked=intent.asked + 1))
        if intent.asked + 1 >= MOST_QUESTIONS:
            raise UnknownOutcome(f"{words_of_loss(request)}: {answer.why}", hint=UNKNOWN_HINT)
        raise Suspended(clock.now() + self._engine.pause(answer.again_in), answer.why)

    async def _lost_request(self, request: Request, intent: Intent) -> LostRequest:
        journal, account, own = self._engine.journal, self._engine.run.account, self._unit.id
        claimed = await journal.claims(account, since=intent.first_at - _CLAIM_MARGIN, besides=own)
        rivals = await journal.rivals(account, self._flow, request.step, besides=own)
        return LostRequest(intent.first_at, intent.asked, claimed, rivals)

    async def _question(self, request: Request, lost: LostRequest) -> Answer:
        assert callable(request.lost)
        flow = f"{self._flow}?{request.step}"
        try:
            runner = FlowRunner(self._engine, self._unit, flow, self._tally)
            return checked_answer(await runner.run(begin(request.lost, lost)))
        except UnknownOutcome:
            raise
        except BatchError as error:  # it says nothing about the lost request
            return Undecided(self._patience(request), f"the question failed: {error.message}")

    def _patience(self, request: Request) -> float:
        return request.timeout or self._engine.provider.settings.timeout

    def _give_up(self, request: Request, lost: AnswerLost, *, crashed: bool) -> None:
        """Raise where no question helps; there is nothing to wait for either.

        A restart because our own process ended is not held against the vendor.
        """
        self._hold(request, str(lost))
        words, remedy = words_of_loss(request, str(lost)), request.lost
        if remedy is Remedy.RESTART or isinstance(remedy, Abandon):
            begun = remedy.session if isinstance(remedy, Abandon) else None
            raise Restart(words, blame=not crashed, abandon=begun, after=lost.after)

    def _hold(self, request: Request, why: str = "") -> None:
        if request.lost is Remedy.HOLD:
            reference = self._unit.batch(self._engine.capabilities).reference
            raise UnknownOutcome(words_of_loss(request, why), hint=held_hint(reference))

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
