"""What jobs offer to be done, as commands to type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.cli._terminal import Terminal
    from longshore.journal import DocumentRecord, Journal, RunRecord, Taken, UnitRecord
    from longshore.lifecycle import Action

__all__ = ["LOOKED_AT", "Ended", "offers_of"]

LOOKED_AT = 100
"""Most ended jobs whose last reply is read for what they offer."""


async def offers_of(
    terminal: Terminal, journal: Journal, run: RunRecord, taken: Taken
) -> list[tuple[Action, str]]:
    """Return what one job offers, and what to type for each."""
    from longshore.pipeline import Unit, offered

    found = offered(Unit.load(taken, alive_at=0.0))
    id = taken.unit.job_id
    if id is None or not found:
        return []
    job = f"{run.target}/{id}" if len(await journal.find_job(id)) > 1 else id
    return [
        (action, terminal.typed(f"longshore act {shlex.quote(job)} {shlex.quote(str(action))}"))
        for action in found
    ]


class Ended:
    """Remembers the jobs that did not end well: a vendor may offer to try some of them again."""

    def __init__(self) -> None:
        self._units: dict[str, None] = {}

    def see(self, record: DocumentRecord, unit: UnitRecord | None) -> None:
        """Take notice of how it stands with a document."""
        from longshore.lifecycle import Outcome

        if unit is None or unit.job_id is None:
            return
        if not (record.outcome.terminal and unit.outcome.terminal):
            return  # what an open job offers is for its other documents
        if record.outcome is not Outcome.SUCCEEDED and len(self._units) < LOOKED_AT:
            self._units[unit.id] = None

    async def commands(self, terminal: Terminal, journal: Journal, run: RunRecord) -> list[str]:
        """Return what to type for all that they offer."""
        return [
            command
            for id in self._units
            for _, command in await offers_of(terminal, journal, run, await journal.facts(id))
        ]
