"""What a provider may offer beside the upload: renew, abort, cancel, act, results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeVar

from longshore.lifecycle import Action, Job, State, Status
from longshore.provider import Refused, Results, Retry
from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._say import as_stored, expect, in_tree, skip, told
from longshore.testing.conformance._story import Story, calm, tell
from longshore.testing.conformance._uploads import good

__all__ = ["AfterwardsChecks"]

T = TypeVar("T")

_NOWHERE = "longshore-no-such-thing"


class AfterwardsChecks:
    """Optional verbs; a check of one that is not offered is left out."""

    kit: ClassVar[Kit]

    def _offered(self, verb: str) -> None:
        if not self.kit.offers(verb):
            skip(f"{self.kit.provider.name} does not offer {verb}")

    def _told(self, mode: Mode, script: str) -> Story:
        story = tell(self.kit, mode, script)
        if calm(self.kit, mode).error is not None:
            skip("without faults it does not succeed either: see test_the_upload_succeeds")
        return story

    def _left_open(self, story: Story) -> list[str]:
        open_ = self.kit.idle - self.kit.over
        return [f"{j['id']}: {j['state']}" for j in story.state()["jobs"] if j["state"] in open_]

    # ------------------------------------------------------------------ abort

    def test_an_aborted_session_is_gone(self, mode: Mode) -> None:
        """After ``abort`` nothing of the session is left open at the vendor, and nothing works."""
        self._offered("abort")
        story = self._told(mode, "abort")
        expect(story.error is None, told(story.error), "a session that is open can be given back")
        working = [j for j in story.state()["jobs"] if j["state"] not in self.kit.idle]
        expect(
            not self._left_open(story) and not working,
            f"left open: {self._left_open(story)}, working: {working}",
            "abort gives back what start made",
        )

    def test_abort_may_come_twice(self, mode: Mode) -> None:
        """A session that was given back can be given back again."""
        self._offered("abort")
        story = self._told(mode, "abort")
        expect(story.session is not None, told(story.error), "start returns a session")
        self._ends(story, "a second abort")

    def test_abort_may_come_late(self, mode: Mode) -> None:
        """``abort`` comes to an end after parts were sent, and after the job was made."""
        self._offered("abort")
        for script in ("send", "complete"):
            self._ends(self._told(mode, script), f"abort after {script}", may_refuse=True)

    def test_a_session_that_is_gone_needs_no_abort(self, mode: Mode) -> None:
        """To abort what the vendor does not know (any more) comes to an end."""
        self._offered("abort")
        story = self._told(mode, "open")
        story.pier.vendor = self.kit.vendor(mode)
        self._ends(story, "abort of a session that nobody knows")

    def test_abort_can_be_repeated(self, mode: Mode) -> None:
        """Nothing in ``abort`` is sent once: it is retried from a queue until it succeeds."""
        self._offered("abort")
        story = self._told(mode, "abort")
        once = [s.label for s, _ in story.of("abort") if s.request.retry is Retry.ONCE]
        expect(not once, f"once: {once}", "say idempotent: an abort is repeated until it is done")

    def _ends(self, story: Story, what: str, *, may_refuse: bool = False) -> None:
        session, abort = story.session, story.pier.provider.abort
        assert session is not None
        error = _error_of(lambda: story.pier.run(lambda: abort(session), verb="abort"))
        expect(
            in_tree(error) and (may_refuse or error is None),
            f"{what}: {told(error)}",
            "what is gone needs no abort; only errors of the tree leave a flow",
        )

    # ------------------------------------------------------------------ renew

    def test_renewed_transfers_keep_their_ids(self, mode: Mode) -> None:
        """``renew`` returns the same transfers with fresh URLs, and nothing else changes."""
        self._offered("renew")
        story = self._told(mode, "open")
        batch, session, pier = story.batch, story.session, story.pier
        assert batch is not None
        assert session is not None
        if not any(t.url for t in session.transfers):
            skip("no transfer of this mode has a URL")
        pier.now += 60.0
        renew = pier.provider.renew
        fresh = pier.run(lambda: renew(batch, session, session.transfers), verb="renew")
        expect(
            [(t.id, t.number, t.pieces) for t in fresh]
            == [(t.id, t.number, t.pieces) for t in session.transfers],
            f"{[t.id for t in fresh]} for {[t.id for t in session.transfers]}",
            "the same ids, numbers and pieces: the receipts of the others stay valid",
        )
        late = [
            old.id
            for old, new in zip(session.transfers, fresh, strict=True)
            if (new.expires_at or 0.0) < (old.expires_at or 0.0)
        ]
        expect(not late, f"expire earlier than before: {late}", "fresh URLs hold longer")

    # ------------------------------------------------------------------ cancel, act

    def test_a_job_can_be_cancelled(self, mode: Mode) -> None:
        """``cancel`` returns a ``Status`` and stops the job, or says how it stands."""
        self._offered("cancel")
        story = self._told(mode, "cancel")
        status = story.statuses[-1] if story.statuses else None
        expect(
            story.error is None and type(status) is Status,
            f"cancel: {told(story.error)}, {status!r}",
            "cancel returns the status after the vendor was asked to stop",
        )

    def test_cancel_may_come_twice(self, mode: Mode) -> None:
        """A job that is cancelled already, or over, can be cancelled again."""
        self._offered("cancel")
        for script in ("cancel", "upload"):
            story = self._told(mode, script)
            job, pier = story.job, story.pier
            assert job is not None
            before, seen = story.statuses[-1].state, list[Status]()
            again = partial(pier.run, partial(pier.provider.cancel, job), verb="cancel")
            error = _error_of(again, seen)
            after = seen[0].state if seen else before
            expect(in_tree(error), f"after {script}: {told(error)}", "only errors of the tree")
            expect(
                script != "upload" or after is before,
                f"a job that {before} is then {after}",
                "what is over stays as it is",
            )

    def test_an_unknown_action_is_refused(self) -> None:
        """``act`` says no to an action that it does not know, and nothing is sent for it."""
        self._offered("act")
        story = self._told(self.kit.modes[0], "upload")
        job, pier, seen = story.job, story.pier, list[Status]()
        assert job is not None
        unheard = partial(pier.provider.act, job, Action(name=_NOWHERE))
        error = _error_of(partial(pier.run, unheard, verb="act"), seen)
        expect(
            in_tree(error) and (error is not None or seen[0].error),
            f"{told(error)}, {seen}",
            "an error of the tree, or a status that says why",
        )

    def test_what_is_offered_can_be_done(self) -> None:
        """Where a job needs action, it offers some, and each leads to a status."""
        self._offered("act")
        mode = self.kit.review
        if mode is None:
            skip("the kit was given no mode in which a job needs action (review)")
        good(self.kit, self.kit.modes[0])
        first = tell(self.kit, mode)
        last = first.statuses[-1] if first.statuses else None
        expect(
            last is not None and last.state is State.NEEDS_ACTION and last.actions,
            f"the job of mode {mode.name!r} ends as {last!r} ({told(first.error)})",
            "needs_action, with the actions that a person may choose from",
        )
        assert last is not None
        for number in range(len(last.actions)):
            story = tell(self.kit, mode)
            action, job = story.statuses[-1].actions[number], story.job
            assert job is not None
            act = story.pier.provider.act
            status = story.pier.run(partial(act, job, action), verb="act")
            expect(
                type(status) is Status and status.error is None,
                f"{action}: {status!r}",
                "what is offered can be done",
            )

    # ------------------------------------------------------------------ results

    def test_results_are_results(self, mode: Mode) -> None:
        """``results`` returns ``Results`` that can be stored, with the replies as they came."""
        self._offered("results")
        story = self._told(mode, "results")
        found = story.results
        expect(
            story.error is None and type(found) is Results,
            f"results: {told(story.error)}, {found!r}",
            "results returns Results",
        )
        assert found is not None
        expect(as_stored(found) == found, f"{found!r}", "results are stored as JSON")
        expect(found.raw is not None, "raw is empty", "raw keeps the replies as they came")
        expect(
            found.documents or found.warnings,
            "neither documents nor a warning",
            "where nothing can be had, a warning says why",
        )

    def test_results_only_ask(self, mode: Mode) -> None:
        """``results`` holds safe requests only."""
        self._offered("results")
        story = self._told(mode, "results")
        acts = [s.label for s, _ in story.of("results") if s.request.retry is not Retry.SAFE]
        expect(not acts, f"{acts}", "results may be fetched any number of times")

    # ------------------------------------------------------------------ what nobody knows

    def test_a_job_that_nobody_knows(self) -> None:
        """A poll for a job that the vendor does not know is refused, or says that it expired."""
        pier, seen = self.kit.pier(self.kit.modes[0]), list[Status]()
        error = _error_of(lambda: pier.poll(Job(id=f"{_NOWHERE}/../?x=1#y")), seen)
        expired = [status.state for status in seen] == [State.EXPIRED]
        expect(
            expired or (error is not None and in_tree(error)),
            told(error),
            "the vendor's 404 becomes a refusal, or State.EXPIRED where jobs are deleted after a "
            "time; ids are percent-encoded in paths",
        )
        expect(
            all("/../" not in sent.call.url for sent in pier.sent),
            f"{[sent.call.url for sent in pier.sent]}",
            "an id comes from a reply: it is quoted before it goes into a path",
        )


def _error_of(act: Callable[[], T], results: list[T] | None = None) -> Exception | None:
    """Do something, keep what comes of it, and return what went wrong."""
    try:
        result = act()
    except Refused as refused:
        return refused.error
    except Exception as wrong:  # noqa: BLE001 - whatever it is: the check says so
        return wrong
    if results is not None:
        results.append(result)
    return None
