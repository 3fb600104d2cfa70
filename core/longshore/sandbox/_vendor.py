"""The base of a vendor's pure core: routing, ids, assumptions, storages, inspection."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, NoReturn, TypedDict, TypeVar
from urllib.parse import unquote, urlsplit

from longshore.sandbox._assumptions import Assumption, Assumptions
from longshore.sandbox._blob import Blob
from longshore.sandbox._calls import BadCall, Call, Refuse, Reply
from longshore.sandbox._forms import BadForm
from longshore.sandbox._storage import Storage


class DocumentState(TypedDict):
    """A document as the vendor holds it."""

    name: str
    size: int
    sha256: str
    job: str | None


class JobState(TypedDict):
    """A job of the vendor, with the names of the documents that it works on."""

    id: str
    state: str
    documents: list[str]


class VendorState(TypedDict):
    """What `Vendor.state` returns; see `document_state` and `job_state`."""

    documents: list[DocumentState]
    jobs: list[JobState]
    parts: dict[str, dict[str, int]]


def document_state(name: str, blob: Blob, job: str | None = None) -> DocumentState:
    """Describe one document for the inspection view; `job` is the vendor's job id."""
    return {"name": name, "size": blob.size, "sha256": blob.sha256, "job": job}


def job_state(id: str, state: str, documents: Iterable[str] = ()) -> JobState:
    """Describe one job for the inspection view; `documents` are names."""
    return {"id": id, "state": state, "documents": list(documents)}


@dataclass(frozen=True)
class Route:
    """One method and path template; `{name}` stands for one path segment."""

    method: str
    template: str
    guarded: bool = True

    def matcher(self) -> re.Pattern[str]:
        """Return a pattern for raw paths below the vendor's root."""
        parts = re.split(r"\{(\w+)\}", self.template)
        return re.compile(
            "".join(
                f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
                for index, part in enumerate(parts)
            )
        )

    def rank(self) -> tuple[tuple[bool, str], ...]:
        """Return a sort key: a literal segment comes before one that is a parameter."""
        return tuple(("{" in segment, segment) for segment in self.template.split("/"))


class _Found(NamedTuple):
    """What is routed where: the route, its handler and the decoded segments."""

    route: Route | None = None
    handler: str = ""
    segments: Mapping[str, str] = {}
    allowed: tuple[str, ...] = ()


_MOST_FOUND = 4096


@lru_cache(maxsize=1024)
def _uuid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@lru_cache(maxsize=1024)
def _hash_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@lru_cache(maxsize=256)
def _path_of(url: str) -> str:
    return urlsplit(url).path


def _routes_of(cls: type, name: str) -> tuple[Route, ...]:
    """Return the routes of a method; one that overrides a route without a mark keeps it."""
    for owner in cls.__mro__:
        if routes := getattr(vars(owner).get(name), "sandbox_routes", ()):
            return tuple(routes)
    return ()


_F = TypeVar("_F", bound=Callable[..., Reply])


def route(method: str, template: str, *, guarded: bool = True) -> Callable[[_F], _F]:
    """Mark a vendor's method as the handler of `method template`; may be stacked.

    The handler is called as `handler(call, now, **segments)` with percent-decoded segments.

    Args:
        method: GET, POST, ...
        template: e.g. `/v1/jobs/{job_id}`; relative to the base URL.
        guarded: False where `Vendor.guard` (credentials) is not to be asked.
    """

    def mark(handler: _F) -> _F:
        known: tuple[Route, ...] = vars(handler).get("sandbox_routes", ())
        vars(handler)["sandbox_routes"] = (*known, Route(method, template, guarded))
        return handler

    return mark


