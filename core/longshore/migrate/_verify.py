"""Asking both vendors whether what the map says is there, once, and as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from longshore.errors import AccountError, ConfigurationError, LongshoreError, PluginError
from longshore.journal import Journal, open_journal
from longshore.lifecycle import Job, Outcome, Status
from longshore.migrate._asking import open_for_asking
from longshore.migrate._doubles import doubles
from longshore.migrate._map import Line, read_map
from longshore.migrate._mapped import Lines, RunLines
from longshore.migrate._verification import Check, Kind, Problem, Verification
from longshore.pipeline import Engine, Environment, Unit, ask, on_own_loop
from longshore.provider import Inventory

__all__ = ["verify", "verify_async", "verify_in"]

_GONE = (404, 410)
_DEAD = frozenset({"failed", "cancelled", "expired"})


def verify(path: str | PathLike[str], **arguments: Any) -> Verification:
    """Ask both vendors about the documents of a map.

    The same as ``verify_async``, without an event loop of your own.
    """
    return on_own_loop(partial(verify_async, path, **arguments), hint="await verify_async(...)")


async def verify_async(
    path: str | PathLike[str],
    *,
    only_to: bool = False,
    settings: Mapping[str, str] | None = None,
    config: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
    environment: Environment | None = None,
) -> Verification:
    """Ask both vendors about the documents of a map; only GETs are sent.

    Args:
        path: the map.
        only_to: do not ask the vendor that the documents came from.
        settings: overrule settings of all targets (``key``) or of one (``target:key``).
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        environment: what a test replaces.

    Raises:
        UsageError: the file is no map.
    """
    async with open_journal(Path(journal) if journal else None) as opened:
        return await verify_in(
            opened,
            Path(path),
            environment or Environment(),
            only_to=only_to,
            settings=settings or {},
            config=Path(config) if config else None,
        )


async def verify_in(
    journal: Journal,
    path: Path,
    environment: Environment,
    *,
    only_to: bool = False,
    settings: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Verification:
    """Ask both vendors within an open journal; see ``verify_async``."""
    lines = Lines(read_map(path))
    asking = _Asking(journal, environment, settings or {}, config)
    checks: list[Check] = []
    for side in ("to",) if only_to else ("to", "from"):
        runs = lines.runs(side)
        for target in dict.fromkeys(run.target for run in runs):
            check = Check(target, side)
            checks.append(check)
            try:
                await asking.check(check, [run for run in runs if run.target == target])
            except (AccountError, ConfigurationError, PluginError) as error:
                check.trouble = error  # what the others say is worth knowing all the same
    return Verification(checks)


@dataclass(slots=True)
class _Asking:
    """Asks vendors about the lines of a map."""

    journal: Journal
    environment: Environment
    settings: Mapping[str, str]
    config: Path | None

    async def check(self, check: Check, runs: Iterable[RunLines]) -> None:
        """Ask one target about its lines, run by run; lists of the same place are read once."""
        told: dict[str, Inventory] = {}
        for lines in runs:
            check.documents += len(lines)
            if check.side == "to":
                check.problems.extend(map(_not_carried, lines.not_carried()))
            if not lines.carried:
                continue
            async with open_for_asking(
                self.journal,
                check.target,
                lines.run,
                self.environment,
                settings=self.settings,
                config=self.config,
            ) as engine:
                await self._ask(check, engine, lines, told)

    async def _ask(
        self, check: Check, engine: Engine, lines: RunLines, told: dict[str, Inventory]
    ) -> None:
        inventory = await self._inventory(check, engine, told)
        listed = {held.job: held for held in inventory.holdings if held.job}

        async def one(job_id: str, of_job: list[Line]) -> None:
            held = listed.get(job_id)
            status = held.status if held else None
            if status is None or len(of_job) > 1:
                answer = await self._poll(engine, job_id, of_job[0][check.side]["batch_id"])
                if not isinstance(answer, Status):
                    kind, words = answer
                    check.problems.extend(Problem(kind, check.side, line, words) for line in of_job)
                    return
                status = answer
            for line in of_job:
                words = _changed(line, check.side, status, held.size if held else None)
                if words:
                    check.problems.append(Problem("changed", check.side, line, words))
                else:
                    check.there += 1

        jobs = lines.jobs()

        async def some() -> None:
            for job_id, of_job in jobs:  # all take from the same
                await one(job_id, of_job)

        tasks = [asyncio.create_task(some()) for _ in range(engine.capabilities.concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:  # an account in trouble answers nobody
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        account = engine.provider.account()
        async for line, words in doubles(self.journal, inventory, lines, account=account):
            check.problems.append(Problem("duplicated", check.side, line, words))

    async def _poll(
        self, engine: Engine, job_id: str, batch_id: str | None
    ) -> Status | tuple[Kind, str]:
        """Ask for one job: its status, or what is wrong.

        Raises:
            AccountError: the vendor cannot be asked at all.
        """
        job = await self._job(job_id, batch_id)
        try:
            return await ask(engine, engine.provider.poll, job)
        except AccountError:
            raise
        except LongshoreError as error:
            if error.status in _GONE:
                return "missing", f"the vendor does not know job {job_id}: {error.message}"
            return "unchecked", error.message

    async def _job(self, job_id: str, batch_id: str | None) -> Job:
        """Return the job as the journal has it, or as much of it as the map tells."""
        if batch_id and (await self.journal.find_job(job_id)):
            taken = await self.journal.facts(batch_id)
            job = Unit.load(taken, alive_at=0.0).job
            if job is not None and job.id == job_id:
                return job
        return Job(id=job_id)

    async def _inventory(
        self, check: Check, engine: Engine, told: dict[str, Inventory]
    ) -> Inventory:
        """Read the vendor's list, if it documents one; what it cannot tell becomes a gap.

        Raises:
            AccountError: the vendor cannot be asked at all.
        """
        provider = engine.provider
        name = provider.title or provider.name
        if not provider.offers("inventory"):
            _note(check, f"duplicates: {name} documents no list of what it holds")
            _note(check, f"contents: {name} tells no digest, and no size without a list")
            return Inventory()
        if engine.journal is not self.journal:
            _note(check, f"duplicates: run {engine.run.id or '?'} is not in this journal any more")
            return Inventory()
        place = f"{provider.account()} {sorted(engine.setup.data.items())}"
        if place not in told:
            try:
                told[place] = await ask(engine, provider.inventory, engine.setup)
            except AccountError:
                raise
            except LongshoreError as error:  # each job can be asked about all the same
                told[place] = Inventory(gaps=(f"the list cannot be read: {error.message}",))
        for gap in told[place].gaps:
            _note(check, f"duplicates: {gap}")
        if all(held.size is None for held in told[place].holdings):
            _note(check, f"contents: {name} tells neither digest nor size in its list")
        else:
            _note(check, f"contents: {name} tells a size but no digest")
        return told[place]


def _note(check: Check, gap: str) -> None:
    if gap not in check.gaps:
        check.gaps.append(gap)


def _not_carried(line: Line) -> Problem:
    error = line["error"] or {}
    state = line["to"]["state"]
    return Problem("not_carried", "to", line, error.get("message") or f"it is {state}")


def _changed(line: Line, side: str, status: Status, size: int | None) -> str:
    """Say what is not as the map has it; "" when all is."""
    who = line[side]
    was, now = str(who["state"]), _state_of(line, who, status)
    if now in _DEAD and was not in _DEAD:
        return f"it was {was}, now it is {now} ({status.word})"
    if now in _DEAD and side == "to":
        return f"it is {now} ({status.word})"
    if was in (Outcome.SUCCEEDED, Outcome.PARTIAL) and now == "partial" != was:
        return f"it was {was}, now it is {now} ({status.word})"
    if size is not None and line["size"] is not None and size != line["size"]:
        return f"it has {size:,} bytes at the vendor, {line['size']:,} at its source"
    return ""


def _state_of(line: Line, who: Mapping[str, Any], status: Status) -> str:
    """Return the state of the document, where the vendor tells it apart from its job's."""
    ids = [d for d in status.documents if d.vendor_id and d.vendor_id == who["document_id"]]
    names = [d for d in status.documents if d.name and d.name == line["name"]]
    for found in (ids, names):
        if len(found) == 1:
            return str(found[0].state)
    return str(status.state)
