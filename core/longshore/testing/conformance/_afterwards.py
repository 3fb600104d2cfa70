"""What a provider may offer beside the upload: renew, abort, cancel, act, results, inventory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeVar

from longshore.lifecycle import Action, Job, State, Status, Transfer
from longshore.provider import Inventory, Refused, Results, Retry
from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._mutate import json_of
from longshore.testing.conformance._replies import ODD_ID
from longshore.testing.conformance._say import as_stored, expect, in_tree, skip, told
from longshore.testing.conformance._story import Story, calm, tell
from longshore.testing.conformance._uploads import arrived, carried, good

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
        session, abort = story.opened, story.pier.provider.abort
        error = _error_of(lambda: story.pier.run(lambda: abort(session), verb="abort"))
        expect(
            in_tree(error) and (may_refuse or error is None),
            f"{what}: {told(error)}",
            "what is gone needs no abort; only errors of the tree leave a flow",
        )

    # ------------------------------------------------------------------ renew

    def test_renewed_transfers_keep_their_ids(self, mode: Mode) -> None:
        """``renew`` returns the same transfers with fresh URLs, and nothing else changes."""
        story = self._with_urls(mode)
        session, fresh = story.opened, _renewed(story, 60.0)
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

    def test_renewed_transfers_are_sent(self, mode: Mode) -> None:
        """When the first URLs have expired, the renewed ones carry every byte to its place."""
        story = self._with_urls(mode)
        batch, session, pier = story.planned, story.opened, story.pier
        known = [t.expires_at for t in session.transfers if t.expires_at is not None]
        if not known:
            skip("the vendor says of no URL how long it holds")
        fresh = _renewed(story, min(known) - pier.now - 1.0)
        renewed = session.model_copy(update={"transfers": fresh})
        pier.now = max(known) + 1.0
        error = _error_of(lambda: pier.complete(batch, renewed, pier.send_all(batch, renewed)))
        expect(
            error is None and arrived(story) == carried(mode),
            f"with renewed URLs: {told(error)}, arrived {dict(arrived(story))}",
            "each fresh URL is that of its own transfer, and holds from now on",
        )

    def _with_urls(self, mode: Mode) -> Story:
        """Open a session whose transfers have URLs that can be renewed."""
        self._offered("renew")
        story = self._told(mode, "open")
        if story.session is None or not any(t.url for t in story.session.transfers):
            skip("no transfer of this mode has a URL")
        return story

    # ------------------------------------------------------------------ cancel, act

    def test_a_job_can_be_cancelled(self, mode: Mode) -> None:
        """``cancel`` asks the vendor to stop, and returns how the job stands then."""
        self._offered("cancel")
        story = self._told(mode, "cancel")
        status = story.statuses[-1] if story.statuses else None
        expect(
            story.error is None and type(status) is Status,
            f"cancel: {told(story.error)}, {status!r}",
            "cancel returns the status after the vendor was asked to stop",
        )
        assert status is not None
        expect(
            _acts(story, "cancel") or status.state.terminal,
            "cancel sends nothing that changes anything",
            "cancel asks the vendor to stop: a request that is not safe",
        )
        job, seen = story.accepted, list[Status]()
        _error_of(lambda: story.pier.poll(job), seen)  # it may be gone by now
        expect(
            not status.state.terminal or all(polled.state.terminal for polled in seen),
            f"cancel says {status.state}, and a poll right after it {[s.state for s in seen]}",
            "cancel says how the job stands, not how it was wished to stand",
        )

    def test_cancel_may_come_twice(self, mode: Mode) -> None:
        """A job that is cancelled already, or over, can be cancelled again."""
        self._offered("cancel")
        for script in ("cancel", "upload"):
            story = self._told(mode, script)
            job, pier = story.accepted, story.pier
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
        job, pier, seen = story.accepted, story.pier, list[Status]()
        unheard = partial(pier.provider.act, job, Action(name=_NOWHERE))
        error = _error_of(partial(pier.run, unheard, verb="act"), seen)
        expect(
            in_tree(error) and (error is not None or seen[0].error),
            f"{told(error)}, {seen}",
            "an error of the tree, or a status that says why",
        )

    def test_what_is_offered_can_be_done(self) -> None:
        """Where a job needs action, it offers some; each changes something, and has a status."""
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
            action, job = story.statuses[-1].actions[number], story.accepted
            act = story.pier.provider.act
            begun = len(story.pier.sent)
            status = story.pier.run(partial(act, job, action), verb="act")
            expect(
                type(status) is Status and status.error is None,
                f"{action}: {status!r}",
                "what is offered can be done",
            )
            expect(
                any(r.retry is not Retry.SAFE for r in story.pier.requests[begun:]),
                f"{action} sends nothing that changes anything",
                "act does what a person has chosen: a request that is not safe",
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
        came = [value for _, r in story.of("results") if r and (value := json_of(r)) is not None]
        expect(
            any(_holds(found.raw, value) for value in came) if came else found.raw is not None,
            f"raw is {str(found.raw)[:80]}",
            "raw keeps the replies as they came",
        )
        expect(
            found.documents or found.warnings,
            "neither documents nor a warning",
            "where nothing can be had, a warning says why",
        )

    def test_results_only_ask(self, mode: Mode) -> None:
        """``results`` holds safe requests only."""
        self._offered("results")
        story = self._told(mode, "results")
        acts = _acts(story, "results")
        expect(not acts, f"{acts}", "results may be fetched any number of times")

    # ------------------------------------------------------------------ inventory

    def test_the_inventory_holds_what_was_carried(self, mode: Mode) -> None:
        """``inventory`` returns an ``Inventory`` in which the job stands, or a gap says why not."""
        self._offered("inventory")
        story = self._told(mode, "inventory")
        found = story.inventory
        expect(
            story.error is None and type(found) is Inventory,
            f"inventory: {told(story.error)}, {found!r}",
            "inventory returns an Inventory",
        )
        assert found is not None
        job, batch = story.accepted, story.planned
        names = {document.name for document in batch.documents}
        known = any(
            held.job == job.id or held.reference == batch.reference or held.name in names
            for held in found.holdings
        )
        expect(
            known or found.gaps,
            f"neither job {job.id} nor {sorted(names)}: {found!r}",
            "what is missing there is looked for in vain; gaps say what the list does not hold",
        )

    def test_the_inventory_only_asks(self, mode: Mode) -> None:
        """``inventory`` holds safe requests only."""
        self._offered("inventory")
        acts = _acts(self._told(mode, "inventory"), "inventory")
        expect(not acts, f"{acts}", "a list may be read any number of times")

    # ------------------------------------------------------------------ what nobody knows

    def test_a_job_that_nobody_knows(self) -> None:
        """A poll for a job that the vendor does not know is refused, or says that it expired."""
        pier, seen = self.kit.pier(self.kit.modes[0]), list[Status]()
        error = _error_of(lambda: pier.poll(Job(id=ODD_ID)), seen)
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


def _renewed(story: Story, after: float) -> tuple[Transfer, ...]:
    """Let some seconds go by, and renew all transfers of a session."""
    batch, session, pier = story.planned, story.opened, story.pier
    pier.now += after
    renew = pier.provider.renew
    return pier.run(lambda: renew(batch, session, session.transfers), verb="renew")


def _holds(value: object, part: object) -> bool:
    """Tell whether a JSON value stands in another one, at any depth."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == part or any(_holds(item, part) for item in inner)


def _acts(story: Story, verb: str) -> list[str]:
    """Return the requests of a verb that change something."""
    return [s.label for s, _ in story.of(verb) if s.request.retry is not Retry.SAFE]


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