class Vendor:
    """The pure core of one vendor's sandbox.

    No clock (`now` is Unix time in seconds), no randomness (ids are counted), no I/O: the same
    calls give the same replies. Not thread-safe: callers serialise `handle`.

    Attributes:
        name: the provider's name; the path prefix in the shell.
        home: the documented base URL, without a slash at its end.
        table: the assumptions; `assumptions` holds the values in force.
        base_url: where this instance is reached; absolute URLs in replies begin with it.
        storages: the storages that belong to this vendor; `handle` gives them their calls.
        demo_settings: what a target needs beside `base_url` to work with this sandbox, as text.
        showcase_settings: more of them, with which a file of 30 MB already travels in parts.
        showcase_assumptions: the same for this side.
    """

    name: ClassVar[str] = "vendor"
    home: ClassVar[str] = "https://api.vendor.example"
    table: ClassVar[tuple[Assumption, ...]] = ()
    demo_settings: ClassVar[Mapping[str, str]] = {"api_key": "demo", "poll_interval": "0.2"}
    showcase_settings: ClassVar[Mapping[str, str]] = {}
    showcase_assumptions: ClassVar[Mapping[str, Any]] = {}
    _table: ClassVar[tuple[tuple[Route, re.Pattern[str], str], ...]] = ()
    _found: ClassVar[dict[tuple[str, str], _Found]] = {}

    def __init__(self, assumptions: Mapping[str, Any] | None = None) -> None:
        self.assumptions = Assumptions(self.table, assumptions)
        self.base_url = self.home
        self.storages: list[Storage] = []
        self._counters: dict[str, int] = {}
        self.set_up()

    def set_up(self) -> None:
        """Make what this vendor keeps; its assumptions are known by now. By default nothing."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = [(entry, name) for name in dir(cls) for entry in _routes_of(cls, name)]
        found.sort(key=lambda pair: pair[0].rank())
        seen = [(entry.method, entry.template) for entry, _ in found]
        if doubled := {route for route in seen if seen.count(route) > 1}:
            raise TypeError(f"{cls.__name__} has two handlers for {sorted(doubled)}")
        cls._table = tuple((entry, entry.matcher(), name) for entry, name in found)
        cls._found = {}

    # ------------------------------------------------------------ the outside

    @property
    def root(self) -> str:
        """The path of the base URL; "" if it has none."""
        return _path_of(self.base_url)

    def mount(self, base_url: str) -> None:
        """Move to another base URL (done by the shell); storages move to `{base_url}/storage`."""
        self.base_url = base_url.rstrip("/")
        for storage in self.storages:
            storage.move(f"{self.base_url}/storage")

    def handle(self, call: Call, now: float) -> Reply:
        """Answer one call. Never raises for what a client sent."""
        call = call.under(self.root)
        for storage in self.storages:
            if storage.owns(call):
                return storage.handle(call, now)
        try:
            return self._routed(call, now)
        except Refuse as refusal:
            return refusal.reply
        except BadForm as error:
            return self.bad_call(BadCall(str(error)))
        except BadCall as error:
            return self.bad_call(error)

    def _routed(self, call: Call, now: float) -> Reply:
        found = self._find(call)
        if found.route is None:
            allowed = list(found.allowed)
            return self.wrong_method(call, allowed) if allowed else self.not_found(call)
        if found.route.guarded and (refused := self.guard(call, now)) is not None:
            return refused
        reply = getattr(self, found.handler)(call, now, **found.segments)
        assert isinstance(reply, Reply), f"{found.handler} returned {reply!r}"
        return reply

    def _find(self, call: Call) -> _Found:
        """Return the route of a call; the same paths come again and again in a simulation."""
        known, key = self._found, (call.method, call.path)
        if (found := known.get(key)) is None:
            if len(known) >= _MOST_FOUND:
                known.clear()
            found = known[key] = self._search(call)
        return found

    def _search(self, call: Call) -> _Found:
        allowed: set[str] = set()
        for entry, pattern, attribute in self._table:
            match = pattern.fullmatch(call.path)
            if match is None:
                continue
            if entry.method == call.method:
                segments = {name: unquote(value) for name, value in match.groupdict().items()}
                return _Found(entry, attribute, segments)
            allowed.add(entry.method)
        return _Found(allowed=tuple(sorted(allowed)))

    def template(self, call: Call) -> str:
        """Return `METHOD template` of a call, for counters."""
        call = call.under(self.root)
        for storage in self.storages:
            if storage.owns(call):
                return f"{call.method} storage"
        found = self._find(call).route
        return f"{call.method} {found.template if found else '(no route)'}"

    # ------------------------------------------------------------ for vendors to override

    def guard(self, call: Call, now: float) -> Reply | None:
        """Check credentials, scopes, rate limits; a reply ends the call. Default: all may pass."""
        return None

    def error(self, status: int, message: str) -> Reply:
        """Put an error into the vendor's own form; what is refused below goes through it."""
        return Reply.json(status, {"message": message})

    def bad_call(self, error: BadCall) -> Reply:
        """Say that a body or header cannot be read."""
        return self.error(error.status, str(error))

    def not_found(self, call: Call) -> Reply:
        """Answer an unknown path."""
        return self.error(404, f"no such endpoint: {call.method} {call.path}")

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        """Answer a known path with another method."""
        return self.error(405, "method not allowed").with_header("Allow", ", ".join(allowed))

    def state(self, now: float) -> VendorState:
        """Return what the vendor holds, for the neutral inspection view."""
        return {"documents": [], "jobs": [], "parts": self.storage_parts()}

    # ------------------------------------------------------------ for vendors to use

    def refuse(self, status: int, message: str) -> NoReturn:
        """End the call with an error, anywhere inside a handler."""
        raise Refuse(self.error(status, message))

    def storage_parts(self) -> dict[str, dict[str, int]]:
        """Return the part counts of all storages."""
        return {
            upload: parts
            for storage in self.storages
            for upload, parts in storage.puts.state().items()
        }

    def _next(self, kind: str) -> int:
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return self._counters[kind]

    def new_id(self, prefix: str) -> str:
        """Return the next id of a kind, e.g. `job_000001`."""
        return f"{prefix}{self._next(prefix):06d}"

    def new_uuid(self, kind: str = "") -> str:
        """Return the next id of a kind in the form of a UUID."""
        name = f"longshore:{self.name}::{kind}:{self._next('uuid ' + kind)}"
        return _uuid_of(name)

    def new_token(self, prefix: str, length: int = 32) -> str:
        """Return the next opaque token of a kind: hex, up to 64 digits after the prefix."""
        name = f"longshore:{self.name}::{prefix}:{self._next('token ' + prefix)}"
        return prefix + _hash_of(name)[:length]
