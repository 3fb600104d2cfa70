"""Counts what comes to a vendor and shows it: the neutral inspection view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from longshore.sandbox._calls import Call, Reply
from longshore.sandbox._faults import Dropped, Fault, Faults, answer
from longshore.sandbox._vendor import Vendor

INSPECTION = "/_sandbox/state"


@dataclass
class CallCount:
    """What came on one method and route template."""

    count: int = 0
    bytes: int = 0
    answers: dict[str, int] = field(default_factory=dict)

    def add(self, size: int, answer: str) -> None:
        """Count one call with a body of `size` bytes and its status, or how it was dropped."""
        self.count += 1
        self.bytes += size
        self.answers[answer] = self.answers.get(answer, 0) + 1


class Recorder:
    """A vendor with its fault plan, counters and inspection: what shells and simulators serve.

    `GET {base_url}/_sandbox/state` answers `{vendor, calls, documents, jobs, parts, duplicates}`;
    `duplicates` is how many accepted parts had been accepted before. Inspection is neither
    counted nor subject to faults.
    """

    def __init__(self, vendor: Vendor, faults: Faults | None = None) -> None:
        self.vendor = vendor
        self.faults = faults or Faults()
        self.calls: dict[str, CallCount] = {}

    @property
    def name(self) -> str:
        """The vendor's name."""
        return self.vendor.name

    @property
    def root(self) -> str:
        """The vendor's root path."""
        return self.vendor.root

    def handle(self, call: Call, now: float) -> Reply:
        """Answer a call and count it.

        Raises:
            Dropped: the fault plan ends the connection.
        """
        call = call.under(self.root)
        return self.answer(call, now, self.plan(call))

    def plan(self, call: Call) -> Fault | None:
        """Decide what goes wrong with a call whose body has not come yet."""
        call = call.under(self.root)
        return None if self._inspects(call) else self.faults.plan(self.name, call)

    def answer(self, call: Call, now: float, fault: Fault | None) -> Reply:
        """As `handle`, with the fault that `plan` chose."""
        if self._inspects(call):
            return Reply.json(200, self.state(now))
        counted = self.calls.setdefault(self.vendor.template(call), CallCount())
        try:
            reply = answer(self.vendor, call, now, fault)
        except Dropped as dropped:
            counted.add(call.body.size, f"dropped {dropped.when}")
            raise
        counted.add(call.body.size, str(reply.status))
        return reply

    def incomplete(self, call: Call, size: int) -> None:
        """Count a call whose client went away before its body had come."""
        self.calls.setdefault(self.vendor.template(call), CallCount()).add(size, "incomplete")

    def _inspects(self, call: Call) -> bool:
        return call.method == "GET" and call.under(self.root).path == INSPECTION

    def state(self, now: float) -> dict[str, Any]:
        """Return the inspection view."""
        held = self.vendor.state(now)
        counts = [count for parts in held["parts"].values() for count in parts.values()]
        return {
            "vendor": self.name,
            "calls": {
                name: {"count": call.count, "bytes": call.bytes, "answers": dict(call.answers)}
                for name, call in sorted(self.calls.items())
            },
            **held,
            "duplicates": sum(count - 1 for count in counts),
        }
