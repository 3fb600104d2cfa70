"""The map: appended as it goes, whole after a kill, one line a document."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import UsageError
from longshore.migrate import open_map, read_map


def line(name: str, state: str = "succeeded", to: str = "new") -> dict[str, Any]:
    """A line of a map."""
    names = ("provider", "run_id", "batch_id", "job_id", "document_id")
    side = {**dict.fromkeys(names, "x"), "target": to, "state": state}
    return {
        "path": f"/docs/{name}",
        "sha256": "ab" * 32,
        "name": name,
        "size": 7,
        "from": None,
        "to": side,
        "error": None,
    }


@pytest.mark.parametrize("name", ["map.jsonl", "map.sqlite", "map.db"])
def test_a_line_is_there_as_soon_as_it_is_put(tmp_path: Path, name: str) -> None:
    """Another process reads it before the map is closed: a kill now loses nothing."""
    path = tmp_path / name
    with open_map(path, "new") as map:
        map.put(line("a.pdf"))
        assert list(read_map(path)) == [line("a.pdf")]


@pytest.mark.parametrize("name", ["map.jsonl", "map.sqlite"])
def test_a_line_is_not_written_twice_and_its_last_state_counts(tmp_path: Path, name: str) -> None:
    """Across several openings, as a resumed migration does it."""
    path = tmp_path / name
    for states in (("running", "succeeded"), ("succeeded", "succeeded"), ("failed", "succeeded")):
        with open_map(path, "new") as map:
            for document, state in zip(("a.pdf", "b.pdf"), states, strict=True):
                map.put(line(document, state))
    assert list(read_map(path)) == [line("a.pdf", "failed"), line("b.pdf")]
    assert [other.name for other in tmp_path.iterdir()] == [name]


def test_a_torn_line_is_dropped(tmp_path: Path) -> None:
    """What a kill left of the last line is no line; it is written again."""
    path = tmp_path / "map.jsonl"
    path.write_text(json.dumps(line("a.pdf")) + "\n" + json.dumps(line("b.pdf"))[:40])
    assert list(read_map(path)) == [line("a.pdf")]
    with open_map(path, "new") as map:
        map.put(line("b.pdf"))
    assert list(read_map(path)) == [line("a.pdf"), line("b.pdf")]


@pytest.mark.parametrize("name", ["map.jsonl", "map.db"])
def test_the_map_of_another_migration_is_left_alone(tmp_path: Path, name: str) -> None:
    """Its identities would be lost."""
    path = tmp_path / name
    with open_map(path, "other") as map:
        map.put(line("a.pdf", to="other"))
    with pytest.raises(UsageError, match="to 'other'"), open_map(path, "new"):
        pass
    assert list(read_map(path)) == [line("a.pdf", to="other")]


NONE = [
    "no json\n", '{"a": 1}\n', "[1]\n", "SQLite\n",
    "no line end", '{"a": 1}', '{"path": "a.pdf", "name": "b.pdf"}', '{"pat": "h',
    json.dumps({**line("a.pdf"), "from": 3}) + "\n",
    json.dumps({**line("a.pdf"), "path": ["a"]}) + "\n",
    json.dumps({**line("a.pdf"), "to": {"target": "new"}}) + "\n",
    json.dumps({"path": "/docs/a.pdf", "sha256": None, "to": line("a.pdf")["to"]}) + "\n",
]  # fmt: skip


@pytest.mark.parametrize("content", NONE)
@pytest.mark.parametrize("name", ["map.jsonl", "map.db"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, name: str, content: str) -> None:
    """Neither read as a map nor written to."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError), open_map(path, "new"):
        pass
    with pytest.raises(UsageError):
        list(read_map(path))
    assert path.read_text() == content


@pytest.mark.parametrize("length", [0, 1, 9, 12, 80, -1])
def test_a_map_of_which_not_one_line_is_whole_is_a_map(tmp_path: Path, length: int) -> None:
    """A kill came while its first line was written, or when only its end was missing."""
    path = tmp_path / "map.jsonl"
    path.write_text((json.dumps(line("a.pdf")) + "\n")[:length])
    with open_map(path, "new") as map:
        map.put(line("a.pdf"))
    assert list(read_map(path)) == [line("a.pdf")]


def test_an_empty_file_is_a_map_to_be(tmp_path: Path) -> None:
    """As ``mktemp`` makes it."""
    path = tmp_path / "map.db"
    path.touch()
    with open_map(path, "new") as map:
        map.put(line("a.pdf"))
    assert list(read_map(path)) == [line("a.pdf")]


def test_nothing_is_left_behind_when_nothing_was_begun(tmp_path: Path) -> None:
    """An empty map is no use to anybody."""
    for name in ("map.jsonl", "map.db"):
        with pytest.raises(ValueError, match="no"), open_map(tmp_path / name, "new"):
            raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_a_map_is_written_by_one_migration(tmp_path: Path) -> None:
    """Another would cut off its lines, or put a file without them in its place."""
    path = tmp_path / "map.jsonl"
    with open_map(path, "new") as map:
        map.put(line("a.pdf"))
        with pytest.raises(UsageError, match="another migration writes it"), open_map(path, "new"):
            pass
        map.put(line("b.pdf"))
    with open_map(path, "new"):
        pass
    assert list(read_map(path)) == [line("a.pdf"), line("b.pdf")]


def test_a_line_that_found_no_room_is_told_and_leaves_no_torn_line_behind(tmp_path: Path) -> None:
    """A disk takes a part of it and says nothing; with room again, others would stand behind it."""
    path = tmp_path / "map.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        with open_map(path, "new") as map:
            map.put(line("a.pdf"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
            try:
                map.put(line("b.pdf"))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            map.put(line("c.pdf"))

    with pytest.raises(UsageError, match="No space left"):
        fill()
    with open_map(path, "new") as map:
        map.put(line("b.pdf"))
    assert list(read_map(path)) == [line("a.pdf"), line("b.pdf")]
