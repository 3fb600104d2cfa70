"""What a unit can do now: pure, so that one scheduler can see the steps of all batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from longshore.capabilities import Capabilities
from longshore.lifecycle import Outcome
from longshore.pipeline._unit import Step, Unit

__all__ = ["Next", "ready"]

_ALONE = ("conclude", "renew")
"""Steps that change what there is to do: nothing begins until their result is durable."""


@dataclass(frozen=True, slots=True)
class Next:
    """Why nothing can be done now.

    Attributes:
        state: ``finished``; ``later`` (at ``at``); ``blocked`` by the account; ``unknown``; or
            ``busy`` with steps that are being run.
        at: when to come back, in seconds since the epoch.
        why: in words.
    """

    state: Literal["finished", "later", "blocked", "unknown", "busy"]
    at: float = 0.0
    why: str = ""


def ready(
    unit: Unit, now: float, capabilities: Capabilities, *, checksum: bool, limit: int = 64
) -> tuple[Step, ...] | Next:
    """Return the steps that may be run now, at once or one after another.

    Args:
        unit: as this process knows it.
        now: seconds since the epoch.
        capabilities: whether parts go in order, whether the digest comes first.
        checksum: a SHA-256 of every document is wanted.
        limit: at most so many steps.
    """
    if unit.asked:
        if unit.running:  # a poll beside it could overwrite what it brings about
            return Next("busy")
        at, why = unit.delays.get(unit.asked[0].flow, (0.0, ""))
        return (unit.asked[0],) if at <= now else Next("later", at, why)
    if unit.record.settled:
        unknown = unit.record.outcome is Outcome.UNKNOWN
        return Next("unknown" if unknown else "finished", why=unit.record.why)
    if unit.running and (unit.unwanted or not unit.running.isdisjoint(_ALONE)):
        return Next("busy")
    by_the_way = unit.small and unit.fresh
    digests = (checksum or capabilities.wants_sha256) and not by_the_way
    undigested = digests and unit.lacks_digest()
    digest = [Step("digest")] if undigested and unit.verdict is None else []
    wanted = chain(digest, _wanted(unit, now, capabilities, undigested=undigested))
    due: list[Step] = []
    waits: list[tuple[float, str]] = []
    for step in wanted:
        if step.flow in unit.running:
            continue
        delay = unit.delays.get(step.flow)
        if delay is not None and delay[0] > now:
            waits.append(delay)
            continue
        due.append(step)
        if len(due) == limit:
            break
    if due:
        return tuple(due)
    if unit.running:
        return Next("busy")
    at, why = min(waits) if waits else (_poll_at(unit, capabilities), unit.record.why)
    return Next("later", at, why)


def _poll_at(unit: Unit, capabilities: Capabilities) -> float:
    """When the job may be asked about: as planned, and never sooner than the vendor allows."""
    polled_at = unit.record.polled_at
    return max(unit.record.at, polled_at + capabilities.polls.floor if polled_at else 0.0)


def _wanted(
    unit: Unit, now: float, capabilities: Capabilities, *, undigested: bool
) -> Iterable[Step]:
    """What comes next for this unit, whether or not it is being done or waited for."""
    if unit.verdict is not None:
        return [] if unit.running else [Step("conclude")]
    if unit.prepares:
        return [Step("prepare")]
    if unit.fresh:
        if capabilities.wants_sha256 and undigested:
            return []
        return [Step("start")]
    if unit.job is None:
        return _towards_a_job(unit, capabilities)
    if undigested or now < _poll_at(unit, capabilities):
        return []
    return [Step("poll")]


def _towards_a_job(unit: Unit, capabilities: Capabilities) -> Iterable[Step]:
    if unit.stale:
        return [] if unit.running else [Step("renew")]
    if not unit.missing:
        return [Step("complete")]
    if capabilities.parts is not None and capabilities.parts.ordered:
        return (Step("send", id) for id in islice(unit.missing, 1))
    # In front stand those that are being sent or committed: there may be many, so each counts.
    running = unit.running
    idle = (id for id in unit.missing if f"send/{id}" not in running)
    return (Step("send", id) for id in islice(idle, 64))
