"""One upload by a route: which documents go where, in runs that know of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from longshore._shelf import Shelf
from longshore.errors import DocumentError, LongshoreError, UsageError
from longshore.journal import Journal, RunRecord
from longshore.migrate._checked import Checked, bucket, in_order
from longshore.pipeline import (
    Candidate,
    Environment,
    Event,
    Notice,
    RunOptions,
    begin,
    find_once,
    restart_incompatible,
    target_of,
)
from longshore.targets import (
    Route,
    Target,
    overrides_of,
    resolve_route,
    target_now,
)

__all__ = [
    "Leg", "Passage", "RouteRequest", "Shares", "begin_passage", "find_passage", "passage_of",
    "route_of", "shares_of",
]  # fmt: skip

USE = "route"

Role = Literal["main", "fallback", "shadow"]

_ROLES = TypeAdapter[Role](Role)
_ROUTES = TypeAdapter(Route)


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What is asked for.

    Attributes:
        route: its name, with or without ``route:``.
        paths: files, directories, globs, or ``-``.
        settings: ``key=value`` for every target, or ``target:key`` for one.
        options: of every run.
        config: the configuration file; None: look for it.
    """

    route: str
    paths: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    config: Path | None = None

    def target(self, name: str) -> Target:
        """Fill a target's settings.

        Raises:
            ConfigurationError: one of them is wrong or missing.
        """
        return target_now(name, overrides_of(name, self.settings), self.config)


@dataclass(slots=True)
class Leg:
    """One run of a passage.

    Attributes:
        role: ``main`` and ``fallback`` count; ``shadow`` does not.
    """

    role: Role
    target: Target
    run: RunRecord


@dataclass(slots=True)
class Passage:
    """All runs of one upload by a route.

    Attributes:
        id: what their notes have in common.
        route: as it was when the upload began.
        legs: the runs so far; a fallback's is added when it is needed.
        notices: what a person should know, such as a shadow that cannot be used.
    """

    id: str
    route: Route
    legs: list[Leg] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def notes(self, role: Role, **more: JsonValue) -> dict[str, JsonValue]:
        """Return what a run of it keeps; the route too, which may be another tomorrow."""
        plan = _ROUTES.dump_python(self.route, mode="json")
        return {"use": USE, "passage": self.id, "route": plan, "role": role, **more}


def passage_of(run: RunRecord) -> str | None:
    """Return the passage that a run is part of; None if it is part of none."""
    return str(run.notes["passage"]) if run.notes.get("use") == USE else None


def route_of(run: RunRecord) -> Route:
    """Return the route of the passage that a run is part of, as it was when the upload began."""
    return _ROUTES.validate_python(run.notes["route"])


async def begin_passage(
    journal: Journal,
    request: RouteRequest,
    environment: Environment,
    found: Iterable[Candidate] | None = None,
) -> Passage:
    """Plan the runs of an upload by a route; nothing is sent yet.

    Args:
        journal: the durable record.
        request: what is asked for.
        environment: what a test replaces.
        found: the documents, if not all that the request's paths lead to.

    Raises:
        ConfigurationError: the route, or a target whose outcome counts, is not complete.
        UsageError: there is nothing to carry, or an option breaks a limit of a vendor.
    """
    route = resolve_route(request.route, config_file=request.config)
    targets = {name: request.target(name) for name in route.mains}
    for name in route.fallback:
        request.target(name)  # a fallback that cannot work is found out now
    passage = Passage(await _free_id(journal, environment), route)
    found = find_once(request.paths, passage.notices.append) if found is None else found
    shares = await _share_out(found, route, environment)
    if not any(shares.values()):
        raise UsageError("there is nothing to carry", hint="name files or directories")
    try:
        for name, share in shares.items():
            if share:
                notes = passage.notes("main", mains=sum(map(bool, shares.values())))
                target, options = targets[name], request.options
                run = await begin(journal, target, share, options, environment, notes=notes)
                passage.legs.append(Leg("main", target, run))
    except BaseException:
        for leg in passage.legs:  # nothing was sent: leave nothing behind
            await journal.forget_run(leg.run.id)
        raise
    for name in route.shadow:
        if copies := _copies(route, name, shares):
            await _begin_shadow(journal, request, environment, passage, name=name, copies=copies)
    return passage


async def _free_id(journal: Journal, environment: Environment) -> str:
    """Draw an id that no other passage has: ``find_passage`` would take both for one."""
    taken = {passage_of(run) for run in await journal.runs()}
    while (id := environment.new_run_id()) in taken:
        pass
    return id


async def _begin_shadow(
    journal: Journal,
    request: RouteRequest,
    environment: Environment,
    passage: Passage,
    *,
    name: str,
    copies: Sequence[Candidate],
) -> None:
    """Plan a shadow's run. What goes wrong is only told."""
    # What a user's flags ask of the upload is not for a shadow to insist on.
    options = request.options.model_copy(update={"strict": False, "max_failures": None})
    try:
        target = request.target(name)
        notes = passage.notes("shadow")
        run = await begin(journal, target, copies, options, environment, notes=notes)
    except LongshoreError as error:
        passage.notices.append(f"no shadow traffic to {name}: {error.message}")
        return
    passage.legs.append(Leg("shadow", target, run))


