"""The sandbox's door: key, rate, the error form, how fields are read; and all that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from longshore.sandbox import (
    BadCall,
    Call,
    RateLimit,
    Refuse,
    Reply,
    StatusWalk,
    Storage,
    Vendor,
)
from longshore_plangrep._sandbox_fields import checked
from longshore_plangrep._sandbox_records import HeldJob, HeldProject, Remembered
from longshore_plangrep._sandbox_table import TABLE

__all__ = ["API", "Door"]

API = "/api/open/v1"
_MINIMUM_PART = 5 << 20


class Door(Vendor):
    """What comes before any route, and what every route looks into.

    Attributes:
        credits: the account's balance.
        projects: by id.
        jobs: by id.
        keys: what was done under an Idempotency-Key, by scope and key.
        downloads: job and path, by the token of a link that is good once.
    """

    name: ClassVar[str] = "plangrep"
    home: ClassVar[str] = "https://plangrep.com"
    table = TABLE

    def set_up(self) -> None:
        """Begin without projects, but for one that is assumed."""
        chosen = self.assumptions
        self.walk = StatusWalk.parse(chosen["walk"])
        self.credits: float = chosen["credits"]
        smallest = min(_MINIMUM_PART, chosen["part_bytes"])
        self.storage = Storage("https://storage.plangrep.com", minimum_part=smallest)
        self.storages.append(self.storage)
        self.projects: dict[str, HeldProject] = {}
        self.jobs: dict[str, HeldJob] = {}
        self.keys: dict[tuple[str, str], Remembered] = {}
        self.downloads: dict[str, tuple[str, str]] = {}
        self._rate = RateLimit(chosen["requests_per_minute"], per=60.0)
        if chosen["project_id"]:
            given = HeldProject(chosen["project_id"], "Given project", 0.0, 0.0)
            self.projects[given.id] = given

    def guard(self, call: Call, now: float) -> Reply | None:
        """Source: authentication (401 for a missing, wrong, revoked or expired token)."""
        if not self.assumptions.allows("api_key", call.bearer):
            return self.error(401, "a valid API key is needed", "unauthorized")
        if wait := self._rate.take(call.bearer, now):
            return self.error(429, "too many requests", "rate_limited").retry_after(wait)
        scope = _scope_of(call)
        if scope and scope not in self.assumptions.words("scopes"):
            self.refuse_as("scope", "missing_scope", f"the key lacks the scope {scope}")
        return None

    def bad_call(self, error: BadCall) -> Reply:
        """Refuse what cannot be read."""
        status = self.assumptions["invalid_status"] if error.status == 400 else error.status
        return self.error(status, str(error))

    def not_found(self, call: Call) -> Reply:
        """Refuse an unknown path."""
        return self.error(404, f"no such endpoint: {call.method} {call.path}", "not_found")

    def error(self, status: int, message: str, code: str = "invalid_request") -> Reply:
        """Source: authentication (``code`` to branch on, ``message`` for people)."""
        said = {"code": code, "message": message}
        nested = self.assumptions["error_shape"] == "nested"
        return Reply.json(status, {"error": said} if nested else said)

    def refuse_as(self, kind: str, code: str, message: str) -> NoReturn:
        """End the call with an error; `kind` names the assumption that holds its status."""
        raise Refuse(self.error(self.assumptions[f"{kind}_status"], message, code))

    def fields(self, value: Any, spec: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Return an object whose fields were checked against a specification."""
        strict = self.assumptions["unknown_fields"] == "refuse"
        return checked(value, spec, where or "the body", strict=strict)


def _scope_of(call: Call) -> str:
    """Name the scope that a call needs; none is named for calls about projects.

    Source: authentication, api-reference/workspace-keys/create-key.
    """
    if not call.path.startswith(f"{API}/jobs/") and not call.path.endswith("/jobs"):
        return ""
    if call.path.endswith("/artifact"):
        return "artifacts:read"
    return "jobs:read" if call.method == "GET" else "jobs:write"
