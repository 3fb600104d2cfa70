"""A migration as it stands: what was chosen, what it would take, how it ended; and its map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longshore.journal import DocumentRecord, Journal, RunRecord, UnitRecord, with_units
from longshore.lifecycle import Outcome
from longshore.migrate._estimate import Estimate
from longshore.migrate._identity import Identity, Origin, key_of, shown_source
from longshore.migrate._map import Line, Map
from longshore.migrate._origins import Carried, Origins, may_be_there
from longshore.migrate._request import Request
from longshore.migrate._select import KeptOut, Selection
from longshore.pipeline import DocumentFinished, Event, Listener, RunReport
from longshore.targets import Target

__all__ = ["Migration"]


@dataclass(slots=True)
class Migration:
    """A migration that is planned, or was begun earlier.

    Attributes:
        request: what was asked for.
        target: where the documents go.
        run: the run that carries them; None when nothing is to be carried, or for a dry run.
        continued: the run was begun by an earlier call.
        selection: what was chosen; None when an earlier call chose.
        estimate: what it would take; None when an earlier call began it.
        report: how the run was left, once it was executed.
    """

    request: Request
    target: Target
    run: RunRecord | None = None
    continued: bool = False
    selection: Selection | None = None
    estimate: Estimate | None = None
    report: RunReport | None = None
    _origins: Origins = field(default_factory=Origins)
    _earlier: list[RunRecord] = field(default_factory=list)
    _elsewhere: list[RunRecord] = field(default_factory=list)  # to the same place, for other uses
    _brought: Carried = field(default_factory=Carried)

    @property
    def kept_out(self) -> Sequence[KeptOut]:
        """Documents whose sources are gone, changed, or prove nothing."""
        return self.selection.kept_out if self.selection else ()

    @property
    def command(self) -> str:
        """The command that goes on with it, without secrets and without its map."""
        return self.request.command(self.target)

    @property
    def exit_code(self) -> int:
        """The exit code of the command line; a document that is kept out is not a success."""
        if self.report is not None:
            code = self.report.exit_code
            if code == 2 and self.report.trouble is None and self.selection is not None:
                code = 1 if self.selection.there else 2  # some had gone, in an earlier run
        else:
            chosen = len(self.kept_out) + (len(self.selection.documents) if self.selection else 0)
            goes = self.estimate.plan.documents if self.estimate else 0
            there = self.selection.there if self.selection else 0
            code = 2 if chosen and not goes and not there else 0
        return code or int(bool(self._kept_out_count))

    @property
    def _kept_out_count(self) -> int:
        if self.selection is None and self.run is not None:
            return int(str(self.run.notes.get("kept_out", 0)))
        return len(self.kept_out)

    def plan_line(self) -> dict[str, Any] | None:
        """Describe the plan as scripts read it; None when an earlier call planned."""
        if self.selection is None or self.estimate is None:
            return None
        return {
            "event": "plan",
            "from": self.request.source,
            "target": self.target.name,
            "provider": self.target.provider_name,
            "kept_out": len(self.selection.kept_out),
            "there": self.selection.there,
            "left": self.selection.left,
            **self.estimate.json(),
        }

    # ------------------------------------------------------------------ the map

    async def fill(self, journal: Journal, map: Map) -> None:
        """Write what is known before anything is carried: kept out, and there already.

        Whatever brought it: an upload, a comparison, an earlier call. With it a map is whole,
        whenever and however often it is begun.
        """
        for kept in self.kept_out:
            map.put(self._kept_out_line(kept))
        mine = {run.id for run in self._earlier}
        for run in sorted([*self._elsewhere, *self._earlier], key=lambda run: run.created_at):
            if self.run is not None and run.id == self.run.id:
                continue
            wanted = None if run.id in mine else self._is_to_be_mapped
            async for record, unit in with_units(journal, run.id, wanted):
                self._put(map, run, record, unit)

    def _is_to_be_mapped(self, record: DocumentRecord) -> bool:
        """Tell whether a document that was brought there otherwise is one of those to carry."""
        return may_be_there(record) and self._origins.find(record.document) is not None

    def listener(self, map: Map) -> Listener:
        """Return what writes a line for each document that is told of."""

        def listen(event: Event) -> None:
            if isinstance(event, DocumentFinished):
                self._put(map, event.run, event.record, event.unit)

        return listen

    def _put(
        self, map: Map, run: RunRecord, record: DocumentRecord, unit: UnitRecord | None
    ) -> None:
        """Write the line of a document, unless another run is known to have brought it there."""
        key = key_of(record.document)
        if record.outcome is Outcome.SUCCEEDED:
            self._brought.add(key)
        elif key in self._brought:
            return
        error = record.error or (unit.error if unit else None)
        there = record.outcome in (Outcome.SUCCEEDED, Outcome.RUNNING)
        origin = self._origins.find(record.document)
        map.put(
            _line(
                Origin(record.document, origin.at if origin else None),
                Identity.of(run, record, unit),
                error.model_dump(mode="json") if error and not there else None,
            )
        )

    def _kept_out_line(self, kept: KeptOut) -> Line:
        to = Identity(self.target.name, self.target.provider_name, "", state="kept_out")
        return _line(kept.origin, to, kept.error.model_dump(mode="json"))


def _line(origin: Origin, to: Identity, error: Any) -> Line:
    document = origin.document
    return {
        "path": shown_source(document.source),
        "sha256": document.sha256,
        "name": document.name,
        "size": document.size,
        "from": origin.at.json() if origin.at else None,
        "to": to.json(),
        "error": error,
    }
