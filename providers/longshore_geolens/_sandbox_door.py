"""The sandbox's door: rate, body size, credentials, the error forms; and all that it holds.

Source: api/middleware/body_limit.py, modules/auth/dependencies.py and standards/ogc/errors.py of
https://github.com/geolens-io/geolens, v1.14.2.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from longshore.sandbox import (
    Assumption,
    BadCall,
    Call,
    Credentials,
    RateLimit,
    Refuse,
    Reply,
    Storage,
    Vendor,
)
from longshore_geolens._sandbox_jobs import Job, Worker
from longshore_geolens._sandbox_table import TABLE

__all__ = ["Door"]

M = TypeVar("M", bound=BaseModel)

_MIB = 2**20
_S3_MINIMUM = 5 * _MIB
_BODY_LIMIT = 10 * _MIB
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Payload Too Large",
    422: "Validation Error",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Door(Vendor):
    """What comes before any route, and what every route reads its call with."""

    name: ClassVar[str] = "geolens"
    home: ClassVar[str] = "https://geolens.example.com/api"
    table: ClassVar[tuple[Assumption, ...]] = TABLE

    def set_up(self) -> None:
        """Open the storage, empty."""
        options = self.assumptions
        region = options["region"]
        self.storage = Storage(
            "https://s3.storage.example",
            "geolens",
            credentials=Credentials(region=region),
            version=2 if region == "us-east-1" else 4,
            minimum_part=min(_S3_MINIMUM, options["part_size"]),
        )
        self.storages.append(self.storage)
        self.worker = Worker(options)
        self.jobs: dict[str, Job] = {}
        rate = options["rate"] or (60 if options["documented_rates"] else 0)
        self._limit = RateLimit(rate, per=1.0)
        self._failures = {
            name: options[name] for name in ("assembly_fails", "freeze_fails", "queue_down")
        }

    def guard(self, call: Call, now: float) -> Reply | None:
        """Check the rate, the body's size, the credentials and what they allow, in this order.

        Only the writes of the ingest need the capability to upload. Source: ingest/router.py.
        """
        if wait := self._limit.take("client", now):
            return self.error(429, "Rate limit exceeded").retry_after(wait)
        if call.body.size > _BODY_LIMIT:
            words = f"Request body too large. Maximum allowed size is {_BODY_LIMIT} bytes."
            return self.error(413, words)
        user, matches = self._user(call), self.assumptions.matches
        if not self.assumptions.allows("api_key", user):
            words = "Could not validate credentials" if user else "Not authenticated"
            return self.error(401, words).with_header("WWW-Authenticate", "Bearer")
        if call.method != "GET" and matches("read_only", user):
            return self.error(403, "This API key is read-only")
        ingests = call.method == "POST" and call.path.startswith("/ingest/")
        if ingests and matches("viewers", user):
            return self.error(403, "Insufficient permissions")
        return None

    @staticmethod
    def _user(call: Call) -> str:
        """Say who calls: the header's key wins over the query's, and that over a token."""
        return call.headers.get("x-api-key", "") or call.param("api_key") or call.bearer

    def _read(self, call: Call, model: type[M]) -> M:
        try:
            return model.model_validate(call.json())
        except ValidationError as error:
            items = [
                {"loc": ["body", *item["loc"]], "msg": item["msg"], "type": item["type"]}
                for item in error.errors()
            ]
            raise Refuse(self._invalid(items)) from None

    def _invalid(self, items: list[dict[str, Any]]) -> Reply:
        """Answer a request that does not fit its schema: one text now, a list in old builds."""
        if self.assumptions["errors"] == "legacy":
            return Reply.json(422, {"detail": items})
        lines = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in items)
        return self.error(422, "; ".join(lines))

    def error(self, status: int, message: str) -> Reply:
        """Answer in problem+json, or as older builds do. Source: standards/ogc/errors.py."""
        if self.assumptions["errors"] == "legacy":
            reply = Reply.json(status, {"detail": message})
        else:
            title = message.partition(":")[0] if "quota exceeded:" in message else _TITLES[status]
            problem = {"type": "about:blank", "title": title, "status": status, "detail": message}
            reply = Reply.json(status, problem, {"Content-Type": "application/problem+json"})
        if status == 500:
            reply = reply.with_header("X-Request-ID", self.new_uuid("request"))
        return reply

    def bad_call(self, error: BadCall) -> Reply:
        """Answer a body that cannot be read as the framework does: it does not fit the schema."""
        if error.status == 413:
            return self.error(413, str(error))
        return self._invalid([{"loc": ["body"], "msg": str(error), "type": "json_invalid"}])

    def not_found(self, call: Call) -> Reply:
        """Answer an unknown path as the framework does."""
        return Reply.json(404, {"detail": "Not Found"})

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        """Answer a wrong method as the framework does."""
        return Reply.json(405, {"detail": "Method Not Allowed"}, {"Allow": ", ".join(allowed)})
