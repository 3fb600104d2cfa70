"""What became of a request whose answer is missing: waited for, asked about, given up or held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn, TypeAlias

from longshore.errors import BatchError, DocumentError, PluginError, UnknownOutcome
from longshore.pipeline._engine import MOST_QUESTIONS
from longshore.pipeline._flow_facts import FlowFacts
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._requests import UNKNOWN_HINT, begin, makes_work
from longshore.pipeline._scratch import Intent
from longshore.pipeline._unit import Unit
from longshore.provider import (
    Abandon,
    Answer,
    Flow,
    Found,
    LostRequest,
    NotDone,
    Remedy,
    Request,
    Response,
    Retry,
    Undecided,
)
from longshore.transfer import AnswerLost

__all__ = ["LostAnswer", "check_whole"]

_AT_MOST = 3  # questions in a row, while others send what looks the same
_CLAIM_MARGIN = 3600.0  # seconds: claims a little older than the request count too

_TORN_HINT = "look at the vendor's own pages what it made of it, then upload the file again"

Run: TypeAlias = Callable[[str, Flow[Answer]], Awaitable[object]]


class LostAnswer:
    """A request that left, or may have, and whose answer is missing.

    Args:
        facts: of its flow.
        request: as the flow makes it now.
        run: runs a flow that only asks, under a name of its own.
    """

    def __init__(self, facts: FlowFacts, request: Request, run: Run) -> None:
        self._facts = facts
        self._engine = facts.engine
        self._unit = facts.unit
        self._slot = (facts.flow, request.step)
        self._request = request
        self._run = run

    async def note(self, lost: AnswerLost) -> NoReturn:
        """Note that the answer did not come, just now.

        Raises:
            Suspended: come back when it has had its time.
            Restart: a fresh session is needed.
            UnknownOutcome: nobody can tell.
        """
        now, intent = self._engine.clock.now(), self._facts.intent(self._request)
        await self._facts.keep(self._request, replace(intent, lost_at=now))
        self._give_up(lost, crashed=False)
        raise Suspended(now + self._patience, f"no answer: {lost}") from None

    async def resolve(self) -> Response | None:
        """Deal with what an earlier run of the flow left open.

        Returns:
            The answer that it must have had, or None when it may be sent (again).

        Raises:
            Suspended: come back later; and as ``note`` says.
        """
        request, intent = self._request, self._facts.intent(self._request)
        window = self._engine.capabilities.idempotency_window
        # Of an intent from the future nobody knows the age: our clock was set back since.
        keyed = request.retry is Retry.KEYED and abs(self._engine.clock.now() - intent.at) < window
        if keyed or request.retry is Retry.IDEMPOTENT:
            return None
        self._give_up(AnswerLost(), crashed=self._slot in self._unit.crashed)
        await self._give_time(intent)
        if request.lost is Remedy.RERUN:
            await self._facts.forget(request)
            return None
        try:  # what is found is only ours if the file is what it was
            self._engine.driver.check(request, self._unit.sources())
        except DocumentError as error:
            await self.hold_torn(error)
        return await self._conclude(intent, await self._ask(intent))

    async def despite(self, *, lost_just_now: bool) -> Response | None:
        """A repeat was refused, which says nothing about the try before it: that may have acted.

        Args:
            lost_just_now: the try before left a moment ago.

        Returns:
            The answer that it must have had, or None when it did not act: the refusal stands.
        """
        intent = self._facts.intent(self._request)
        self._hold()
        if not callable(self._request.lost):
            return None
        if intent.since is None or lost_just_now:  # else the try before had its time
            intent = replace(intent, lost_at=intent.lost_at or self._engine.clock.now())
            await self._give_time(intent)
        return await self._conclude(intent, await self._ask(intent))

    async def hold_torn(self, error: DocumentError) -> None:
        """A file changed while it was sent: the vendor may be at work on a mixture.

        Raises:
            UnknownOutcome: unless what exists at the vendor does nothing: then the document is
                left out.
        """
        intent = self._unit.intents.get(self._slot)
        if intent is None or not makes_work(self._request):
            return
        await self._facts.keep(self._request, replace(intent, torn=True))
        words = f"{error.message}; the vendor may be at work on it"
        raise UnknownOutcome(words, hint=_TORN_HINT) from error

    # ------------------------------------------------------------------ waiting, giving up

    @property
    def _patience(self) -> float:
        return self._engine.patience(self._request)

    async def _give_time(self, intent: Intent) -> None:
        """Ask nothing before its time has passed: until then it may still arrive."""
        if intent != self._unit.intents[self._slot]:  # our clock was set: it has it once more
            await self._facts.keep(self._request, intent)
        until = (intent.lost_at or intent.at) + self._patience
        if self._engine.clock.now() < until:
            raise Suspended(until, "the lost request may still arrive")

    def _give_up(self, lost: AnswerLost, *, crashed: bool) -> None:
        """Raise where no question helps; there is nothing to wait for either.

        A restart because our own process ended is not held against the vendor.
        """
        self._hold(str(lost))
        remedy = self._request.lost
        if remedy is Remedy.RESTART or isinstance(remedy, Abandon):
            begun = remedy.session if isinstance(remedy, Abandon) else None
            words = self._words(str(lost))
            raise Restart(words, blame=not crashed, abandon=begun, after=lost.after)

    def _hold(self, why: str = "") -> None:
        if self._request.lost is Remedy.HOLD:
            reference = self._unit.batch(self._engine.capabilities).reference
            hint = (
                f"look for {reference}, or the files, at the vendor; upload again what is not there"
            )
            raise UnknownOutcome(self._words(why), hint=hint)

    def _words(self, why: str = "") -> str:
        """Say which answer was lost, and why if this process knows."""
        words = f"the answer to {self._request.method} {self._request.step!r} was lost"
        return f"{words}: {why}" if why else words

    # ------------------------------------------------------------------ asking

    async def _ask(self, intent: Intent) -> Answer:
        """Ask until what is found cannot be of a request that left while the question was asked."""
        lost = await self._lost_request(intent)
        for _ in range(_AT_MOST):
            found = await self._question(lost)
            if self._facts.intent(self._request) != intent:
                return Undecided(self._patience, "our clock was set since it left")
            before, lost = lost, await self._lost_request(intent)
            if not isinstance(found, Found) or lost == before:
                return found
        return Undecided(self._patience, "equal requests leave all the time")

    async def _conclude(self, intent: Intent, answer: Answer) -> Response | None:
        """Make durable what was found out; see ``resolve``."""
        request, facts, now = self._request, self._facts, self._engine.clock.now()
        if isinstance(answer, Found):
            await facts.found(request, intent, answer.response)
            return answer.response
        if isinstance(answer, NotDone):
            await facts.keep(request, intent.sent_again(now, self._engine.driver.skew))
            return None
        await facts.keep(request, replace(facts.intent(request), asked=intent.asked + 1))
        if intent.asked + 1 >= MOST_QUESTIONS:
            raise UnknownOutcome(f"{self._words()}: {answer.why}", hint=UNKNOWN_HINT)
        raise Suspended(now + self._engine.pause(answer.again_in), answer.why)

    async def _lost_request(self, intent: Intent) -> LostRequest:
        journal, account, own = self._engine.journal, self._engine.run.account, self._unit.id
        claimed = await journal.claims(account, since=intent.first_at - _CLAIM_MARGIN, besides=own)
        rivals = await journal.rivals(account, *self._slot, besides=own)
        return LostRequest(intent.first_at, intent.asked, claimed, rivals)

    async def _question(self, lost: LostRequest) -> Answer:
        question, (flow, step) = self._request.lost, self._slot
        assert callable(question)
        try:
            answer = await self._run(f"{flow}?{step}", begin(question, lost))
        except UnknownOutcome:
            raise
        except BatchError as error:  # it says nothing about the lost request
            return Undecided(self._patience, f"the question failed: {error.message}")
        if not isinstance(answer, Found | NotDone | Undecided):
            raise PluginError(f"an ask flow returns an Answer, not {type(answer).__name__}")
        return answer


def check_whole(unit: Unit, flow: str) -> None:
    """Go no further with what a file changed under.

    Raises:
        UnknownOutcome: one of the flow's requests left with parts of two files.
    """
    for (name, _), intent in unit.intents.items():
        if intent.torn and name == flow:
            raise UnknownOutcome("a file changed while it was sent", hint=_TORN_HINT)
