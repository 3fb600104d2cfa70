"""Choosing what is carried, and proving that each source still holds what it held."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from longshore.documents import Document, shown
from longshore.errors import DocumentError, LongshoreError, SourceChanged
from longshore.journal import ErrorInfo
from longshore.migrate._identity import Key, Origin
from longshore.pipeline import Candidate, Environment
from longshore.sources import is_remote

__all__ = ["Checked", "KeptOut", "Selection", "bucket", "named_in", "select"]

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Checked(Candidate):
    """A candidate whose digest is known already.

    Attributes:
        known: as it was when it was hashed.
        label: what the user knows it by, if that is not its path.
    """

    known: Document | None = field(default=None, compare=False, repr=False)
    label: str = ""

    @property
    def shown(self) -> str:
        """The path as it may be printed and kept."""
        return self.label or Candidate.shown.__get__(self)

    def document(self, id: str) -> Document:
        """Describe the file; its digest counts as long as its marks are the same.

        Raises:
            DocumentError: it is missing or cannot be read.
        """
        document = Candidate.document(self, id)
        if self.known is None or self.known.fingerprint != document.fingerprint:
            return document
        return document.model_copy(update={"sha256": self.known.sha256})


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A document that is not carried, and why."""

    origin: Origin
    error: ErrorInfo


@dataclass(slots=True)
class Selection:
    """What will be carried, and what not.

    Attributes:
        documents: whose sources are as they were, in order.
        kept_out: whose sources are gone, changed, or prove nothing.
        there: how many the other target has (or may have) already.
        left: how many ``limit`` and ``sample`` leave for another time.
    """

    documents: list[Checked] = field(default_factory=list)
    kept_out: list[KeptOut] = field(default_factory=list)
    there: int = 0
    left: int = 0


def named_in(manifest: Sequence[Candidate]) -> list[Origin]:
    """Return the documents that a manifest names, each source once."""
    found: dict[str, Origin] = {}
    for line in manifest:
        remote = is_remote(line.path)
        source = line.path if remote else str(Path(line.path).absolute())
        name = line.name or ("" if remote else Path(line.path).name)
        named = Document(id="", name=name, media_type=line.media_type, source=shown(source), size=0)
        found.setdefault(source, Origin(named))
    return list(found.values())


async def select(
    origins: Iterable[Origin],
    environment: Environment,
    *,
    there: Mapping[Key, str],
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
    made, known = Selection(), list(origins)
    hashed: dict[Key, Checked] = {}
    if not proven:  # a choice by digest needs the digests
        found = await _check(known, environment, made, proven=False)
        known = [_origin_of(one) for one in found]
        hashed = {origin.key: one for origin, one in zip(known, found, strict=True)}

    async def prove(some: Sequence[Origin]) -> list[Checked]:
        if not proven:
            return [hashed[origin.key] for origin in some]
        return await _check(some, environment, made, proven=True)

    open_ = [origin for origin in known if origin.key not in there]
    chosen = deque(_sampled(open_, sample))
    made.there, made.left = len(known) - len(open_), len(open_) - len(chosen)
    made.documents = await _enough(chosen, prove, takes, limit)
    made.left += len(chosen)
    digests = {digest for _, digest in there if digest}
    lost = [kept for kept in made.kept_out if kept.origin.document.sha256 not in digests]
    made.there += len(made.kept_out) - len(lost)  # carried since, from another place
    made.kept_out = lost
    return made


async def _enough(
    origins: deque[Origin],
    prove: Callable[[Sequence[Origin]], Awaitable[list[Checked]]],
    takes: Callable[[Document], bool],
    limit: int | None,
) -> list[Checked]:
    """Take origins and prove them until as many go as wanted."""
    proved: list[Checked] = []
    going = 0
    while origins and (limit is None or going < limit):
        most = len(origins) if limit is None else min(limit - going, len(origins))
        fresh = await prove([origins.popleft() for _ in range(most)])
        going += sum(takes(_origin_of(one).document) for one in fresh)
        proved += fresh
    return proved


def _origin_of(candidate: Checked) -> Origin:
    """Return a checked candidate as an origin of its own."""
    assert candidate.known is not None
    return Origin(candidate.known)


def _sampled(origins: list[Origin], sample: int | None) -> list[Origin]:
    """Take a sample, in the order in which they came."""
    if sample is None or sample >= len(origins):
        return origins
    ranked = sorted(origins, key=lambda origin: bucket("sample", origin.document))
    keys = {origin.key for origin in ranked[:sample]}
    return [origin for origin in origins if origin.key in keys]


def bucket(salt: str, document: Document) -> float:
    """Place a document by its SHA-256 between 0 and 1: evenly, and always at the same place.

    The salt makes two choices independent of each other.
    """
    digest = hashlib.sha256(f"{salt}:{document.sha256 or document.source}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


async def _check(
    origins: Iterable[Origin], environment: Environment, made: Selection, *, proven: bool
) -> list[Checked]:
    """Hash the sources, some at a time, in order; what is not proved is kept out."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(origin: Origin) -> Checked | KeptOut:
        async with gate:
            try:
                return await _prove(origin, environment, proven=proven)
            except LongshoreError as error:
                info = ErrorInfo(kind=error.kind, message=error.message, hint=error.hint)
                return KeptOut(origin, info)

    checked: list[Checked] = []
    for result in await asyncio.gather(*(one(origin) for origin in origins)):
        if isinstance(result, KeptOut):
            made.kept_out.append(result)
        else:
            checked.append(result)
    return checked


async def _prove(origin: Origin, environment: Environment, *, proven: bool) -> Checked:
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
            hint="name the file in a manifest (--manifest) if it is the right one",
        )
    digest = await environment.digest(now)
    if proven and was.sha256 is not None and digest != was.sha256:
        raise SourceChanged(
            f"{candidate.shown}: not the file that was carried before: its SHA-256 is another",
            hint="name it in a manifest (--manifest) to carry it as it is now",
        )
    return replace(candidate, known=now.model_copy(update={"sha256": digest}))
