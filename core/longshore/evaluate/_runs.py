"""The runs of a comparison: one for each target and round, found again by what was asked for."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from pydantic import JsonValue

from longshore.errors import RunInUse, UsageError
from longshore.journal import Journal, RunRecord
from longshore.pipeline import (
    Candidate,
    Environment,
    RunOptions,
    begin,
    find_once,
    planning_alone,
    target_of,
)
from longshore.targets import Target, lasting, overrides_of, target_now

__all__ = ["PATIENCE", "Entry", "Request", "note_continued", "note_kept", "open_runs"]

PATIENCE = 600.0
"""Seconds without any answer until a target is left out, unless ``give_up_after`` says otherwise:
a day, as for an upload, would keep the others' figures waiting."""

_USE = "compare"
_OPTIONS = ("concurrency", "part_size", "batch_size", "bwlimit", "give_up_after")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        paths: files, directories, globs, or ``-``.
        to: names of targets, each once.
        repeat: rounds.
        settings: ``key=value`` for every target, or ``target:key`` for one.
        options: of every run.
        config: the configuration file; None: look for it.
    """

    paths: tuple[str, ...]
    to: tuple[str, ...]
    repeat: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    config: Path | None = None

    def check(self) -> None:
        """Refuse what makes no comparison.

        Raises:
            UsageError: names the reason.
        """
        twice = {name for name in self.to if self.to.count(name) > 1}
        if twice:
            raise UsageError(
                f"target {min(twice)!r} is named twice",
                hint="give the second one a name of its own in longshore.toml; "
                "more rounds (repeat) send the documents again",
            )
        if not self.to:
            raise UsageError("compare what?", hint="name a target, or better two")
        if self.repeat < 1:
            raise UsageError(f"repeat: {self.repeat} is too small: at least one round")
        for key in self.settings:
            target, colon, _ = key.rpartition(":")
            if colon and target not in self.to:
                raise UsageError(
                    f"setting {key!r}: {target!r} is none of the targets",
                    hint=f"there are: {', '.join(self.to)}",
                )

    def target(self, name: str) -> Target:
        """Fill a target's settings.

        Raises:
            ConfigurationError: one of them is wrong or missing.
        """
        return target_now(name, overrides_of(name, self.settings), self.config)

    def command(self, targets: Iterable[Target]) -> str:
        """Write the call again, without secrets."""
        public = {target.name: target.settings_public for target in targets}
        words = ["longshore", "compare", *self.paths]
        for name in self.to:
            words += ["--to", name]
        if self.repeat > 1:
            words += ["--repeat", str(self.repeat)]
        for key, value in self.settings.items():
            target, _, bare = key.rpartition(":")
            names = [target] if target else self.to
            if any(bare.partition(".")[0] in public[name] for name in names):
                words += ["--set", f"{key}={value}"]
        usual = RunOptions(give_up_after=PATIENCE)
        for option in _OPTIONS:
            if (value := getattr(self.options, option)) != getattr(usual, option):
                words += [f"--{option.replace('_', '-')}", str(value)]
        return shlex.join(words)


@dataclass(slots=True)
class Entry:
    """One run of the comparison."""

    target: Target
    round: int
    run: RunRecord


async def open_runs(
    journal: Journal,
    request: Request,
    environment: Environment,
    *,
    new: bool = False,
    tell: Callable[[str], object],
) -> tuple[str, list[Entry], bool]:
    """Plan the runs of a comparison, or find those of an unfinished one again.

    All are planned before anything is sent, so that every target and round gets the same files.

    Args:
        journal: the durable record.
        request: what is asked for.
        environment: of the machine.
        new: begin anew in any case.
        tell: is told what is left out, being named twice.

    Returns:
        The comparison's id, its runs (round by round), and whether it was begun earlier.

    Raises:
        UsageError: there is nothing to carry, or an option breaks a limit of a vendor.
        ConfigurationError: a target's setting is missing or wrong.
        RunInUse: another process plans the same comparison, or is at work on it.
    """
    request.check()
    candidates = list(find_once(request.paths, tell)) if "-" in request.paths else None
    targets = {name: request.target(name) for name in request.to}
    signature = _signature(request, targets, candidates)
    hint = "wait until it has begun, or ended"
    busy = RunInUse("the same comparison is being planned", hint=hint)
    # What is not planned whole is forgotten by the next call.
    async with planning_alone(journal, f"comparison {signature}", busy):
        id, found = ("", {}) if new else await _unfinished(journal, request, signature)
        id = id or environment.new_run_id()
        notes: dict[str, JsonValue] = {"use": _USE, "comparison": id, "signature": signature}
        entries = await _entries(
            journal,
            request,
            environment,
            targets=targets,
            candidates=candidates,
            found=found,
            notes=notes,
            tell=tell,
        )
    return id, entries, bool(found)


async def _entries(
    journal: Journal,
    request: Request,
    environment: Environment,
    *,
    targets: Mapping[str, Target],
    candidates: Sequence[Candidate] | None,
    found: Mapping[tuple[str, int], RunRecord],
    notes: Mapping[str, JsonValue],
    tell: Callable[[str], object],
) -> list[Entry]:
    """Plan the runs that were not found, all or none of them; round by round."""
    entries: list[Entry] = []
    begun: list[str] = []
    try:
        for round, name in product(range(1, request.repeat + 1), request.to):
            run = found.get((name, round))
            if run is not None:
                run = await note_continued(journal, run, environment.clock.now())
                entries.append(Entry(target_of(run, request.settings, request.config), round, run))
                continue
            if candidates is None:
                candidates = list(find_once(request.paths, tell))
            options, own = request.options, {**notes, "round": round}
            run = await begin(journal, targets[name], candidates, options, environment, notes=own)
            begun.append(run.id)
            entries.append(Entry(targets[name], round, run))
    except BaseException:
        for run_id in begun:  # nothing was sent: leave nothing behind
            await journal.forget_run(run_id)
        raise
    return entries


async def note_continued(journal: Journal, run: RunRecord, now: float) -> RunRecord:
    """Note that nobody watched an unfinished run until now: times with that in them do not count.

    Returns:
        The run as it is noted.

    Raises:
        RunInUse: somebody does watch it: another process executes it.
    """
    if run.finished_at is not None:
        return run
    before = run.notes.get("continued")
    moments = [*(before if isinstance(before, list) else []), now]
    async with journal.lock_run(run.id):
        await journal.change_run(run.id, notes={**run.notes, "continued": moments})
    return await journal.run(run.id)


async def _unfinished(
    journal: Journal, request: Request, signature: str
) -> tuple[str, dict[tuple[str, int], RunRecord]]:
    """Find the last comparison of this signature; nothing, if it is finished or there is none.

    Finished is one whose results were fetched and written, too: only then may the same call
    begin another one, which sends everything again.
    """
    mine = [r for r in await journal.runs() if r.notes.get("signature") == signature]
    mine = [run for run in mine if run.notes.get("use") == _USE]
    if not mine:
        return "", {}
    id = str(mine[-1].notes["comparison"])
    found: dict[tuple[str, int], RunRecord] = {}
    for run in mine:
        if run.notes["comparison"] != id:
            continue
        if not run.planned:  # interrupted while it was planned: nothing was sent
            await journal.forget_run(run.id)
            continue
        found[run.target, int(str(run.notes["round"]))] = run
    whole = len(found) == len(request.to) * request.repeat
    if whole and all(run.finished_at and run.notes.get("kept") for run in found.values()):
        return "", {}
    return id, found


async def note_kept(journal: Journal, entries: Iterable[Entry]) -> None:
    """Note of each run that is over that nothing would be lost by beginning another comparison."""
    for entry in entries:
        run = await journal.run(entry.run.id)
        if run.finished_at is not None:
            await journal.change_run(run.id, notes={**run.notes, "kept": True})


def _signature(
    request: Request, targets: Mapping[str, Target], candidates: Sequence[Candidate] | None
) -> str:
    """Sum up what makes two calls the same comparison; no secret goes into it."""
    asked = {
        "paths": _selection(request.paths, candidates),
        "to": sorted(request.to),
        "repeat": request.repeat,
        "settings": sorted(
            f"{name}:{key}={value}"
            for name, target in targets.items()
            for key, value in lasting(target, overrides_of(name, request.settings)).items()
        ),
        "options": request.options.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _selection(paths: Iterable[str], candidates: Sequence[Candidate] | None) -> list[object]:
    named = [str(Path(path).absolute()) for path in paths if path != "-"]
    listed = [[str(Path(c.path).absolute()), c.name, c.media_type] for c in candidates or ()]
    return [*named, *listed]
