"""What a run looks like from outside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longshore.documents import Document
from longshore.errors import Unauthorized
from longshore.journal import Counters, DocumentRecord, RunRecord, UnitRecord
from longshore.lifecycle import Outcome
from longshore.pipeline import RunReport, document_line, exit_code, run_line

COUNTS = st.dictionaries(st.sampled_from(list(Outcome)), st.integers(0, 50))
RUN = RunRecord(id="r", target="acme", provider="acme")
NOT_GOOD = ("failed", "partial", "cancelled", "expired", "refused")


@given(COUNTS, st.booleans(), st.booleans())
def test_counts_add_up_and_the_first_exit_code_counts(
    counts: dict[Outcome, int], trouble: bool, interrupted: bool
) -> None:
    """For every mixture: the line's counts are the documents, the code is the first that fits."""
    report = RunReport(RUN, counts, interrupted=interrupted)
    if trouble:
        report.trouble = Unauthorized("no")
    line = run_line(report)
    assert sum(int(str(line[str(o)])) for o in Outcome) == line["documents"]
    total, refused = sum(counts.values()), counts.get(Outcome.REFUSED, 0)
    expected = 0
    if counts.get(Outcome.NEEDS_ACTION):
        expected = 3
    if any(counts.get(Outcome(word)) for word in NOT_GOOD):
        expected = 1
    if counts.get(Outcome.UNKNOWN):
        expected = 4
    if interrupted:
        expected = 130
    if trouble or (total and refused == total):
        expected = 2
    assert exit_code(report) == expected


def test_a_document_line_of_a_batch_of_its_own() -> None:
    """Seconds are per phase; polling is from the job's acceptance to its end."""
    unit = UnitRecord(
        id="b", run_id="r", counters=Counters(bytes_sent=12, requests=3, retries=1),
        seconds={"queued": 1.0, "send": 2.0}, created_at=100.0, accepted_at=105.0,
        finished_at=115.5, job_id="j", word="done",
    )  # fmt: skip
    record = DocumentRecord(
        document=Document(id="d", name="a.pdf", size=10), run_id="r", unit_id="b", path="x/a.pdf",
        outcome=Outcome.SUCCEEDED, parts=2,
    )  # fmt: skip
    line = document_line(RUN, record, unit)
    assert line["seconds"] == {
        "queued": 1.0, "start": 0.0, "send": 2.0, "complete": 0.0, "poll": 10.5, "total": 15.5,
    }  # fmt: skip
    assert (line["bytes_sent"], line["requests"], line["retries"]) == (12, 3, 1)
    assert (line["vendor_status"], line["vendor_job_id"], line["batch_id"]) == ("done", "j", "b")


def test_bytes_of_a_shared_batch_are_those_of_the_document() -> None:
    """In a batch of several, each document counts its own size, once it was carried."""
    unit = UnitRecord(id="b", run_id="r", documents=3, counters=Counters(bytes_sent=99))
    document = Document(id="d", name="a.pdf", size=10)
    sent = DocumentRecord(document=document, run_id="r", unit_id="b", parts=1)
    assert document_line(RUN, sent, unit)["bytes_sent"] == 10
    waiting = sent.model_copy(update={"parts": 0})
    assert document_line(RUN, waiting, unit)["bytes_sent"] == 0
