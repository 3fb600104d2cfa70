"""Choosing what is carried, and proving that each source still holds what it held."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from longshore._shelf import Scratch, Shelf
from longshore.documents import Document, shown
from longshore.errors import DocumentError, LongshoreError, SourceChanged
from longshore.journal import ErrorInfo
from longshore.migrate._checked import Checked, bucket, in_order
from longshore.migrate._identity import Origin, key_of, shown_source
from longshore.migrate._origins import Carried
from longshore.pipeline import Candidate, Environment
from longshore.sources import is_remote

__all__ = ["KeptOut", "Selection", "named_in", "select"]


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A document that is not carried, and why."""

    origin: Origin
    error: ErrorInfo

    def json(self) -> dict[str, JsonValue]:
        """Return it as scripts read it."""
        document, at = self.origin.document, self.origin.at
        return {
            "event": "kept_out",
            "path": shown_source(document.source),
            "sha256": document.sha256,
            "from": at.json() if at else None,
            "error": self.error.model_dump(mode="json"),
        }


@dataclass(slots=True)
class Selection:
    """What will be carried, and what not.

    Attributes:
        documents: whose sources are as they were, in order.
        kept_out: whose sources are gone, changed, or prove nothing.
        there: how many the other target has (or may have) already.
        left: how many ``limit`` and ``sample`` leave for another time.
    """

    documents: Shelf[Checked] = field(default_factory=Shelf[Checked])
    kept_out: Shelf[KeptOut] = field(default_factory=Shelf[KeptOut])
    there: int = 0
    left: int = 0


def named_in(manifest: Iterable[Candidate]) -> Iterator[Origin]:
    """Yield the documents that a manifest names, each source once."""
    seen = Scratch("CREATE TABLE seen (source TEXT PRIMARY KEY) WITHOUT ROWID")
    for line in manifest:
        remote = is_remote(line.path)
        source = shown(line.path if remote else Path(line.path).absolute())
        if not seen.do("INSERT OR IGNORE INTO seen VALUES (?)", source):
            continue
        name = line.name or ("" if remote else Path(source).name)
        yield Origin(Document(id="", name=name, media_type=line.media_type, source=source, size=0))


async def select(
    origins: Iterable[Origin],
    environment: Environment,
    *,
    there: Carried,
    proven: bool,
    takes: Callable[[Document], bool],
    limit: int | None = None,
    sample: int | None = None,
) -> Selection:
    """Choose documents and prove their sources.

    Args:
        origins: what may be carried.
        environment: of the machine; it hashes.
        there: what the other target has, or may have.
        proven: False for a manifest: whatever its files hold is carried.
        takes: whether the other target takes a document.
        limit: at most so many that go; those that cannot go are told, and do not count.
        sample: so many, chosen by SHA-256: the same ones whenever the same are to be had.
    """
    made = Selection()

    async def prove(some: Iterable[Origin]) -> AsyncIterator[Checked]:
        work = partial(_prove, environment=environment, proven=proven)
        async for result in in_order(work, some):
            if isinstance(result, Checked):
                yield result
            elif there.has(result.origin.document.sha256):
                made.there += 1  # carried since, from another place
            else:
                made.kept_out.append(result)

    if proven:
        chosen = _chosen(origins, made, there, sample)
        await _enough(chosen, prove, made, takes, limit)
    else:  # a choice by digest needs the digests
        hashed = Shelf[Checked]()
        async for one in prove(origins):
            hashed.append(one)
        found = _chosen(hashed, made, there, sample)
        await _enough(found, _as_they_are, made, takes, limit)
    return made


async def _as_they_are(some: Iterable[Checked]) -> AsyncIterator[Checked]:
    for one in some:
        yield one


ChoiceT = TypeVar("ChoiceT", Origin, Checked)


def _chosen(
    known: Iterable[ChoiceT], made: Selection, there: Carried, sample: int | None
) -> Iterator[ChoiceT]:
    """Yield what is not there yet, or a sample of it; the rest is counted."""
    places = None
    if sample is not None:
        ranks = (
            (bucket("sample", _document(one)), place)
            for place, one in enumerate(known)
            if key_of(_document(one)) not in there
        )
        places = {place for _, place in heapq.nsmallest(sample, ranks)}
    for place, one in enumerate(known):
        if key_of(_document(one)) in there:
            made.there += 1
        elif places is not None and place not in places:
            made.left += 1
        else:
            yield one


def _document(one: Origin | Checked) -> Document:
    """Return what is known of a document."""
    if isinstance(one, Origin):
        return one.document
    assert one.known is not None
    return one.known


async def _enough(
    chosen: Iterator[ChoiceT],
    prove: Callable[[Iterable[ChoiceT]], AsyncIterator[Checked]],
    made: Selection,
    takes: Callable[[Document], bool],
    limit: int | None,
) -> None:
    """Prove what was chosen until as many go as wanted; the rest is counted."""
    going = 0
    while (limit is None or going < limit) and (first := next(chosen, None)) is not None:
        more = None if limit is None else limit - going - 1
        async for one in prove(chain((first,), islice(chosen, more))):
            going += takes(_document(one))
            made.documents.append(one)
    made.left += sum(1 for _ in chosen)


async def _prove(origin: Origin, environment: Environment, *, proven: bool) -> Checked | KeptOut:
    """Hash a source; what is not proved is kept out."""
    try:
        return await _hashed(origin, environment, proven=proven)
    except LongshoreError as error:
        info = ErrorInfo(kind=error.kind, message=error.message, hint=error.hint)
        return KeptOut(origin, info)


async def _hashed(origin: Origin, environment: Environment, *, proven: bool) -> Checked:
    """Hash a source and compare.

    Raises:
        DocumentError: it is gone, unreadable, or not what was carried before.
    """
    was = origin.document
    candidate = Checked(was.source, was.name, was.media_type)
    now = candidate.document("")
    if proven and was.sha256 is None and now.fingerprint != was.fingerprint:
        raise DocumentError(
            f"{candidate.shown}: no SHA-256 was kept, and its size or times are not the same",
            hint="name the file in a manifest if it is the right one",
        )
    if proven and _same_object(was, now):
        return replace(candidate, known=now.changed({"sha256": was.sha256}))
    digest = await environment.digest(now)
    if proven and was.sha256 is not None and digest != was.sha256:
        raise SourceChanged(
            f"{candidate.shown}: not the file that was carried before: its SHA-256 is another",
            hint="name it in a manifest to carry it as it is now",
        )
    return replace(candidate, known=now.changed({"sha256": digest}))


def _same_object(was: Document, now: Document) -> bool:
    """Tell whether a store answers for the bytes, by their ETag: then nobody has to read them."""
    tag = now.fingerprint.etag if now.fingerprint is not None else ""
    return _is_strong(tag) and was.sha256 is not None and now.fingerprint == was.fingerprint


def _is_strong(tag: str) -> bool:
    """Tell whether a mark is of the bytes: a weak ETag is not, nor a date (``Last-Modified``)."""
    date = ":" in tag or tag.replace("-", "").isdecimal()
    return bool(tag) and not tag.startswith("W/") and not date
