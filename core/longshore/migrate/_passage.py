"""One upload by a route: which documents go where, in runs that know of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from longshore.errors import DocumentError, LongshoreError, UsageError
from longshore.journal import Journal, RunRecord
from longshore.migrate._select import Checked, bucket, in_order
from longshore.pipeline import Candidate, Environment, RunOptions, begin, find_documents
from longshore.targets import (
    Route,
    Target,
    overrides_of,
    resolve_route,
    target_again,
    target_now,
)

__all__ = ["Leg", "Passage", "RouteRequest", "begin_passage", "find_passage", "passage_of"]

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

    def again(self, run: RunRecord) -> Target:
        """Make the target of an earlier run again: its settings, but secrets come freshly."""
        return target_again(
            run.target,
            run.settings,
            provider_name=run.provider,
            given=overrides_of(run.target, self.settings),
            config_file=self.config,
        )


@dataclass(slots=True)
class Leg:
    """One run of a passage.

    Attributes:
        role: ``main`` and ``fallback`` count; ``shadow`` does not.
        instead_of: the run that could not carry these documents, for a fallback.
    """

    role: Role
    target: Target
    run: RunRecord
    instead_of: str = ""


@dataclass(slots=True)
class Passage:
    """All runs of one upload by a route.

    Attributes:
        id: what their notes have in common.
        route: as it was when the upload began.
        legs: the runs so far; a fallback's is added when it is needed.
        notices: what a person should know, such as a shadow that cannot be used.
        unplanned: runs whose planning was interrupted; nothing of them was sent.
    """

    id: str
    route: Route
    legs: list[Leg] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unplanned: list[RunRecord] = field(default_factory=list)

    def notes(self, role: Role, **more: JsonValue) -> dict[str, JsonValue]:
        """Return what a run of it keeps; the route too, which may be another tomorrow."""
        plan = _ROUTES.dump_python(self.route, mode="json")
        return {"use": USE, "passage": self.id, "route": plan, "role": role, **more}


def passage_of(run: RunRecord) -> str | None:
    """Return the passage that a run is part of; None if it is part of none."""
    return str(run.notes["passage"]) if run.notes.get("use") == USE else None


async def begin_passage(
    journal: Journal, request: RouteRequest, environment: Environment
) -> Passage:
    """Plan the runs of an upload by a route; nothing is sent yet.

    Raises:
        ConfigurationError: the route, or a target whose outcome counts, is not complete.
        UsageError: there is nothing to carry, or an option breaks a limit of a vendor.
    """
    route = resolve_route(request.route, config_file=request.config)
    targets = {name: request.target(name) for name in route.mains}
    for name in route.fallback:
        request.target(name)  # a fallback that cannot work is found out now
    passage = Passage(await _free_id(journal, environment), route)
    found = list(find_documents(request.paths))
    if not found:
        raise UsageError("there is nothing to carry", hint="name files or directories")
    hashed = await _hashed(found, environment) if _needs_digests(route) else found
    shares = _split(hashed, route)
    begun: list[str] = []
    try:
        for name, share in shares.items():
            if share:
                run = await begin(
                    journal,
                    targets[name],
                    share,
                    request.options,
                    environment,
                    notes=passage.notes("main", mains=sum(map(bool, shares.values()))),
                )
                begun.append(run.id)
                passage.legs.append(Leg("main", targets[name], run))
    except BaseException:
        for run_id in begun:  # nothing was sent: leave nothing behind
            await journal.forget_run(run_id)
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


def _copies(route: Route, name: str, shares: Mapping[str, Sequence[Candidate]]) -> list[Candidate]:
    """Return what a shadow gets a copy of: nothing that it gets anyway."""
    return [
        candidate
        for main, share in shares.items()
        for candidate in share
        if main != name and _within(f"shadow:{name}", candidate, route.shadow[name])
    ]


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


def _needs_digests(route: Route) -> bool:
    shares = [*route.percent.values(), *route.shadow.values()]
    return any(0 < share < 100 for share in shares)


async def _hashed(candidates: Sequence[Candidate], environment: Environment) -> list[Candidate]:
    """Hash the documents; one that cannot be read stays as it is, its run tells why."""

    async def one(candidate: Candidate) -> Candidate:
        try:
            document = candidate.document("")
            digest = await environment.digest(document)
        except DocumentError:
            return candidate
        return Checked(
            candidate.path,
            candidate.name,
            candidate.media_type,
            info=candidate.info,
            known=document.model_copy(update={"sha256": digest}),
        )

    return [candidate async for candidate in in_order(one, candidates)]


def _split(candidates: Sequence[Candidate], route: Route) -> dict[str, list[Candidate]]:
    """Share the documents out between the targets whose outcome counts, by their SHA-256.

    A document's place between 0 and 100 is always the same, so raising a percentage moves
    documents to that target and none away from it.
    """
    shares: dict[str, list[Candidate]] = {name: [] for name in route.mains}
    for candidate in candidates:
        begin = 0.0
        chosen = route.primary
        for name, percent in route.percent.items():
            if _within("split", candidate, begin + percent, above=begin):
                chosen = name
                break
            begin += percent
        shares[chosen].append(candidate)
    return shares


def _within(salt: str, candidate: Candidate, percent: float, *, above: float = 0.0) -> bool:
    if percent - above >= 100:
        return True
    if not isinstance(candidate, Checked) or candidate.known is None:
        return False
    return above <= 100 * bucket(salt, candidate.known) < percent


async def find_passage(journal: Journal, request: RouteRequest, id: str) -> Passage:
    """Find the runs of an earlier upload by a route again.

    Raises:
        UsageError: it was interrupted while it was planned.
    """
    runs = [run for run in await journal.runs() if passage_of(run) == id]
    mains = [run for run in runs if run.notes["role"] == "main" and run.planned]
    route = _ROUTES.validate_python(runs[0].notes["route"])
    if not mains or len(mains) != mains[0].notes["mains"]:
        raise UsageError(
            f"the upload by route {route.name!r} was interrupted before its plan was whole; "
            "nothing was sent",
            hint="upload again; these remove what is left of it: "
            + ", ".join(f"longshore forget {run.id}" for run in runs),
        )
    passage = Passage(id, route)
    for run in runs:
        role = _ROLES.validate_python(run.notes["role"])
        if not run.planned:
            passage.unplanned.append(run)
            continue
        try:
            target = request.again(run)
        except LongshoreError as error:
            if role != "shadow":
                raise
            passage.notices.append(f"no shadow traffic to {run.target}: {error.message}")
            continue
        passage.legs.append(Leg(role, target, run, str(run.notes.get("instead_of", ""))))
    return passage
