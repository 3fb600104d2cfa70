"""Telling what a step brought about and changed, and what it cost."""

from __future__ import annotations

from typing import Literal

from longshore.errors import LongshoreError
from longshore.journal import ErrorInfo
from longshore.lifecycle import Outcome
from longshore.pipeline._engine import Engine
from longshore.pipeline._events import (
    BytesMoved,
    DocumentChanged,
    JobAccepted,
    Polled,
    Retried,
    StepEnded,
    TransferSent,
)
from longshore.pipeline._interruptions import Suspended
from longshore.pipeline._unit import Step, Unit
from longshore.transfer import Tally

__all__ = ["Watched", "tally_of"]


def tally_of(engine: Engine, unit: Unit) -> Tally:
    """Make the count of a step, which tells the listener, if there is one, what moves."""
    if engine.listener is None:
        return Tally()
    return Tally(
        progress=lambda count: engine.emit(BytesMoved(unit.id, count)),
        retried=lambda why, pause: engine.emit(Retried(unit.id, why, pause)),
    )


class Watched:
    """Looks at a unit before a step and after it; does nothing where nobody listens."""

    def __init__(self, engine: Engine, unit: Unit, step: Step, tally: Tally) -> None:
        self._engine = engine
        self._unit = unit
        self._step = step
        self._tally = tally
        self._how: Literal["done", "waiting", "failed", "interrupted"] = "interrupted"
        self._error: ErrorInfo | None = None
        self._until: float | None = None
        if engine.listener is None:
            return
        self._began = engine.clock.now()
        self._job = unit.job
        self._attempt = unit.record.attempt
        self._about = self._documents()
        self._before = {id: record.outcome for id, record in unit.documents.items()}

    def _documents(self) -> tuple[str, ...]:
        """Return the documents that the step is about: those of one transfer, or all."""
        transfer = self._unit.transfers.get(self._step.object)
        if self._step.verb == "send" and transfer is not None:
            return tuple(dict.fromkeys(piece.document for piece in transfer.pieces))
        return tuple(self._unit.documents)

    def done(self) -> None:
        """The step has its result: in the journal, or on the way there with what follows it."""
        if self._engine.listener is not None:
            self._tell_result()
        self._how = "done"

    def _tell_result(self) -> None:
        unit, step = self._unit, self._step
        if step.verb == "send" and unit.session is not None:
            transfer, all_of_them = unit.transfers[step.object], len(unit.session.transfers)
            size, number = transfer.size, transfer.number
            self._engine.emit(TransferSent(unit.id, self._about, size, number, all_of_them))
        elif step.verb == "poll" and unit.job is not None and unit.status is not None:
            outcome, word = unit.record.outcome, unit.status.word
            self._engine.emit(Polled(unit.id, unit.job.id, outcome, word))

    def failed(self, failure: Exception) -> None:
        """The step waits for something, or did not go well."""
        self._how = "waiting" if isinstance(failure, Suspended) else "failed"
        self._until = failure.at if isinstance(failure, Suspended) else None
        kind = failure.kind if isinstance(failure, LongshoreError) else self._how
        self._error = ErrorInfo(kind=kind, message=self._engine.redactor.text(str(failure)))

    def tell(self) -> None:
        """Tell the listener."""
        if self._engine.listener is None:
            return
        self._tell_step()
        unit = self._unit
        if unit.job is not None and self._job is None:
            self._engine.emit(JobAccepted(unit.id, unit.job.id, tuple(unit.documents)))
        for id, before in self._before.items():
            record = unit.documents.get(id)
            # One that left its batch can no longer go; the record is the journal's alone now.
            outcome = record.outcome if record is not None else Outcome.FAILED
            if outcome is not before:
                word = record.word if record is not None else None
                shown = self._engine.redactor.text(word) if word else None
                self._engine.emit(DocumentChanged(unit.id, id, before, outcome, shown))

    def _tell_step(self) -> None:
        tally = self._tally
        self._engine.emit(
            StepEnded(
                run=self._engine.run,
                unit_id=self._unit.id,
                attempt=self._attempt,
                documents=self._about,
                verb=self._step.verb,
                object=self._step.object,
                began=self._began,
                ended=self._engine.clock.now(),
                how=self._how,
                error=self._error,
                until=self._until,
                requests=tally.requests,
                retries=tally.retries,
                bytes_sent=tally.bytes_sent,
            )
        )
