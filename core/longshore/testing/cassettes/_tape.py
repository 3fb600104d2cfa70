"""Cassettes over vcrpy, stricter: every interaction is used once, in its order, or it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from vcr.cassette import Cassette as VcrCassette
from vcr.patch import PATCHER_NAMES
from vcr.record_mode import RecordMode
from vcr.request import Request as VcrRequest

from longshore.errors import UsageError
from longshore.testing.cassettes._scrub import Scrubber, Shown

__all__ = [
    "CassetteMismatch", "Header", "RecordedDocument", "Tape", "load", "playing", "read_header",
    "recording",
]  # fmt: skip


_DEEPEST = 50


class CassetteMismatch(AssertionError):
    """What was sent is not what was recorded, or not all of it was sent."""


class RecordedDocument(BaseModel):
    """A document that was carried; its bytes are not in the cassette."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    sha256: str


class Header(BaseModel):
    """What a cassette says about itself.

    Attributes:
        provider: the provider's name.
        scenario: what was played.
        recorded_against: ``sandbox`` or ``vendor``: the first is no evidence about the vendor.
        recorded_at: when the recording began; for a sandbox a fixed, virtual date.
        base_url: the address that was talked to.
        seed: ids are made from it, so that a replay makes the same.
        settings: of the target, without secrets.
        documents: what was carried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    scenario: str
    recorded_against: Literal["sandbox", "vendor"]
    recorded_at: datetime
    base_url: str
    seed: str
    settings: dict[str, Any] = Field(default_factory=dict)
    documents: tuple[RecordedDocument, ...] = ()

    @property
    def began(self) -> float:
        """The beginning in seconds since the epoch."""
        return self.recorded_at.astimezone(UTC).timestamp()


class Tape(VcrCassette):  # type: ignore[misc] # vcrpy has no annotations
    """A cassette that plays the next interaction of a place, or refuses.

    A place is a method with its whole URL, part numbers included. Of the interactions of one
    place only the first that was not played yet may answer, and its headers and body must match.
    """

    scrubber: Scrubber

    def can_play_response_for(self, request: Any) -> bool:
        """Play always, or never: nothing of a replay may reach the network."""
        return bool(self.record_mode == RecordMode.NONE)

    def play_response(self, request: Any) -> Any:
        """Return the recorded answer to a request.

        Raises:
            CassetteMismatch: it was not recorded, or differs from what was.
        """
        sent = shown(self.scrubber, request)
        for index, (stored, response) in enumerate(self.data):
            recorded = _stored(stored)
            if self.play_counts[index] or recorded.place != sent.place:
                continue
            if difference := recorded.difference(sent):
                raise CassetteMismatch(f"{sent.method} {sent.url}: {difference}")
            self.play_counts[index] += 1
            return response
        raise CassetteMismatch(f"{sent.method} {sent.url}: not recorded, or recorded less often")

    def check_used_up(self) -> None:
        """Raise ``CassetteMismatch`` when recorded interactions were not asked for."""
        unused = [
            f"{request.method} {request.uri}"
            for index, request in enumerate(self.requests)
            if not self.play_counts[index]
        ]
        if unused:
            raise CassetteMismatch("recorded, but not sent: " + "; ".join(unused))


def shown(scrubber: Scrubber, request: Any) -> Shown:
    """Show a request of vcrpy."""
    return scrubber.request(request.method, request.uri, request.headers, request.body or b"")


def _stored(request: Any) -> Shown:
    body = bytes(request.body or b"").decode()
    return Shown(request.method, request.uri, dict(request.headers), body)


# ------------------------------------------------------------------------- recording, playing


@contextmanager
def recording(path: Path, header: Header, scrubber: Scrubber) -> Iterator[Tape]:
    """Record every exchange into a file, which is written at the end, if that is a good one.

    Raises:
        UsageError: nothing was sent.
    """

    def before_request(request: Any) -> Any:
        copy = shown(scrubber, request)
        return VcrRequest(copy.method, copy.url, copy.body.encode(), copy.headers)

    options = {
        "record_mode": RecordMode.ALL,
        "before_record_request": before_request,
        "before_record_response": scrubber.reply,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.part")
    fresh.unlink(missing_ok=True)
    try:
        with _used(fresh, _Form(header), scrubber, options) as tape:
            yield tape
        if not len(tape):
            raise UsageError(
                f"{header.scenario}: not one request was sent, so there is nothing to record",
                hint="`longshore plan` says which documents the vendor takes",
            )
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def playing(path: Path, scrubber: Scrubber) -> Iterator[Tape]:
    """Answer every exchange from a file.

    Raises:
        CassetteMismatch: at the end, when not all of it was asked for.
    """
    if not path.is_file():
        raise CassetteMismatch(f"{path}: there is no such cassette; record it first")
    with _used(path, _Form(None), scrubber, {"record_mode": RecordMode.NONE}) as tape:
        yield tape
        tape.check_used_up()


@contextmanager
def _used(
    path: Path, form: _Form, scrubber: Scrubber, options: Mapping[str, Any]
) -> Iterator[Tape]:
    others = tuple(name for name in PATCHER_NAMES if name != "httpx")
    context = Tape.use(
        path=str(path),
        serializer=form,
        skip_patchers=others,
        record_on_exception=False,
        **options,
    )
    with context as tape:
        tape.scrubber = scrubber
        yield tape


class _Form:
    """How a cassette is written: its header first, keys in a fixed order, texts readable."""

    def __init__(self, header: Header | None) -> None:
        self._header = header

    def serialize(self, data: dict[str, Any]) -> str:
        assert self._header is not None
        about = self._header.model_dump(mode="json", exclude_defaults=True)
        whole = {"about": about, "interactions": data["interactions"], "version": 1}
        text: str = yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
        return text

    @staticmethod
    def deserialize(text: str) -> Any:
        return load(text)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _text)


def read_header(path: Path) -> Header:
    """Read what a cassette says about itself.

    Raises:
        ValueError: it says nothing, or it is no cassette.
    """
    head = path.read_text("utf-8").partition("\ninteractions:")[0]
    try:
        return Header.model_validate(load(head)["about"])
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: it does not say what it is: {error}") from error


def load(text: str) -> Any:
    """Read YAML, by the fast parser where there is one, which ends the process on deep nesting.

    Raises:
        yaml.YAMLError: it is none, or nested deeper than any cassette.
    """
    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"it is nested deeper than {_DEEPEST} levels")
    return yaml.load(text, Loader=loader)  # noqa: S506
