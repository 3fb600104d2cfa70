"""The lines of a map, found by vendor, run, job, and what they are about; on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from longshore._shelf import Scratch
from longshore.migrate._map import Line

__all__ = ["Lines", "RunLines"]

# A line has up to two ends: from and to.
_SCHEMA = """
CREATE TABLE lines (place INTEGER PRIMARY KEY, line TEXT, sha256 TEXT, name TEXT, size INTEGER,
    kept_out INTEGER, carried INTEGER);
CREATE INDEX by_digest ON lines (sha256);
CREATE INDEX carried_by_digest ON lines (sha256) WHERE carried;
CREATE INDEX by_look ON lines (name, size);
CREATE TABLE ends (place INTEGER, side TEXT, target TEXT, run TEXT, job TEXT, batch TEXT,
    PRIMARY KEY (place, side)) WITHOUT ROWID;
CREATE INDEX by_job ON ends (side, target, job);
CREATE INDEX by_run ON ends (side, target, run, job, place);
CREATE INDEX by_batch ON ends (side, target, run, batch, place)
"""
_FOUND_AGAIN = """
DELETE FROM ends WHERE place IN (SELECT place FROM lines WHERE kept_out AND EXISTS
    (SELECT 1 FROM lines AS other WHERE other.sha256 IS lines.sha256 AND other.carried))
"""
_BY_LINE, _BY_END = "lines CROSS JOIN ends", "ends CROSS JOIN lines"
"""Where to begin: SQLite knows nothing about what is in the tables."""


class Lines:
    """The lines of a map, without what was kept out at first and carried later."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._scratch = Scratch(*_SCHEMA.split(";"))
        for place, line in enumerate(lines):
            self._put(place, line)
        self._scratch.do(_FOUND_AGAIN)

    def _put(self, place: int, line: Line) -> None:
        to = line["to"]
        about = (line["sha256"], line["name"], line["size"])
        self._scratch.do(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)",
            place, json.dumps(line), *about, to["state"] == "kept_out", bool(to["job_id"]),
        )  # fmt: skip
        for side in ("from", "to"):
            if who := line[side]:
                ids = (who["run_id"] or "", who["job_id"] or "", who["batch_id"] or "")
                self._scratch.do(
                    "INSERT INTO ends VALUES (?, ?, ?, ?, ?, ?)", place, side, who["target"], *ids
                )

    def runs(self, side: str) -> list[RunLines]:
        """Return the lines of each run, in the order in which the map names them first."""
        found = self._scratch.rows(
            "SELECT target, run FROM ends WHERE side = ? GROUP BY target, run ORDER BY min(place)",
            side,
        )
        return [RunLines(self._scratch, side, target, run) for target, run in found]


@dataclass(frozen=True, slots=True)
class RunLines:
    """What one run carried, by a map: all but ``not_carried`` is about lines that have a job.

    Attributes:
        side: ``from`` or ``to``.
        target: the target's name.
        run: its id; "" where the map has none.
    """

    _scratch: Scratch
    side: str
    target: str
    run: str

    def __len__(self) -> int:
        return self._count("TRUE")

    @property
    def carried(self) -> int:
        """How many lines have a job."""
        return self._count("job <> ''")

    def _count(self, which: str) -> int:
        query = (
            "SELECT count(*) FROM ends WHERE side = ? AND target = ? AND run = ?"  # noqa: S608
            f" AND {which}"
        )
        row = self._scratch.first(query, self.side, self.target, self.run)
        return int(row[0]) if row else 0

    def not_carried(self) -> Iterator[Line]:
        """Yield the lines that have no job."""
        return self._lines(_BY_END, "job = ''")

    def jobs(self) -> Iterator[tuple[str, list[Line]]]:
        """Yield each job with its lines."""
        query = (
            "SELECT job FROM ends WHERE side = ? AND target = ? AND run = ? AND job <> ''"
            " GROUP BY job ORDER BY min(place)"
        )
        for (job,) in self._scratch.rows(query, self.side, self.target, self.run):
            yield job, list(self._lines(_BY_END, "job = ?", job))

    def names(self, job: str) -> bool:
        """Tell whether the map names a job, in this run or in another one of the target."""
        query = "SELECT 1 FROM ends WHERE side = ? AND target = ? AND job = ?"
        return self._scratch.first(query, self.side, self.target, job) is not None

    def of_batch(self, batch: str) -> list[Line]:
        """Return the lines of a batch."""
        return list(self._lines(_BY_END, "batch = ? AND job <> ''", batch)) if batch else []

    def of_digest(self, digest: str) -> Line | None:
        """Return the first line of a document with this SHA-256."""
        return next(self._lines(_BY_LINE, "sha256 = ? AND job <> ''", digest), None)

    def of_look(self, name: str, size: int) -> Line | None:
        """Return the first line of a document with this name and size."""
        return next(self._lines(_BY_LINE, "name = ? AND size = ? AND job <> ''", name, size), None)

    def _lines(self, tables: str, which: str, *values: object) -> Iterator[Line]:
        query = (
            f"SELECT line FROM {tables} USING (place) WHERE side = ? AND target = ? AND run = ?"  # noqa: S608
            f" AND {which} ORDER BY place"
        )
        mine = (self.side, self.target, self.run)
        for (line,) in self._scratch.rows(query, *mine, *values):
            yield json.loads(line)