# --------------------------------------------------------------------------- who gets what

Shares = Mapping[str, Shelf[Candidate]]
"""Target -> its documents. They are on shelves: there may be too many for the memory."""


async def shares_of(found: Iterable[Candidate], route: Route, environment: Environment) -> Shares:
    """Tell what each target of a route would get; nothing is begun.

    A fallback may get all of it, what shadows get is copies.
    """
    mains = await _share_out(found, route, environment)
    shares = {name: _copies(route, name, mains) for name in route.shadow}
    if route.fallback:
        everything = Shelf(candidate for share in mains.values() for candidate in share)
        shares |= dict.fromkeys(route.fallback, everything)
    return {**shares, **mains}


async def _share_out(found: Iterable[Candidate], route: Route, environment: Environment) -> Shares:
    """Share the documents out between the targets whose outcome counts, by their SHA-256.

    A document's place between 0 and 100 is always the same, so raising a percentage moves
    documents to that target and none away from it.
    """
    shares = {name: Shelf[Candidate]() for name in route.mains}
    if any(0 < share < 100 for share in (*route.percent.values(), *route.shadow.values())):
        async for candidate in in_order(partial(_hashed, environment=environment), found):
            shares[_main_of(candidate, route)].append(candidate)
    else:
        for candidate in found:
            shares[_main_of(candidate, route)].append(candidate)
    return shares


async def _hashed(candidate: Candidate, environment: Environment) -> Candidate:
    """Hash a document; one that cannot be read stays as it is, its run tells why."""
    try:
        document = candidate.document("")
        digest = await environment.digest(document)
    except (DocumentError, UsageError):  # the latter where its URL is none
        return candidate
    return Checked(
        candidate.path,
        candidate.name,
        candidate.media_type,
        info=candidate.info,
        known=document.changed({"sha256": digest}),
    )


def _main_of(candidate: Candidate, route: Route) -> str:
    begin = 0.0
    for name, percent in route.percent.items():
        if _within("split", candidate, begin + percent, above=begin):
            return name
        begin += percent
    return route.primary


def _copies(route: Route, name: str, shares: Shares) -> Shelf[Candidate]:
    """Return what a shadow gets a copy of: nothing that it gets anyway."""
    return Shelf(
        candidate
        for main, share in shares.items()
        for candidate in share
        if main != name and _within(f"shadow:{name}", candidate, route.shadow[name])
    )


def _within(salt: str, candidate: Candidate, percent: float, *, above: float = 0.0) -> bool:
    if percent - above >= 100:
        return True
    if not isinstance(candidate, Checked) or candidate.known is None:
        return False
    return above <= 100 * bucket(salt, candidate.known) < percent


# ----------------------------------------------------------------------------- found again


async def find_passage(
    journal: Journal,
    request: RouteRequest,
    id: str,
    *,
    wait: bool = True,
    restart_in: Environment | None = None,
) -> Passage:
    """Find the runs of an earlier upload by a route again.

    Args:
        journal: the durable record.
        request: its settings and configuration count.
        id: of the passage.
        wait: follow the jobs to their end, also where the upload did not.
        restart_in: begin afresh, with this, what the providers as they are now cannot read.

    Raises:
        UsageError: it was interrupted while it was planned.
    """
    runs = [run for run in await journal.runs() if passage_of(run) == id]
    route = route_of(runs[0])
    if not await _is_whole(journal, runs):
        raise UsageError(
            f"the upload by route {route.name!r} was interrupted before its plan was whole; "
            "nothing was sent",
            hint="upload again; these remove what is left of it: "
            + ", ".join(f"longshore forget {run.id}" for run in runs),
        )
    passage = Passage(id, route)

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            passage.notices.append(event.text)

    for run in runs:
        role = _ROLES.validate_python(run.notes["role"])
        if not run.planned:
            continue  # interrupted before anything of it was sent
        try:
            target = target_of(run, request.settings, request.config)
            if restart_in is not None:
                await restart_incompatible(journal, target, run.id, restart_in, listen)
        except LongshoreError as error:
            if role != "shadow":
                raise
            passage.notices.append(f"no shadow traffic to {run.target}: {error.message}")
            continue
        now = await journal.run(run.id)
        options = {**now.options, "wait": wait}
        passage.legs.append(Leg(role, target, now.changed({"options": options})))
    return passage


async def _is_whole(journal: Journal, runs: Sequence[RunRecord]) -> bool:
    """Tell whether all that an upload by a route was to carry was planned.

    Of a whole plan somebody may have forgotten a run since. But nothing is executed before the
    plan is whole, and shadows and fallbacks are planned last.
    """
    planned = [run for run in runs if run.planned]
    if any(run.notes["role"] != "main" for run in planned):
        return True
    if planned and len(planned) == planned[0].notes["mains"]:
        return True
    return any([(await journal.facts(run.id)).unit.epoch > 0 for run in planned])
