"""Retry words: what is said to be the same twice as once is sent twice, and the vendor is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from longshore.provider import (
    Found,
    NotDone,
    Remedy,
    Request,
    Response,
    Retry,
    Undecided,
)
from longshore.testing._carry import QUESTIONS, Sent
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._say import expect, in_tree, skip, told
from longshore.testing.conformance._story import Between, Spot, Story, calm, request_at, tell

__all__ = ["RetryChecks"]

_UPLOAD = ("start", "send", "complete")


class RetryChecks:
    """Safe, idempotent, keyed, once."""

    kit: ClassVar[Kit]

    def _twice(self, spot: Spot) -> tuple[Story, Any, Any]:
        """Deliver a request twice, and go on with the second answer.

        Returns:
            The story, and what the vendor held after the first delivery (before it, if the
            request is safe) and after the second one.
        """
        held: list[Any] = []

        def between(story: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
            if not spot.is_of(sent) or held:
                return deliver()
            if sent.request.retry is Retry.SAFE:
                held.append(_held(story.state()))
            deliver()
            if sent.request.retry is not Retry.SAFE:
                held.append(_held(story.state()))
            again = deliver()
            held.append(_held(story.state()))
            return again

        result = tell(self.kit, spot.mode, spot.script, between=between)
        if len(held) < 2:
            skip(f"{spot} does not come in the story")
        return result, held[0], held[1]

    def test_safe_requests_change_nothing(self, safe: Spot | None) -> None:
        """A request that is called safe leaves the vendor as it was."""
        spot = _there(safe, "safe")
        story, before, after = self._twice(spot)
        expect(
            before == after and in_tree(story.error),
            f"{spot} changes the vendor: {before} / {after}",
            "a safe request is sent as often as one likes, without a record",
        )

    def test_idempotent_requests_are(self, idempotent: Spot | None) -> None:
        """A request that is called idempotent does the same twice as once."""
        spot = _there(idempotent, "idempotent")
        story, before, after = self._twice(spot)
        expect(
            before == after,
            f"{spot} sent twice: {before} / {after}",
            "idempotent means: sent again after a lost answer it does no more than once; "
            "else it is once (with a remedy) or keyed",
        )
        self._as_well(story, spot)

    def test_what_makes_a_job_is_not_just_repeated(self, idempotent: Spot | None) -> None:
        """What makes a job leaves a record; what sets one to work is the same twice as once.

        A sandbox knows no more than its author, who may take for granted what the provider does.
        """
        spot = _there(idempotent, "idempotent")
        made: set[str] = set()

        def between(story: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
            if not spot.is_of(sent):
                return deliver()
            before = self._at_work(story)
            reply = deliver()
            made.update(self._at_work(story) - before)
            return reply

        tell(self.kit, spot.mode, spot.script, between=between)
        documented = self.kit.repeatable.get(spot.template)
        expect(
            not made or (documented and spot.verb not in _UPLOAD),
            f"{spot} is called idempotent and makes {', '.join(sorted(made))}",
            "it leaves no record: `cancel` takes a lost one as not sent, and then comes a second "
            "job; it is keyed, or once with a question (one that says NotDone() at once where the "
            "vendor documents that twice is the same as once: Kit.repeatable names the page)",
        )

    def _at_work(self, story: Story) -> set[str]:
        """Return the jobs that the vendor works on, has worked on, or bills."""
        return {job["id"] for job in story.state()["jobs"] if job["state"] not in self.kit.idle}

    def test_a_repeated_key_is_known_again(self, keyed: Spot | None) -> None:
        """A keyed request that comes again with its key does the same as once."""
        spot = _there(keyed, "keyed")
        story, before, after = self._twice(spot)
        expect(
            before == after,
            f"{spot} sent twice with one key: {before} / {after}",
            "keyed means: the vendor knows the request again by its key",
        )
        self._as_well(story, spot)

    def _as_well(self, story: Story, spot: Spot) -> None:
        one = calm(self.kit, spot.mode, spot.script)
        same = (one.job, len(one.receipts)) == (story.job, len(story.receipts))
        expect(
            story.error is None and (same or one.error is not None),
            f"the second answer to {spot} is of no use: {told(story.error)}",
            "after a lost answer the second one is all that the flow gets",
        )

    # ------------------------------------------------------------------ questions

    def _asked(
        self, spot: Spot, *, acted: bool, claimed: bool = False
    ) -> Iterator[tuple[int, Any, list[Sent]]]:
        """Ask the question beside a request that was lost on its way there, or back.

        The first of its kind is asked about, and the last: with the last part the work may begin.

        Yields:
            Which one of its kind, the last answer, and what the question sent.
        """
        sent = calm(self.kit, spot.mode, spot.script).pier.sent
        for number in sorted({1, sum(map(spot.is_of, sent))}):
            yield (number, *self._asked_at(spot, number, acted=acted, claimed=claimed))

    def _asked_at(
        self, spot: Spot, number: int, *, acted: bool, claimed: bool
    ) -> tuple[Any, list[Sent]]:
        found: list[tuple[Any, list[Sent]]] = []

        def lose(story: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
            if acted:
                deliver()
            found.append(_ask(story, sent.request, claimed=claimed))
            return deliver()

        tell(self.kit, spot.mode, spot.script, between=_at(spot, number, lose))
        return found[0] if found else (None, [])

    def test_questions_only_ask(self, asked: Spot | None) -> None:
        """The question after a lost answer holds safe requests only, and gives an answer."""
        spot = _there(asked, "one with a question beside it")
        for _, answer, asking in self._asked(spot, acted=True):
            unsafe = [sent.label for sent in asking if sent.request.retry is not Retry.SAFE]
            expect(
                not unsafe and isinstance(answer, Found | NotDone | Undecided),
                f"{spot} asks with {unsafe} and gets {answer!r}",
                "ask flows hold safe requests and return Found, NotDone or Undecided",
            )

    def test_what_acted_is_never_called_undone(self, asked: Spot | None) -> None:
        """Where the lost request did act, the question does not say that it did not."""
        spot = _there(asked, "one with a question beside it")
        if self.kit.repeatable.get(spot.template):
            skip("the vendor documents that it is the same twice as once")
        for number, answer, _ in self._asked(spot, acted=True):
            expect(
                not isinstance(answer, NotDone),
                f"{spot}, number {number}, acted, and the question says NotDone",
                "NotDone sends it again: a second job",
            )

    def test_what_did_not_act_is_never_found(self, asked: Spot | None) -> None:
        """Where the lost request did not act, the question does not find it."""
        spot = _there(asked, "one with a question beside it")
        for number, answer, _ in self._asked(spot, acted=False):
            expect(
                not isinstance(answer, Found),
                f"{spot}, number {number}, did not act, and the question says Found",
                "Found ends the matter: a lost document that is reported as carried",
            )

    def test_a_found_answer_serves(self, asked: Spot | None) -> None:
        """The flow goes on with the answer that the question found."""
        spot = _there(asked, "one with a question beside it")
        answers = self._asked(spot, acted=True)
        found = {number: a.response for number, a, _ in answers if isinstance(a, Found)}
        if not found:
            skip("the question finds no answer")
        one = calm(self.kit, spot.mode, spot.script)
        for number, given in found.items():
            story = self._served(spot, number, given)
            same = one.job is None or (story.job is not None and story.job.id == one.job.id)
            expect(
                story.error is None and same,
                f"with what was found for {spot}, number {number}: {told(story.error)}",
                "Found holds the answer that the lost request must have had",
            )

    def _served(self, spot: Spot, number: int, given: Response) -> Story:
        """Deliver a request, and go on with another answer to it."""

        def serve(_: Story, _sent: Sent, deliver: Callable[[], Response]) -> Response:
            deliver()
            return given

        return tell(self.kit, spot.mode, spot.script, between=_at(spot, number, serve))

    def test_jobs_of_others_are_no_answer(self, asked: Spot | None) -> None:
        """A job that belongs to another batch is not found."""
        spot = _there(asked, "one with a question beside it")
        if calm(self.kit, spot.mode, "upload").job is None:
            skip("there is no job")
        story = calm(self.kit, spot.mode, spot.script)
        job = story.job.id if story.job else ""
        if spot.verb == "prepare" or (story.session and job in str(story.session.data)):
            skip("the question is about something that is known by its id")
        if any(job in str(sent.request.url) for sent in story.pier.sent[: spot.place + 1]):
            skip("the question is about something that is known by its id")
        for _, answer, asking in self._asked(spot, acted=True, claimed=True):
            if asking and all(job in s.request.url or _is_own(story, s) for s in asking):
                skip("the question is about something of this very session")
            expect(
                not isinstance(answer, Found),
                f"{spot} finds a job that is claimed by another batch",
                "LostRequest.claimed are jobs of other batches: one vendor job, one batch",
            )

    def test_a_remedy_is_said(self, once: Spot | None) -> None:
        """Only the request that makes the vendor work may leave it open whether it acted."""
        spot = _there(once, "once")
        request = request_at(self.kit, spot)[0].request
        if request.lost is not Remedy.HOLD or self.kit.may_be_unknown:
            return
        expect(
            False,
            f"{spot} is held when its answer is lost",
            "the kit says that nothing stays unknown here: give a question, or RESTART",
        )


def _at(spot: Spot, number: int, act: Between) -> Between:
    """Stand in for the vendor at one request of a kind, counted from 1."""
    seen = count(1)

    def between(story: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
        if spot.is_of(sent) and next(seen) == number:
            return act(story, sent, deliver)
        return deliver()

    return between


def _ask(story: Story, request: Request, *, claimed: bool) -> tuple[Any, list[Sent]]:
    """Ask until there is an answer; return it, and what was sent for it."""
    pier = story.pier
    jobs = [job["id"] for job in story.state()["jobs"]] if claimed else []
    begun, at = len(pier.sent), pier.now
    answer: Any = None
    for asked in range(QUESTIONS):
        answer = pier.ask(request, asked=asked, claimed=jobs, sent_at=at)
        if not isinstance(answer, Undecided):
            break
        pier.now += answer.again_in
    pier.now = at
    return answer, pier.sent[begun:]


def _is_own(story: Story, sent: Sent) -> bool:
    """Tell whether a request is for something whose id the session has, and no other one."""
    if story.session is None:
        return False
    path = zip(sent.template.split("/"), urlsplit(sent.request.url).path.split("/"), strict=False)
    ids = [unquote(given) for place, given in path if place.startswith("{")]
    known = str(story.setup.data) if story.setup else ""
    held = [*story.session.data.values(), *story.session.secrets.values()]
    return any(id in held and id not in known for id in ids)


def _there(spot: Spot | None, kind: str) -> Spot:
    """Return the request that a check is asked about, if there is one of its kind."""
    if spot is None:
        skip(f"no request is {kind}")
    return spot


def _held(state: Any) -> Any:
    """What counts of what a vendor holds: its jobs and documents, not how often parts came."""
    return {"jobs": state["jobs"], "documents": state["documents"]}
