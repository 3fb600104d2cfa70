"""What a failed step means: for its batch, or for the whole account."""

from __future__ import annotations

from dataclasses import replace

from longshore._faults import fault_of
from longshore.errors import (
    AccountError,
    BatchError,
    DocumentError,
    LongshoreError,
    PluginError,
    SessionLost,
    UnknownOutcome,
    VendorUnavailable,
)
from longshore.lifecycle import Session
from longshore.pipeline._engine import MOST_RESTARTS, Engine
from longshore.pipeline._interruptions import Restart, Suspended
from longshore.pipeline._ready import Next
from longshore.pipeline._unit import Step, Unit, Verdict

__all__ = ["OUTAGE_PAUSE", "failed", "hide_secrets"]

OUTAGE_PAUSE = 30.0
"""Seconds until a vendor that does not answer is tried again."""

_LONGEST_PAUSE = 300.0
"""Seconds, where each try may leave a session behind at the vendor."""

_HINT = "check base_url and the network; what was under way begins afresh"

_RESTART_PAUSES = (1.0, 10.0, 60.0)
"""Seconds before a fresh session, after an answer was lost: the first time, the second, ..."""


def failed(engine: Engine, unit: Unit, step: Step, failure: Exception, began: float) -> Next | None:
    """Say what a failed step means for its unit, or for the whole account.

    Args:
        engine: that ran it.
        unit: whose step it was.
        step: that failed.
        failure: what it raised.
        began: when the step did, in seconds since the epoch.
    """
    if isinstance(failure, LongshoreError):
        hide_secrets(engine, failure)
        _name_provider(engine, failure)
    match failure:
        case Suspended():
            unit.delays[step.flow] = (failure.at, failure.why)
        case VendorUnavailable():
            asked = failure.retry_after  # no setting overrules what the vendor asks for
            at = engine.clock.now() + (engine.pause(OUTAGE_PAUSE) if asked is None else asked)
            unit.delays[step.flow] = (at, failure.message)
            if step.verb == "poll" and (engine.driver.answered_at or 0.0) > began:
                return None  # others were answered meanwhile: only this job cannot be asked about
            return _outage(engine, failure, at)
        case AccountError():
            engine.trouble = failure
            return Next("blocked", why=failure.message)
        case Restart():
            return _begin_again(engine, unit, failure)
        case SessionLost() if step.verb == "send" and _can_renew(engine, unit):
            unit.stale.add(step.object)
        case SessionLost() if unit.job is None:
            unit.judge(Verdict(failure, restart=True, abandon=_begun(failure)))
        case UnknownOutcome():
            unit.judge(Verdict(failure, restart=engine.resend and unit.job is None))
        case BatchError() | PluginError() if unit.job is not None:  # the vendor is at work, or was
            words = f"nobody can tell how job {unit.job.id} stands: {failure.message}"
            unit.judge(Verdict(UnknownOutcome(words, hint=failure.hint)))
        case BatchError() | DocumentError() | PluginError():
            unit.judge(Verdict(failure, abandon=_begun(failure)))
    return None


def hide_secrets(engine: Engine, error: LongshoreError) -> None:
    """Take known secrets out of an error: a vendor may show the key that it does not take."""
    error.message = engine.redactor.text(error.message)
    error.hint = engine.redactor.text(error.hint)
    error.args = (error.message,)


def _name_provider(engine: Engine, error: LongshoreError) -> None:
    """Say whose fault it is where a provider made a mistake."""
    if isinstance(error, PluginError) and not error.hint:
        error.hint = fault_of(engine.provider.name)


def _outage(engine: Engine, trouble: VendorUnavailable, at: float) -> Next:
    """Pause the target until then."""
    if not engine.refused:  # that counts for more, and nothing may seem to leave again
        engine.trouble = trouble
    return Next("blocked", at, trouble.message)


def _begin_again(engine: Engine, unit: Unit, failure: Restart) -> Next | None:
    """Give up a session in which an answer was lost, and begin a fresh one after a while.

    The batch is blamed, unless it was before and others have lost answers, too, since the vendor
    answered anybody: that is an outage, which pauses the target and fails no document.
    """
    error = SessionLost(str(failure), hint="the documents are sent again in a fresh session")
    verdict = Verdict(error, restart=True, blame=failure.blame, abandon=failure.abandon)
    if not failure.blame:
        unit.judge(verdict)
        return None
    now, restarts, answered_at = engine.clock.now(), unit.record.restarts, engine.driver.answered_at
    others = engine.losers.note(unit.id, answered_at) > 1
    if others and restarts >= (2 if answered_at is None else 1):  # 2: such an outage ends the run
        unit.judge(replace(verdict, blame=False))
        trouble = VendorUnavailable(f"the vendor does not answer: {failure}", hint=_HINT)
        silence = 0.0 if answered_at is None else now - answered_at
        pause = min(max(silence, OUTAGE_PAUSE), _LONGEST_PAUSE)
        return _outage(engine, trouble, now + max(engine.pause(pause), failure.after))
    pause = engine.pause(_RESTART_PAUSES[min(restarts, len(_RESTART_PAUSES) - 1)])
    unit.judge(replace(verdict, at=now + max(pause, failure.after)))
    return None


def _begun(failure: LongshoreError) -> Session | None:
    """Return the session that a failed ``start`` leaves to be given back."""
    return failure.abandon if isinstance(failure.abandon, Session) else None


def _can_renew(engine: Engine, unit: Unit) -> bool:
    """A URL that is refused as soon as it is fresh does not want renewing."""
    return engine.provider.offers("renew") and unit.renewals < MOST_RESTARTS
