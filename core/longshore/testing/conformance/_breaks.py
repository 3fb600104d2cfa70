"""Everything that can go wrong at every single point, with the real engine between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from longshore.lifecycle import Outcome
from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._say import expect, skip
from longshore.testing.conformance._uploads import good
from longshore.testing.simulation import broken_promises, play, single_faults

__all__ = ["TROUBLES", "BreakChecks"]

TROUBLES: Mapping[str, frozenset[str]] = {
    "no connection": frozenset({"refused"}),
    "a late request": frozenset({"late"}),
    "429": frozenset({"429/2"}),
    "503": frozenset({"503/2"}),
    "502": frozenset({"502"}),
    "502 after it acted": frozenset({"502!"}),
    "delivered twice": frozenset({"twice"}),
    "an answer that is no JSON": frozenset({"json"}),
    "an expired URL": frozenset({"expired"}),
    "a wrong key": frozenset({"401"}),
    "a pause of two hours": frozenset({"crash/hour"}),
    "a second executor": frozenset({"rival"}),
}
"""Kinds of trouble, as the simulator knows them; crashes and lost answers have their own checks."""


class BreakChecks:
    """A crash, a lost answer or another trouble, at each point where it can be."""

    kit: ClassVar[Kit]

    def _points(self, mode: Mode, kinds: frozenset[str], only: str = "") -> None:
        good(self.kit, mode)
        case = self.kit.case(mode)
        calm = play(case)
        if broken_promises(case, calm):
            skip("the history without faults is broken: see test_the_engine_succeeds_as_well")
        points = [
            point
            for plan in single_faults(calm.log, kinds)
            for point in plan.items()
            if calm.log[point[0] - 1].startswith(only)
        ]
        if not points:
            skip("there is no point at which it could happen")
        for number, event in points:
            what = calm.log[number - 1]
            history = play(case, {number: event})
            broken = broken_promises(case, history)
            expect(
                not broken,
                f"{event} at point {number} ({what}): {'; '.join(broken)}",
                "nothing is lost and nothing doubled, wherever it breaks",
            )
            expect(
                self.kit.may_be_unknown
                or event in _UNUSABLE
                or Outcome.UNKNOWN not in history.outcomes,
                f"{event} at point {number} ({what}): unknown",
                "unknown is only said where the vendor gives no means to tell (may_be_unknown)",
            )

    def test_a_crash_anywhere_is_survived(self, mode: Mode) -> None:
        """The process dies at any exchange or journal write, and the next one finishes the work."""
        self._points(mode, frozenset({"crash"}))

    def test_a_lost_request_is_survived(self, mode: Mode) -> None:
        """Any request that never arrives is sent again, or the matter is cleared."""
        self._points(mode, frozenset({"lost"}), "request")

    def test_a_lost_answer_is_survived(self, mode: Mode) -> None:
        """Any answer that never arrives costs no second job and no second copy."""
        self._points(mode, frozenset({"lost"}), "answer")

    def test_trouble_is_survived(self, mode: Mode, trouble: str) -> None:
        """Any trouble on the way, once at any point, loses nothing and doubles nothing."""
        self._points(mode, TROUBLES[trouble])


_UNUSABLE = TROUBLES["an answer that is no JSON"]
