"""ready(): what a unit can do now, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.capabilities import Capabilities, PartRule, PollSchedule
from longshore.documents import Document, Piece
from longshore.errors import UnknownOutcome
from longshore.journal import ChangeUnit, DocumentRecord, FactKind, UnitRecord
from longshore.lifecycle import Job, Outcome, Session, Transfer
from longshore.pipeline import Next, Step, Unit, ready
from longshore.pipeline._unit import Verdict

NOW = 1000.0
PLAIN = Capabilities(polls=PollSchedule(floor=3.0))
ORDERED = Capabilities(parts=PartRule(ordered=True))
DIGEST_FIRST = Capabilities(wants_sha256=True)


def unit(
    *, parts: int = 0, job: bool = False, sha256: str | None = "0" * 64, **record: Any
) -> Unit:
    """Make a unit with a session of so many parts, or with a job."""
    document = Document(id="d", name="a.pdf", size=max(parts, 1), sha256=sha256)
    made = Unit(
        UnitRecord(id="b", run_id="r", **record),
        {"d": DocumentRecord(document=document, run_id="r", unit_id="b")},
    )
    if parts:
        transfers = tuple(
            Transfer(id=str(n), pieces=(Piece(document="d", offset=n, size=1),))
            for n in range(parts)
        )
        session = Session(transfers=transfers).model_dump(mode="json")
        made.apply([made.fact(FactKind.SESSION, "", "", session)])
    if job:
        made.job = Job(id="j")
    return made


def steps(made: Unit, capabilities: Capabilities = PLAIN, **more: Any) -> Any:
    found = ready(made, NOW, capabilities, checksum=more.pop("checksum", True), **more)
    return found if isinstance(found, Next) else [step.flow for step in found]


def test_the_walk_from_start_to_poll() -> None:
    """Each state of a unit leads to its one next step."""
    assert steps(unit()) == ["start"]
    assert steps(unit(parts=2)) == ["send/0", "send/1"]
    made = unit(parts=1)
    made.missing.clear()
    assert steps(made) == ["complete"]
    assert steps(unit(job=True)) == ["poll"]
    assert steps(Unit(UnitRecord(id="r", run_id="r"), {})) == ["prepare"]


def test_ordered_parts_go_one_by_one() -> None:
    """The second of an ordered session waits for the first."""
    made = unit(parts=3)
    assert steps(made, ORDERED) == ["send/0"]
    made.running.add("send/0")
    assert steps(made, ORDERED) == Next("busy")


def test_the_digest_goes_beside_or_before() -> None:
    """Before start where the vendor wants it, beside it otherwise, never with --no-checksum."""
    made = unit(sha256=None)
    assert steps(made) == ["digest", "start"]
    assert steps(made, DIGEST_FIRST) == ["digest"]
    assert steps(made, checksum=False) == ["start"]
    assert steps(made, DIGEST_FIRST, checksum=False) == ["digest"]
    assert steps(unit(sha256=None, job=True)) == ["digest"]


def test_what_cannot_be_hashed_any_more_does_not_stop_the_polls() -> None:
    """A file that was deleted after its upload has no digest; its job is followed all the same."""
    made = unit(sha256=None, job=True)
    made.undigested.add("d")
    assert steps(made) == ["poll"]


def test_a_verdict_waits_for_what_is_running() -> None:
    """Nothing new begins; the end comes when the last send has ended."""
    made = unit(parts=2)
    made.verdict = Verdict(UnknownOutcome("x"))
    made.running.add("send/0")
    assert steps(made) == Next("busy")
    made.running.clear()
    assert steps(made) == ["conclude"]


def test_stale_urls_are_renewed_when_nothing_runs() -> None:
    """Sends in flight end first; no new one begins."""
    made = unit(parts=3)
    made.stale.add("1")
    made.running.add("send/0")
    assert steps(made) == Next("busy")
    made.running.clear()
    assert steps(made) == ["renew"]


def test_delayed_steps_do_not_hold_up_others() -> None:
    """Parts whose answers were lost wait; as many others as may go, go."""
    made = unit(parts=12)
    for n in range(8):
        made.delays[f"send/{n}"] = (NOW + 60 + n, "lost")
    assert steps(made, limit=4) == ["send/8", "send/9", "send/10", "send/11"]
    for n in range(8, 12):
        made.delays[f"send/{n}"] = (NOW + 50 + n, "lost")
    assert steps(made) == Next("later", NOW + 58, "lost")


def test_at_most_so_many_steps() -> None:
    """A unit of a thousand parts offers as many as there is room for."""
    assert len(steps(unit(parts=1000), limit=8)) == 8


def test_what_a_person_asked_for_comes_first_but_not_before_its_time() -> None:
    """An action that waits for a lost answer does not spin."""
    made = unit(job=True)
    made.asked.append(Step("act", "approve"))
    assert steps(made) == ["act/approve"]
    made.delays["act/approve"] = (NOW + 60, "no answer")
    assert steps(made) == Next("later", NOW + 60, "no answer")
    made.running.add("poll")
    made.delays.clear()
    assert steps(made) == Next("busy")
    made.running = {"act/approve"}  # nor does a poll go beside it, whose answer would be older
    assert steps(made) == Next("busy")


def test_a_poll_waits_for_its_time_and_for_the_floor() -> None:
    """Neither a resume nor a wake asks sooner than the vendor allows."""
    assert steps(unit(job=True, at=NOW + 5, why="waiting")) == Next("later", NOW + 5, "waiting")
    made = unit(job=True)
    made.apply([ChangeUnit({"polled_at": NOW - 1})])
    assert steps(made) == Next("later", NOW + 2)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.UNKNOWN, "unknown"), (Outcome.FAILED, "finished"), (Outcome.RUNNING, "finished")],
)
def test_what_is_settled_does_nothing(outcome: Outcome, state: str) -> None:
    """A settled unit only moves when somebody asks."""
    made = unit(job=True, settled=True, outcome=outcome)
    assert steps(made).state == state
    made.asked.append(Step("cancel"))
    assert steps(made) == ["cancel"]
