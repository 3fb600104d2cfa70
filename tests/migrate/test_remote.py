"""A migration of documents in a remote store: what is read of them."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longshore import AsyncClient
from longshore.documents import Document
from longshore.lifecycle import Outcome
from longshore.migrate import migrate_async, upload_by_route_async
from longshore.pipeline import Environment
from longshore.sources import digest_of

URL = "memory://plans/a.pdf"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store in memory that tells ETags."""
    fs: Any = pytest.importorskip("fsspec").filesystem("memory")
    untagged = type(fs).info

    def info(self: Any, path: str, **more: Any) -> dict[str, Any]:
        return {**untagged(self, path, **more), "ETag": hashlib.md5(fs.cat(path)).hexdigest()}

    monkeypatch.setattr(type(fs), "info", info)
    yield fs
    fs.rm("/plans", recursive=True)


async def test_an_object_with_its_etag_of_before_is_not_read_twice(
    tmp_path: Path, vendors: Callable[..., None], store: Any
) -> None:
    """It is read when it is carried; one with another ETag also before, to be kept out."""
    vendors("plangrep")
    vendors("sendai")
    hashed: list[str] = []

    async def digest(document: Document) -> str:
        hashed.append(document.name)
        return digest_of(document)

    async def plan() -> tuple[int, list[str]]:
        here = Environment(digest=digest)
        made = await migrate_async(
            "plangrep", "sendai", dry_run=True, journal=journal, environment=here
        )
        line = made.plan_line() or {}
        return line["documents"], [kept.error.kind for kept in made.kept_out]

    journal = tmp_path / "journal.db"
    store.pipe("/plans/a.pdf", b"%PDF-1.4 first")
    async with AsyncClient("plangrep", journal=journal) as client:
        assert (await client.upload([URL])).exit_code == 0
    same, read_of_same = await plan(), list(hashed)
    store.pipe("/plans/a.pdf", b"%PDF-1.4 other")
    other = await plan()
    assert (same, read_of_same) == ((1, []), [])
    assert (other, hashed) == ((0, ["source_changed"]), ["a.pdf"])


async def test_an_object_with_its_date_of_before_is_read(
    tmp_path: Path, vendors: Callable[..., None], store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions may be of one second: what was not carried before is kept out."""
    vendors("plangrep")
    vendors("sendai")
    tagged = type(store).info

    def info(self: Any, path: str, **more: Any) -> dict[str, Any]:
        told = tagged(self, path, **more)
        return {
            "name": told["name"],
            "type": told["type"],
            "size": told["size"],
            "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        }

    monkeypatch.setattr(type(store), "info", info)
    store.pipe("/plans/a.pdf", b"%PDF-1.4 first")
    journal = tmp_path / "journal.db"
    async with AsyncClient("plangrep", journal=journal) as client:
        assert (await client.upload([URL])).exit_code == 0
    store.pipe("/plans/a.pdf", b"%PDF-1.4 other")
    made = await migrate_async("plangrep", "sendai", dry_run=True, journal=journal)
    assert [kept.error.kind for kept in made.kept_out] == ["source_changed"]


async def test_a_listing_may_hold_anything(
    tmp_path: Path, vendors: Callable[..., None], store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store's own objects, too, which cannot be kept outside of the memory."""
    vendors("plangrep")
    (tmp_path / "longshore.toml").write_text('[routes.main]\nprimary = "plangrep"\n')
    find = type(store).find

    def found(self: Any, path: str, **more: Any) -> dict[str, Any]:
        names = find(self, path, **more)
        return {name: {**self.info(name), "handle": threading.Lock()} for name in names}

    monkeypatch.setattr(type(store), "find", found)
    store.pipe("/plans/a.pdf", b"%PDF-1.4")
    arrival = await upload_by_route_async("memory://plans/*.pdf", "main", journal=tmp_path / "j.db")
    assert arrival.outcomes == {Outcome.SUCCEEDED: 1}


async def test_a_url_that_is_none_is_one_refused_document(
    tmp_path: Path, vendors: Callable[..., None], store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the documents are shared out, and so are looked at before they are planned."""
    vendors("plangrep")
    vendors("sendai")
    text = '[routes.main]\nprimary = "plangrep"\npercent = {sendai = 50}\n'
    (tmp_path / "longshore.toml").write_text(text)
    store.pipe("/plans/a.pdf", b"%PDF-1.4")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{URL}\nstrange://plans/b.pdf\n"))
    arrival = await upload_by_route_async("-", "main", journal=tmp_path / "j.db")
    assert arrival.outcomes == {Outcome.SUCCEEDED: 1, Outcome.REFUSED: 1}
