"""Figures: what counts, what does not, and how shared submissions are counted once."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.evaluate._figures import Spread, figures_of
from tests.evaluate.conftest import comparison, refused, row


def test_what_is_not_taken_is_in_no_figure() -> None:
    """A refused document is counted as such and nowhere else."""
    found = figures_of([row(1), row(3), refused(2, "alpha")])
    assert (found.documents, found.refused, found.succeeded) == (2, 1, 1.0)
    assert found.to_done == Spread.of([1.0, 3.0])


def test_times_are_those_of_what_succeeded_without_interruption() -> None:
    """A failure is no quick success, and a time with a break in it is no time."""
    rows = [row(2), row(1, outcome="failed", error_kind="vendor"), row(9, interrupted=True)]
    found = figures_of(rows)
    assert found.to_done == Spread.of([2.0])
    assert found.outcomes == {"succeeded": 2, "failed": 1}
    assert found.errors == {"vendor": 1}


def test_a_shared_submission_counts_once() -> None:
    """Requests and credits of a submission stand with each of its documents, but count once."""
    shared: dict[str, Any] = {"batch_id": "b", "batch_documents": 2, "requests": 7, "throttled": 2}
    paid: dict[str, Any] = {"usage_credits": 20.0, "usage_pages": 2, "result_bytes": 100}
    rows = [row(1, **shared, **paid), row(2, **shared, outcome="failed", results="")]
    found = figures_of(rows)
    assert (found.requests, found.credits, found.pages) == (7, 20.0, 2)
    assert found.troubles == {"throttled": 2}


def test_repeats_give_a_spread() -> None:
    """The median of each round, and how far the rounds of a document lie apart."""
    rows = [row(1, seconds_to_done=1.0), row(1, round=2, seconds_to_done=3.0)]
    found = figures_of(rows)
    assert (found.rounds, found.wobble) == ((1.0, 3.0), 1.0)


def test_a_share_says_how_sure_it_is() -> None:
    """Wilson's interval: ten of ten are not certainly all, and more documents make it narrower."""
    few, many = (figures_of([row(n) for n in range(count)]) for count in (10, 1000))
    half = figures_of([row(1), row(2, outcome="failed")])
    assert few.succeeded_within == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert many.succeeded_within == pytest.approx((0.9962, 1.0), abs=1e-4)
    assert half.succeeded_within == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert figures_of([refused(1, "alpha")]).succeeded_within is None


def test_a_vendor_that_was_down_has_failed_at_nothing() -> None:
    """A share of none would be read as one; once a document came to an end, the rest counts."""
    down = [row(1, outcome="running"), row(2, outcome="running")]
    assert (figures_of(down).succeeded, figures_of(down).succeeded_within) == (None, None)
    assert figures_of([*down, row(3), row(4, outcome="failed")]).succeeded == 0.25


def test_nothing_known_is_not_zero() -> None:
    """A vendor that tells no credits did not debit none."""
    found = figures_of([row(1)])
    assert (found.credits, found.pages, found.vendor_queued, found.wobble) == (None,) * 4


def test_common_figures_are_over_what_every_target_takes() -> None:
    """A target is not quicker for having refused the slow documents."""
    rows = [row(1), row(9), row(1, "bravo"), refused(9, "bravo")]
    found = comparison(rows)
    assert found.shared_documents == {1}
    assert (found.figures["alpha"].to_done, found.common["alpha"].to_done) == (
        Spread.of([1.0, 9.0]),
        Spread.of([1.0]),
    )


def test_a_target_that_takes_nothing_leaves_the_others_comparable() -> None:
    """The common documents are those of the targets that take any."""
    rows = [row(1), row(1, "bravo"), refused(1, "charlie")]
    found = comparison(rows, targets=("alpha", "bravo", "charlie"))
    assert (set(found.shared_documents), found.exit_code) == ({1}, 1)


def test_a_comparison_in_which_nothing_could_go_is_trouble() -> None:
    """Every target refused every document: exit 2."""
    assert comparison([refused(1, "alpha"), refused(1, "bravo")]).exit_code == 2
