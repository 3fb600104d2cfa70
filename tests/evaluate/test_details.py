"""What is kept of results, and whose they are."""

from __future__ import annotations

from longshore.documents import Document
from longshore.evaluate._agreement import values_of
from longshore.evaluate._details import Budget, Detail, match_results
from longshore.journal import DocumentRecord
from longshore.provider import (
    Artifact,
    DocumentResult,
    FieldValue,
    Results,
    TextPiece,
    VendorTimes,
)


def record(id: str, name: str, vendor_id: str | None = None) -> DocumentRecord:
    document = Document(id=id, name=name, size=1)
    return DocumentRecord(document=document, run_id="r", vendor_id=vendor_id)


def test_results_find_their_documents() -> None:
    """By the vendor's id first, then by a name that is unique on both sides."""
    ours = [record("1", "a.pdf", "v1"), record("2", "b.pdf"), record("3", "same"),
            record("4", "same")]  # fmt: skip
    theirs = (
        DocumentResult(name="b.pdf", pages=2),
        DocumentResult(name="other", vendor_id="v1", pages=1),
        DocumentResult(name="same", pages=3),
    )
    found = match_results(ours, Results(documents=theirs))
    assert {id: result.pages for id, result in found.items()} == {"1": 1, "2": 2}


def test_the_only_result_is_that_of_the_only_document() -> None:
    """A vendor that names nothing is understood where nothing can be mixed up."""
    only = DocumentResult(pages=4)
    assert match_results([record("1", "a")], Results(documents=(only,))) == {"1": only}
    assert match_results([record("1", "a"), record("2", "b")], Results(documents=(only,))) == {}


def test_what_is_kept_is_bounded() -> None:
    """The more documents, the less of each; what was cut is marked."""
    result = DocumentResult(
        fields=tuple(FieldValue(name=str(n), value="v" * 5000) for n in range(900)),
        texts=(TextPiece(text="t" * 5000),),
    )
    few, many = Budget.for_cells(4), Budget.for_cells(20_000)
    assert (few.raw, many.raw * 20_000 <= 32_000_000) == (20_000, True)
    kept = Detail.of(result, many, "r" * 100_000, ())
    assert not kept.whole
    assert len(kept.result.fields) == many.entries
    assert (len(kept.raw), len(kept.result.texts[0].text)) == (many.raw, many.characters)


def test_a_name_of_megabytes_is_not_kept() -> None:
    """Nothing that a vendor may write is kept as long as it likes, with thousands of documents."""
    huge = "n" * 100_000
    result = DocumentResult(
        name=huge,
        vendor_id=huge,
        fields=(FieldValue(name=huge, value=1),),
        texts=(TextPiece(text="t", kind=huge),),
        artifacts=(Artifact(name=huge, url=huge, kind=huge),),
        warnings=(huge,),
    )
    kept = Detail.of(result, Budget(), "", (huge,))
    assert not kept.whole
    assert len(kept.result.model_dump_json()) + len(kept.warnings[0]) < 10 * Budget().characters
    assert all(len(name) < 2000 for name in values_of(result))


def test_vendors_times_are_read_as_they_are_written() -> None:
    """ISO texts and numbers are times; nonsense and zero are "not told"."""
    times = VendorTimes.of("2026-01-01T00:00:00Z", 1767225605.0, "2026-01-01T00:00:15")
    assert (times.queued, times.processing, times.total) == (5.0, 10.0, 15.0)
    assert VendorTimes.of(0, "soon", None) == VendorTimes()
