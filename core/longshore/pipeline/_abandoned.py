"""Giving abandoned vendor sessions back, from a durable queue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from longshore.errors import AccountError, LongshoreError, VendorUnavailable
from longshore.journal import Abandoned, UnitRecord
from longshore.lifecycle import Session
from longshore.pipeline._engine import Engine
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._requests import begin
from longshore.pipeline._runner import FlowRunner
from longshore.pipeline._unit import Unit
from longshore.transfer import Tally

__all__ = ["give_all_back", "give_back", "is_open"]

_FIRST_PAUSE = 60.0
_MOST_TRIES = 10


def is_open(session: Session) -> bool:
    """Tell whether the vendor knows of a session: else it is a list of what is to be sent."""
    urls = any(transfer.url for transfer in session.transfers)
    return bool(session.data or session.secrets or urls)


async def give_back(engine: Engine, entry: Abandoned) -> bool:
    """Abort one abandoned session; what fails is tried again later, from the queue.

    Returns:
        True when the vendor has it back; False when it stays in the queue, or was given up after
        ten tries.

    Raises:
        AccountError: the vendor refuses the account, or cannot be reached; that is no try.
    """
    session = Session.model_validate(entry.session)
    engine.redactor.learn(session.secrets.values())
    # The abort belongs to no unit any more: its flow needs no memory, and no epoch.
    ghost = Unit(UnitRecord(id=entry.unit_id, run_id=entry.run_id, attempt=entry.attempt), {})
    runner = FlowRunner(engine, ghost, "abort", Tally(), durable=False)
    try:
        await runner.run(begin(engine.provider.abort, session))
    except (LongshoreError, Suspended, Restart) as error:
        answered = isinstance(error, VendorUnavailable) and error.status is not None
        if isinstance(error, AccountError) and not answered:
            raise
        tries = entry.tries + 1
        if tries < _MOST_TRIES:
            at = engine.clock.now() + _FIRST_PAUSE * 2 ** min(tries, 6)
            await engine.journal.change_abandoned(entry.id, tries=tries, at=at)
        else:
            await engine.journal.drop_abandoned(entry.id)
        return False
    await engine.journal.drop_abandoned(entry.id)
    return True


async def give_all_back(engine: Engine, stopped: Callable[[], bool]) -> None:
    """Give back what can be now; what fails stays in the queue.

    Args:
        engine: of the run.
        stopped: asked before each; True ends here.
    """
    with suppress(AccountError):  # the others would fare no better
        for entry in await engine.journal.abandoned(engine.run.id):
            if entry.at <= engine.clock.now() and not stopped():
                await give_back(engine, entry)
