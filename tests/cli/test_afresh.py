"""Why a batch is sent afresh: what people are told."""

from __future__ import annotations

from longshore.cli.progress._tally import Tally
from longshore.documents import Document
from longshore.journal import DocumentRecord, ErrorInfo, RunRecord
from longshore.pipeline import DocumentFinished, StepEnded

RUN = RunRecord(id="r1", target="subworkflow", provider="subworkflow", planned=True)
DOCUMENT = Document(id="d1", name="large.pdf", size=300_000_000)
RECORD = DocumentRecord(document=DOCUMENT, run_id="r1", unit_id="u1", path="large.pdf")


def ended(unit_id: str, verb: str, *, lost: str = "") -> StepEnded:
    """A step that is over; with ``lost`` it failed."""
    why = ErrorInfo(kind="failed", message=lost) if lost else None
    return StepEnded(RUN, unit_id, 1, (), verb, "", 0.0, 1.0, "failed" if lost else "done", why)


def test_a_batch_that_is_sent_afresh_is_told_with_the_reason() -> None:
    """Else nobody knows why twice the bytes left; one line, whatever number of batches."""
    tally = Tally()
    said = []
    for unit in ("u1", "u2"):
        said.append(tally.see(ended(unit, "start")))
        said += [tally.see(ended(unit, "send", lost=f"part 7 of {unit} was lost"))] * 2
        said.append(tally.see(ended(unit, "start")))
    assert [text for text in said if text] == [
        "longshore: batch u1 is sent afresh: part 7 of u1 was lost"
    ]


def test_a_part_that_failed_is_forgotten_with_its_batch() -> None:
    """A batch that ends is not sent afresh; nothing is kept of it either."""
    tally = Tally()
    tally.see(ended("u1", "send", lost="the answer was lost"))
    tally.see(DocumentFinished(RUN, RECORD, None))
    assert tally.see(ended("u1", "start")) == ""
