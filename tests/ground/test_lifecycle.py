"""What is persisted about a batch: its words, its sums, and who is who in a vendor's reply."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from longshore.documents import Document, Piece
from longshore.lifecycle import (
    Accepted,
    Action,
    Batch,
    DocumentStatus,
    Job,
    Outcome,
    Session,
    State,
    Status,
    Transfer,
    combine,
    match_documents,
)

DOCUMENTS = tuple(Document(id=id, name=f"{id}.pdf", size=10) for id in ("a", "b", "c"))
BATCH = Batch(id="b1", documents=DOCUMENTS)


def reported(
    vendor_id: str | None = None, name: str | None = None, word: str = ""
) -> DocumentStatus:
    return DocumentStatus(state=State.SUCCEEDED, word=word, vendor_id=vendor_id, name=name)


def matched(*statuses: DocumentStatus, accepted: tuple[Accepted, ...] = ()) -> dict[str, str]:
    """Document id -> the word reported for it."""
    status = Status(state=State.RUNNING, word="", documents=statuses)
    receipt = Transfer.whole(BATCH).receipt(documents=accepted)
    found = match_documents(BATCH, [receipt], Job(id="j"), status)
    return {id: entry.word for id, entry in found.items()}


def test_only_five_states_are_terminal() -> None:
    """A job that runs or waits for a person may still change."""
    assert {state for state in State if not state.terminal} == {State.RUNNING, State.NEEDS_ACTION}


def test_outcomes_are_the_states_and_what_only_we_know() -> None:
    """Every state is an outcome of the same word; an unknown outcome can still mend."""
    assert set(Outcome) - set(State) == {Outcome.REFUSED, Outcome.UNKNOWN, Outcome.SKIPPED}
    ended = {outcome for outcome in Outcome if not outcome.terminal}
    assert ended == {Outcome.RUNNING, Outcome.NEEDS_ACTION, Outcome.UNKNOWN}


def test_an_unknown_word_runs() -> None:
    """A word that a vendor invents tomorrow ends nothing."""
    words = {"DONE": State.SUCCEEDED}
    assert Status.of("DONE", words, raw=1) == Status(state=State.SUCCEEDED, word="DONE", raw=1)
    assert Status.of("SHINY", words) == Status(state=State.RUNNING, word="SHINY")


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], "running"),
        (["succeeded", "running", "failed"], "running"),
        (["succeeded", "needs_action", "failed"], "needs_action"),
        (["needs_action", "running"], "running"),
        (["succeeded", "succeeded"], "succeeded"),
        (["cancelled", "cancelled"], "cancelled"),
        (["succeeded", "failed"], "partial"),
        (["partial", "failed"], "partial"),
        (["cancelled", "failed"], "failed"),
        (["expired", "cancelled"], "failed"),
    ],
)
def test_states_are_summed_up(states: list[str], state: str) -> None:
    """Nothing ends while something runs, and no success is hidden."""
    for order in itertools.permutations(State(word) for word in states):
        assert State(state) == combine(order)


@given(st.lists(st.sampled_from(State), min_size=1))
def test_a_sum_is_terminal_exactly_when_all_are(states: list[State]) -> None:
    """Else polling would end too early, or never."""
    assert combine(states).terminal == all(state.terminal for state in states)


@given(st.text().filter(lambda name: name and ":" not in name), st.none() | st.text(min_size=1))
def test_an_action_is_read_back_as_written(name: str, object: str | None) -> None:
    """Scripts copy what `actions` prints; a vendor's id may hold colons."""
    action = Action(name=name, object=object)
    assert Action.parse(str(action)) == action


def test_documents_are_found_by_id_before_name() -> None:
    """In whatever order the vendor lists them."""
    accepted = (Accepted(document="a", vendor_id="v1"), Accepted(document="b", vendor_id="v2"))
    entries = [
        reported(name="a.pdf", word="by name"),
        reported("v1", word="by id"),
        reported("v2", "other.pdf", word="second"),
    ]
    for order in itertools.permutations(entries):
        assert matched(*order, accepted=accepted) == {"a": "by id", "b": "second"}


def test_a_unique_name_is_enough() -> None:
    """Where the vendor gives no ids, or ids that nobody has seen before."""
    assert matched(reported(name="b.pdf", word="x")) == {"b": "x"}
    assert matched(reported("task_9", "c.pdf", word="y")) == {"c": "y"}


def test_a_name_that_two_have_is_no_proof() -> None:
    """Neither twice in the reply nor twice in the batch; a stranger is nobody."""
    assert matched(reported(name="a.pdf"), reported(name="a.pdf"), reported(name="z.pdf")) == {}
    twins = tuple(Document(id=id, name="same.pdf", size=1) for id in ("a", "b"))
    status = Status(state=State.RUNNING, word="", documents=(reported(name="same.pdf"),))
    found = match_documents(Batch(id="b", documents=twins), [], Job(id="j"), status)
    assert found == {}


def test_a_job_may_name_the_documents_itself() -> None:
    """The ids of the job count as those of the receipts do."""
    job = Job(id="j", documents=(Accepted(document="c", vendor_id="v3"),))
    status = Status(state=State.RUNNING, word="", documents=(reported("v3", word="x"),))
    assert list(match_documents(BATCH, [], job, status)) == ["c"]


def test_a_batch_knows_its_reference_and_size() -> None:
    """Another attempt is another reference."""
    assert (BATCH.reference, BATCH.size, BATCH.document("b")) == ("ls-b1-1", 30, DOCUMENTS[1])
    assert BATCH.model_copy(update={"attempt": 2}).reference == "ls-b1-2"
    with pytest.raises(KeyError):
        BATCH.document("z")
    with pytest.raises(ValueError, match="too many"):
        BATCH.only()


def test_one_transfer_holds_every_document() -> None:
    """Whole, in order, and its receipt carries its name."""
    transfer = Transfer.whole(BATCH, "form")
    assert transfer.pieces == tuple(document.whole() for document in DOCUMENTS)
    assert transfer.size == 30
    receipt = transfer.receipt("etag", seen=True)
    assert (receipt.transfer, receipt.token, receipt.data) == ("form", "etag", {"seen": True})


def test_secrets_are_not_in_what_is_printed() -> None:
    """A session in a log line or a traceback shows neither tokens nor signed URLs."""
    transfer = Transfer(
        id="1", pieces=(), url="https://s3/k?X-Amz-Signature=hunter2", headers={"x": "hunter2"}
    )
    session = Session(transfers=(transfer,), data={"id": 1}, secrets={"token": "hunter2"})
    assert "hunter2" not in f"{session!r} {session}"
    assert "hunter2" in session.model_dump_json()


def test_what_is_stored_is_read_back_and_never_misread() -> None:
    """The journal's JSON gives the same value; a field of a newer version is an error."""
    transfer = Transfer(id="1", pieces=(Piece(document="a", offset=0, size=5),), expires_at=1.5)
    session = Session(transfers=(transfer,), data={"a": [1, None]}, secrets={"t": "x"})
    assert Session.model_validate_json(session.model_dump_json()) == session
    with pytest.raises(ValidationError):
        Session.model_validate({"transfers": [], "novelty": 1})


def test_what_is_stored_cannot_be_changed() -> None:
    """A flow gets the same values at every run from the top."""
    with pytest.raises(ValidationError):
        BATCH.attempt = 2  # type: ignore[misc]
