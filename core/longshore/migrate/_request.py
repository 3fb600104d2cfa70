"""What a migration is asked for, and what makes two calls the same one."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from longshore._shelf import Shelf
from longshore.errors import UsageError
from longshore.journal import Journal, RunRecord
from longshore.pipeline import Candidate, RunOptions, find_documents
from longshore.targets import Target, lasting, target_now
from longshore.units import parse_seconds

__all__ = ["USE", "Request"]

USE = "migrate"
"""What ``RunRecord.notes`` calls the use of such a run."""


_SELECTION = ("run", "manifest", "limit", "sample", "since")
_OPTIONS = ("concurrency", "part_size", "batch_size", "bwlimit", "max_failures", "give_up_after")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        source: the target that the documents were carried to before.
        to: the target that they go to.
        run: one run, or how its id begins: all its documents; "" for all that succeeded.
        manifest: a file that names documents instead; ``-`` for stdin; "" for none.
        limit: at most so many documents.
        sample: so many, chosen by SHA-256.
        since: only runs begun since this moment (``2026-11-01``), or so long ago (``7d``).
        settings: ``key=value`` for the target that they go to.
        options: of the run.
        config: the configuration file; None: look for it.
    """

    source: str
    to: str
    run: str = ""
    manifest: str = ""
    limit: int | None = None
    sample: int | None = None
    since: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    config: Path | None = None

    def check(self) -> None:
        """Refuse what makes no migration.

        Raises:
            UsageError: names the reason.
        """
        if self.source == self.to:
            raise UsageError("a migration goes from one target to another", hint="name two")
        if self.run and self.manifest:
            raise UsageError("either a run or a manifest", hint="not both")
        if self.manifest and self.since:
            raise UsageError("since is about earlier runs, not about a manifest")
        for name in ("limit", "sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}: {value} is too small: at least one document")

    def listed(self) -> Shelf[Candidate] | None:
        """Read the manifest; None if there is none.

        Raises:
            UsageError: it cannot be read.
        """
        if not self.manifest:
            return None
        if self.manifest == "-":
            return Shelf(find_documents(["-"]))
        try:
            with Path(self.manifest).open(encoding="utf-8") as file:
                return Shelf(find_documents(["-"], stdin=file))
        except OSError as error:
            raise UsageError(
                f"the manifest {self.manifest}: {error.strerror}", hint="check the path"
            ) from None

    async def runs(self, journal: Journal, *, now: float) -> list[RunRecord]:
        """Find the earlier runs, oldest first.

        Args:
            journal: the durable record.
            now: for ``since``; runs begun later do not count.

        Raises:
            UsageError: there is none.
        """
        to_source = [run for run in await journal.runs() if run.target == self.source]
        if self.run:
            run = await journal.run(self.run)
            if run.target != self.source:
                raise UsageError(
                    f"run {run.id} went to {run.target!r}, not to {self.source!r}",
                    hint=f"migrate from {run.target!r}",
                )
            return [run]
        if not to_source and not self.manifest:
            names = sorted({run.target for run in await journal.runs()})
            raise UsageError(
                f"no run of this journal went to {self.source!r}",
                hint=f"there are runs to: {', '.join(names) or 'nobody'}; or use a manifest",
            )
        begin = _moment(self.since, now) if self.since else 0.0
        return [run for run in to_source if begin <= run.created_at <= now]

    def target(self) -> Target:
        """Fill the settings of the target that the documents go to.

        Raises:
            ConfigurationError: one of them is wrong or missing.
        """
        return target_now(self.to, self.settings, self.config)

    def command(self, target: Target) -> str:
        """Write the call again, without secrets; whoever calls again wants to know the end."""
        words = ["longshore", "migrate", "--from", self.source, "--to", self.to]
        asked = {name: getattr(self, name) for name in _SELECTION if getattr(self, name)}
        asked |= self.options.model_dump(include=set(_OPTIONS), exclude_defaults=True)
        for name, value in asked.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        for key, value in self.settings.items():
            if key.partition(".")[0] in target.settings_public:
                words += ["--set", f"{key}={value}"]
        return shlex.join(words)

    def signature(self, target: Target, listed: Iterable[Candidate] | None) -> str:
        """Sum up what makes two calls the same migration; no secret goes into it."""
        asked = {
            "from": self.source,
            "to": self.to,
            "run": self.run,
            "manifest": None if listed is None else [],
            "limit": self.limit,
            "sample": self.sample,
            "since": self.since,
            "settings": sorted(
                f"{key}={value}" for key, value in lasting(target, self.settings).items()
            ),
            "options": self.options.model_dump(mode="json", exclude={"wait"}),
        }
        text = json.dumps(asked, sort_keys=True)
        if listed is None:
            return hashlib.sha256(text.encode()).hexdigest()
        # the JSON of it all with the manifest's lines in their list, which may be very long
        begin, here, end = text.partition('"manifest": [')
        digest = hashlib.sha256((begin + here).encode())
        for place, line in enumerate(listed):
            comma = ", " if place else ""
            entry = [line.path, line.name, line.media_type]
            digest.update((comma + json.dumps(entry)).encode())
        digest.update(end.encode())
        return digest.hexdigest()


def _moment(text: str, now: float) -> float:
    """Read a moment: a date or time of ISO 8601 in this machine's zone, or so long ago."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        return now - parse_seconds(text)
    except ValueError:
        raise UsageError(
            f"since {text!r}: neither a moment nor a time", hint="such as 2026-11-01, or 7d"
        ) from None
