"""Agreement: what is the same, what is shared, and what differs."""

from __future__ import annotations

import time

import pytest
from pydantic import JsonValue

from longshore.evaluate._agreement import agree, same_name, same_value, values_of
from longshore.provider import DocumentResult, FieldValue
from tests.evaluate.conftest import detail


@pytest.mark.parametrize(
    ("one", "other"),
    [("Invoice No.", "invoice_no"), ("invoiceNo", "invoice-no"), ("ÄNDERUNG", "änderung")],
)
def test_names_are_compared_without_their_spelling(one: str, other: str) -> None:
    """Case, spaces, marks and camelCase make no other field."""
    assert same_name(one) == same_name(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("$1,234.50", 1234.5, True),
        ("ACME  Ltd", "acme ltd", True),
        (True, "true", True),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, True),
        ("007", 7, False),
        ("1.5", "15", False),
        ("1,23", 123, False),
    ],
)
def test_values_are_compared_without_their_writing(
    one: JsonValue, other: JsonValue, same: bool
) -> None:
    """Numbers are numbers however written, as long as nobody could read them otherwise."""
    assert same == (same_value(one) == same_value(other))


def test_megabytes_of_accents_do_not_stop_the_comparison() -> None:
    """Unicode's normal form takes a time that grows with the square of them: hours for a reply."""
    accents = "a" + "\u0301" * 20_000 + "\u0316" * 20_000
    began = time.process_time()
    assert same_value(accents) == same_value(accents + "b")
    assert same_name(accents)
    assert time.process_time() - began < 1


def test_wide_gaps_do_not_hide_what_differs() -> None:
    """A page as it is laid out has thousands of blanks: they are not what is looked at."""
    gap = " \n" * 5000
    assert same_value(f"{gap}Total{gap}12") == "total 12"
    assert same_name(f"{gap}Total{gap}") == "total"


def test_ids_of_the_vendors_own_are_not_compared() -> None:
    """A vendor's id for its data set says nothing about the document."""
    fields = (FieldValue(name="dataset_id", value="ds_1", own=True), FieldValue(name="a", value=1))
    assert values_of(DocumentResult(fields=fields, pages=2)) == {"a": ("1",), "pages": ("2",)}


def test_a_name_that_comes_often_is_compared_as_a_whole() -> None:
    """Sheet numbers of several pages agree in any order, and differ when one is missing."""
    both = detail(("sheet", "A-1"), ("sheet", "A-2"))
    swapped, one = detail(("sheet", "A-2"), ("sheet", "A-1")), detail(("sheet", "A-1"))
    found = agree({("x", 1, 1): both, ("y", 1, 1): swapped, ("z", 1, 1): one}, ["x", "y", "z"])
    rates = {pair: share.rate for pair, share in found.pairs.items()}
    assert rates == {("x", "y"): 1.0, ("x", "z"): 0.0, ("y", "z"): 0.0}


def test_of_very_many_values_a_part_is_kept_that_tells_all_of_them_apart() -> None:
    """A name may stand at each line of a table; the last one may be what differs."""
    lines = [("line", f"{n:06}") for n in range(5000)]
    first, same, other = detail(*lines), detail(*lines[::-1]), detail(*lines[:-1], ("line", "x"))
    assert first.values == same.values != other.values
    assert len(first.values["line"]) < 300


def test_differences_stand_side_by_side() -> None:
    """Only fields that two read can differ; what each said is kept."""
    details = {
        ("x", 1, 1): detail(("total", 10), ("only here", 1)),
        ("y", 1, 1): detail(("Total", 11)),
        ("x", 1, 2): detail(("total", 5)),
        ("y", 1, 2): detail(("total", "5.00")),
    }
    found = agree(details, ["x", "y"])
    (difference,) = found.differences
    assert (difference.document, difference.field) == (1, "total")
    assert difference.values == {"x": ("10",), "y": ("11",)}
    assert (found.fields["total"].shared, found.fields["total"].equal) == (2, 1)


def test_rounds_are_compared_with_the_first() -> None:
    """A target that reads a document otherwise the second time does not agree with itself."""
    details = {("x", 1, 1): detail(("a", 1), ("b", 2)), ("x", 2, 1): detail(("a", 1), ("b", 3))}
    found = agree(details, ["x", "y"])
    assert (found.repeats["x"].shared, found.repeats["x"].equal) == (2, 1)


def test_nothing_shared_is_no_rate() -> None:
    """Where two targets name nothing alike, there is nothing to say."""
    found = agree({("x", 1, 1): detail(("a", 1)), ("y", 1, 1): detail(("b", 1))}, ["x", "y"])
    assert found.pairs["x", "y"].rate is None
