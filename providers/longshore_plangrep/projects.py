"""The project that takes the jobs: found or created, awaited until it is ready.

Sources are pages of docs.plangrep.com.
"""

from __future__ import annotations

from longshore.provider import (
    Answer,
    Flow,
    Found,
    Json,
    LostRequest,
    NotDone,
    ProtocolError,
    Refused,
    Request,
    Response,
    Wait,
    quoted,
)
from longshore_plangrep import wire

__all__ = ["API", "READY_EVERY", "READY_WITHIN", "await_project", "project_named", "project_url"]

API = "/api/open/v1"

_NOT_CREATED = "set project_id to a project that exists, or choose another project_name"

# "Poll every 10 seconds, give up after 5 minutes." Source: guides/submit-a-job.
READY_EVERY, READY_WITHIN = 10.0, 300.0


def project_url(id: object) -> str:
    """Return the address of a project."""
    return f"{API}/projects/{quoted(str(id))}"


def project_named(name: str) -> Flow[wire.Project]:
    """Find the project of this name, or create it; names are unique.

    Source: api-reference/projects/list-projects (not paged), api-reference/projects/create-project.

    Raises:
        ProtocolError: there are two.
    """

    def ask(_: LostRequest) -> Flow[Answer]:
        found = yield from _listed(name)
        return Found(Response.of({"project": found.as_json()})) if found else NotDone()

    found = yield from _listed(name)
    if found:
        return found
    try:
        reply = yield Request.post(
            f"{API}/projects", Json({"name": name}), step="create-project", lost=ask
        )
    except Refused as refused:
        # Somebody else may have created it meanwhile.
        found = yield from _listed(name)
        if not found:
            refused.error.hint = refused.error.hint or _NOT_CREATED
            raise
        return found
    return reply.parse(wire.ProjectReply).project


def _listed(name: str) -> Flow[wire.Project | None]:
    reply = yield Request.get(f"{API}/projects")
    named = [p for p in reply.parse(wire.ProjectList).projects if p.name == name]
    if len(named) > 1:
        raise ProtocolError(
            f"{len(named)} projects are named {name!r}",
            hint=f"set project_id to one of {', '.join(project.id for project in named)}",
        )
    return named[0] if named else None


def await_project(id: str, wait: str) -> Flow[wire.Project]:
    """Return the project once it takes jobs; `wait` is the name of the wait.

    A new one is made ready in one or two minutes; one that is upgraded takes no new jobs either.
    Assumption: an upgrade takes no longer than the five minutes that are said of a new one.
    Source: api-reference/projects/get-project, concepts/projects.
    """
    reply = yield Request.get(project_url(id))
    project = reply.parse(wire.ProjectReply).project
    if not project.takes_jobs:
        yield Wait(wait, READY_EVERY, limit=READY_WITHIN)
    return project
