"""An upload in which nothing goes wrong: types, storage, bytes, determinism."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import AbstractContextManager
from typing import ClassVar

from pydantic import BaseModel

from longshore.lifecycle import Job, Receipt, Session, Setup, Status, match_documents
from longshore.provider import Request, Retry
from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._mutate import json_of
from longshore.testing.conformance._poison import poisoned
from longshore.testing.conformance._say import as_stored, expect, skip, told
from longshore.testing.conformance._story import (
    MOST_POLLS,
    Spot,
    Story,
    calm,
    scripts,
    tell,
)
from longshore.testing.simulation import broken_promises, play

__all__ = ["UploadChecks"]


def good(kit: Kit, mode: Mode) -> Story:
    """Return the calm story, if there is one."""
    story = calm(kit, mode)
    if story.error is not None or story.batch is None or story.session is None:
        skip("without faults it does not succeed either: see test_the_upload_succeeds")
    return story


def arrived(story: Story) -> Counter[str]:
    """Return the digests of the documents that the vendor has in its jobs."""
    return Counter(d["sha256"] for d in story.state()["documents"] if d["job"])


def carried(mode: Mode) -> Counter[str]:
    """Return the digests of the documents that a mode carries."""
    return Counter(hashlib.sha256(content).hexdigest() for _, content in mode.documents)


class UploadChecks:
    """One upload in each mode."""

    kit: ClassVar[Kit]

    def test_the_upload_succeeds(self, mode: Mode) -> None:
        """Without faults the documents arrive and the job ends as it should."""
        story = calm(self.kit, mode)
        last = story.statuses[-1].state if story.statuses else None
        expect(
            story.error is None and last is self.kit.ends_as,
            f"it ends with {told(story.error)}, the last state is {last}",
            f"prepare, start, send, complete and {MOST_POLLS} polls, a second apart, lead to "
            f"{self.kit.ends_as} (a sandbox that takes longer: see Kit.assumptions)",
        )

    def test_the_bytes_arrive(self, mode: Mode) -> None:
        """The vendor holds each document once, with the bytes that were sent."""
        held, sent = arrived(good(self.kit, mode)), carried(mode)
        expect(held == sent, f"held {dict(held)}, sent {dict(sent)}", "whole, and exactly once")

    def test_the_engine_succeeds_as_well(self, mode: Mode) -> None:
        """The real engine carries the documents and keeps every promise."""
        good(self.kit, mode)
        case = self.kit.case(mode)
        history = play(case)
        expect(not (broken := broken_promises(case, history)), "; ".join(broken), "see simulation")

    # ------------------------------------------------------------------ what flows return

    def _returned(self, mode: Mode, verb: str, kind: type[BaseModel]) -> None:
        story = good(self.kit, mode)
        values = [value for name, _, value in story.flows if name == verb]
        for value in values:
            expect(
                type(value) is kind,
                f"{verb} returns {type(value).__name__}",
                f"{verb} returns a {kind.__name__}",
            )
            assert isinstance(value, BaseModel)
            try:
                same = as_stored(value) == value
            except ValueError:
                same = False
            expect(
                same,
                f"{kind.__name__} does not survive the journal: {value!r}",
                "what is vendor-specific is plain JSON: no tuples, dates, bytes or objects",
            )

    def test_prepare_returns_a_setup(self, mode: Mode) -> None:
        """``prepare`` returns a ``Setup`` that can be stored."""
        self._returned(mode, "prepare", Setup)

    def test_start_returns_a_session(self, mode: Mode) -> None:
        """``start`` returns a ``Session`` that can be stored."""
        self._returned(mode, "start", Session)

    def test_send_returns_a_receipt(self, mode: Mode) -> None:
        """``send`` returns a ``Receipt`` that can be stored."""
        self._returned(mode, "send", Receipt)

    def test_complete_returns_a_job(self, mode: Mode) -> None:
        """``complete`` returns a ``Job`` that can be stored."""
        self._returned(mode, "complete", Job)

    def test_poll_returns_a_status(self, mode: Mode) -> None:
        """``poll`` returns a ``Status`` that can be stored."""
        self._returned(mode, "poll", Status)

    def test_the_transfers_cover_the_documents(self, mode: Mode) -> None:
        """The pieces of all transfers are every byte of every document, once."""
        story = good(self.kit, mode)
        pieces = sorted(
            (piece.document, piece.offset, piece.end)
            for transfer in story.opened.transfers
            for piece in transfer.pieces
        )
        for document in story.planned.documents:
            at = 0
            for _, offset, end in (p for p in pieces if p[0] == document.id):
                expect(offset == at, f"{document.name}: {pieces}", "no gap and no overlap")
                at = end
            expect(at == document.size, f"{document.name} ends at {at}", f"{document.size} bytes")

    def test_the_transfers_have_names_of_their_own(self, mode: Mode) -> None:
        """The ids of the transfers differ, and their numbers count from 1."""
        story = good(self.kit, mode)
        transfers = story.opened.transfers
        expect(
            transfers
            and len({t.id for t in transfers}) == len(transfers)
            and all(t.number >= 1 for t in transfers),
            f"{[(t.id, t.number) for t in transfers]}",
            "a receipt is kept under the id of its transfer",
        )

    def test_the_receipts_are_those_of_their_transfers(self, mode: Mode) -> None:
        """Each receipt names the transfer that it answers, and only documents of the batch."""
        story = good(self.kit, mode)
        transfers = story.opened.transfers
        ours = {document.id for document in story.planned.documents}
        for transfer, receipt in zip(transfers, story.receipts, strict=True):
            named = {entry.document for entry in receipt.documents}
            expect(
                (receipt.transfer, receipt.number) == (transfer.id, transfer.number)
                and named <= ours,
                f"{receipt!r} for {transfer.id}",
                "use transfer.receipt(...); documents are named by our id",
            )

    def test_the_job_has_an_id(self, mode: Mode) -> None:
        """The job has the vendor's id, and names only documents of the batch."""
        story = good(self.kit, mode)
        ours = {document.id for document in story.planned.documents}
        named = {entry.document for entry in story.accepted.documents}
        expect(story.accepted.id and named <= ours, f"{story.job!r}", "one vendor job, one batch")

    def test_each_document_is_found_again(self, mode: Mode) -> None:
        """Where a status speaks of documents, each of ours is among them."""
        story = good(self.kit, mode)
        last = story.statuses[-1]
        if not last.documents:
            skip("the vendor says nothing of single documents")
        found = match_documents(story.planned, story.receipts, story.accepted, last)
        lost = [d.name for d in story.planned.documents if d.id not in found]
        expect(not lost, f"not found: {lost}", "by vendor_id of receipt or job, else by the name")

    def test_the_status_keeps_what_came(self, mode: Mode) -> None:
        """Each status has the vendor's own word and the reply as it came."""
        story = good(self.kit, mode)
        replies = [reply for _, reply in story.of("poll") if reply is not None]
        came = [value for reply in replies if (value := json_of(reply)) is not None]
        for status in story.statuses:
            expect(status.word, f"{status!r}", "word is the vendor's own")
            expect(
                status.raw in came or not came,  # a HEAD, for instance, brings none
                f"raw is {str(status.raw)[:80]}",
                "raw is the reply to the poll, unknown fields included",
            )

    # ------------------------------------------------------------------ how flows behave

    def test_the_same_upload_is_the_same_requests(self, mode: Mode) -> None:
        """Told twice, the story has the same requests, byte for byte."""
        one, other = good(self.kit, mode), tell(self.kit, mode)
        told = [[_plain(sent.request) for sent in story.pier.sent] for story in (one, other)]
        expect(told[0] == told[1], _first_difference(*told), "flows use no randomness, no globals")

    def test_a_flow_needs_only_its_arguments(self, mode: Mode) -> None:
        """The requests are the same when each flow is run by an adapter of its own."""
        good(self.kit, mode)
        for script in scripts(self.kit):
            one, other = calm(self.kit, mode, script), tell(self.kit, mode, script, afresh=True)
            told = [[_plain(sent.request) for sent in story.pier.sent] for story in (one, other)]
            expect(
                told[0] == told[1] and (one.error is None) == (other.error is None),
                f"{script}: {_first_difference(*told)} {other.error or ''}",
                "what a later flow needs goes into Setup, Session, Receipt or Job: another "
                "process may run it",
            )

    def test_the_flows_only_describe(self, mode: Mode) -> None:
        """No flow asks a clock, dice, the environment, a file or the network."""
        found: list[str] = []

        def watch() -> AbstractContextManager[None]:
            return poisoned(self.kit.provider, found)

        good(self.kit, mode)
        story = tell(self.kit, mode, watch=watch)
        expect(
            not found,
            f"it uses {sorted(set(found))}",
            "a flow is run again from its top, perhaps on another machine: it yields requests "
            "and gets responses, and nothing else; times come in batch, session and replies",
        )
        expect(story.error is None, told(story.error), "it ends as it does otherwise")

    def test_no_step_comes_twice_in_a_flow(self, mode: Mode) -> None:
        """Within one flow call each step name stands once."""
        story = good(self.kit, mode)
        twice = story.pier.twice
        expect(not twice, f"twice in one flow: {twice}", "answers are kept by the step's name")

    def test_what_writes_has_a_step(self, mode: Mode) -> None:
        """A request that is not GET, HEAD or OPTIONS is marked as one that changes something."""
        story = good(self.kit, mode)
        bare = [
            sent.label
            for sent in story.pier.sent
            if sent.request.method not in ("GET", "HEAD", "OPTIONS")
            and sent.request.retry is Retry.SAFE
            and sent.template not in self.kit.reads
        ]
        expect(not bare, f"marked safe: {bare}", "say idempotent, keyed or once, and name a step")

    def test_no_step_tells_a_secret(self, mode: Mode) -> None:
        """Step names are short, and hold nothing that is to be hidden."""
        story = good(self.kit, mode)
        for sent in story.pier.sent:
            step = sent.request.step
            expect(
                len(step) <= 100 and not any(secret in step for secret in story.secrets),
                f"step {step!r}",
                "step names are stored and shown",
            )

    def test_a_poll_only_asks(self, mode: Mode) -> None:
        """``poll`` holds safe requests only, and waits for nothing."""
        story = good(self.kit, mode)
        acts = [s.label for s, _ in story.of("poll") if s.request.retry is not Retry.SAFE]
        expect(not acts, f"{acts}", "a poll may come at any time, and any number of times")
        waits = [wait for wait in story.pier.waits if wait.startswith("poll: ")]
        expect(
            not waits, f"it waits: {waits[:3]}", "poll tells of now; the schedule brings it back"
        )

    def test_a_poll_says_the_same_when_all_is_over(self, mode: Mode) -> None:
        """A job that has ended stays as it is, however often it is asked about."""
        story = tell(self.kit, mode)
        if story.error is not None or story.job is None:
            skip("without faults it does not succeed either: see test_the_upload_succeeds")
        again = story.pier.poll(story.job, after=3600.0)
        expect(
            again.state is story.statuses[-1].state, f"then {again.state}", "poll changes nothing"
        )

    def test_an_interrupted_flow_goes_on(self, spot: Spot) -> None:
        """Run again from its top before any request, a flow goes on with the same writes."""
        one = calm(self.kit, spot.mode, spot.script)
        other = tell(self.kit, spot.mode, spot.script, interrupt_at=spot.place)
        told = [
            [_plain(s.request) for s in story.pier.sent if s.request.step] for story in (one, other)
        ]
        expect(
            one.error is not None or (other.error is None and told[0] == told[1]),
            f"interrupted before {spot}: {other.error or _first_difference(*told)}",
            "answers of writes are given back by name, GETs go out again: whatever they say now, "
            "the same writes must follow with the same bodies",
        )


def _plain(request: Request) -> str:
    headers = sorted(request.headers.items())
    return f"{request.method} {request.url} {request.step} {request.retry} {headers} {request.body}"


def _first_difference(one: list[str], other: list[str]) -> str:
    for number, (left, right) in enumerate(zip(one, other, strict=False), 1):
        if left != right:
            return f"request {number}: {left[:200]} / {right[:200]}"
    return f"{len(one)} requests, then {len(other)}"
