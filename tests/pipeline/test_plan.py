"""Planning a run: what is found is planned as it is found, however much there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from longshore.capabilities import Capabilities, Limits
from longshore.journal import DocumentRecord, open_journal
from longshore.pipeline import Candidate, Existing, find_documents, plan
from longshore.sources import digest_of


def test_what_does_not_go_is_not_kept_until_something_does(tmp_path: Path) -> None:
    """A million documents that are there already, or cannot be read, need no more memory."""
    path = tmp_path / "there.pdf"
    path.write_bytes(b"there")
    digest = digest_of(Candidate(str(path)).document(""))
    ids, found = itertools.count(), list[str]()

    def candidates() -> Iterator[Candidate]:
        for name in (str(path), "/gone.pdf", str(path), "/gone.pdf"):
            found.append(name)
            yield Candidate(name)

    planned = plan(
        candidates(),
        Capabilities(),
        run_id="run",
        target="mine",
        new_id=lambda: str(next(ids)),
        existing=Existing({5}, {bytes.fromhex(digest)}),
    )
    for count, state in enumerate(("skipped", "refused", "skipped", "refused"), 1):
        record = next(planned)
        assert isinstance(record, DocumentRecord)
        assert (str(record.outcome), len(found)) == (state, count)


def test_a_refusal_names_the_target_to_look_at(tmp_path: Path) -> None:
    """Also where no command line is: the record is what every use shows."""
    (tmp_path / "scan.png").write_bytes(b"png")
    takes = Capabilities(limits=Limits(extensions=frozenset({".pdf"})))
    found = [Candidate(str(tmp_path / "scan.png"))]
    (record,) = plan(found, takes, run_id="run", target="mine", new_id=lambda: "1")
    assert isinstance(record, DocumentRecord)
    assert record.error is not None
    assert record.error.hint == "`longshore providers show mine` lists what the vendor takes"


async def test_a_journal_is_no_document(tmp_path: Path) -> None:
    """`upload . --journal ./j.db` would bring the vendor every path and id of earlier runs."""
    for name in ("a.pdf", "j.db-notes.pdf", "locks"):
        (tmp_path / name).write_bytes(b"%PDF-1.4")
    (tmp_path / "b.locks").mkdir()
    (tmp_path / "b.locks" / "key.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "j.db-hooks").write_text("key")
    async with open_journal(tmp_path / "j.db"):
        assert (tmp_path / "j.db-wal").exists()
        found = [Path(one.path).relative_to(tmp_path) for one in find_documents([str(tmp_path)])]
    assert [str(path) for path in found] == ["a.pdf", "b.locks/key.pdf", "j.db-notes.pdf", "locks"]
