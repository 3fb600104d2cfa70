"""The sandbox's door: keys, rates, the error form, and how a call's fields are read."""

from __future__ import annotations

import re
from typing import ClassVar, NoReturn

from longshore.sandbox import BadCall, Call, Form, FormPart, RateLimit, Reply, Vendor
from longshore_subworkflow._sandbox_table import TABLE

__all__ = ["NUMBER", "Door"]

NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Door(Vendor):
    """What comes before any route, and what every route reads its call with."""

    name: ClassVar[str] = "subworkflow"
    home: ClassVar[str] = "https://api.subworkflow.ai"
    table = TABLE

    def set_up(self) -> None:
        """Count requests."""
        documented = {"reads": 300, "writes": 60} if self.assumptions["documented_rates"] else {}
        self.limits = {
            kind: RateLimit(
                self.assumptions[f"{kind}_per_minute"] or documented.get(kind, 0), per=60.0
            )
            for kind in ("reads", "writes")
        }

    def guard(self, call: Call, now: float) -> Reply | None:
        """Check the key, then the rate. Source: docs.subworkflow.ai/auth and /platform."""
        key = call.headers.get("x-api-key", "") or call.param("api-key")
        if not self.assumptions.allows("api_key", key):
            return self.error(401, "Unauthorized")
        if call.path.startswith("/v1/upload") and self._other_path(call):
            return self.not_found(call)
        kind = "reads" if call.method == "GET" else "writes"
        if wait := self.limits[kind].take(key, now):
            return self.error(429, "Rate limit exceeded").retry_after(wait)
        return None

    def bad_call(self, error: BadCall) -> Reply:
        """Refuse what cannot be read; 400 is the only such status that is documented."""
        return self.error(400, str(error))

    def not_found(self, call: Call) -> Reply:
        """Answer an unknown path in the error form."""
        return self.error(404, "Not found")

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        """A known path with another method is an unknown endpoint."""
        return self.not_found(call)

    def error(self, status: int, message: str) -> Reply:
        """Every page has the same form; errors of the vendor's framework, another field."""
        return Reply.json(status, {"success": False, self.assumptions["error_key"]: message})

    def _beyond(self, text: str) -> NoReturn:
        """Refuse what is too large, too small or of a wrong format."""
        self.refuse(self.assumptions["limit_status"], text)

    def _other_path(self, call: Call) -> bool:
        """Tell whether a session call came by the path that is not the chosen one."""
        wrong = {"hyphen": "/v1/upload_session/", "underscore": "/v1/upload-session/"}
        path = wrong.get(self.assumptions["session_path"])
        return path is not None and call.path.startswith(path)

    # ------------------------------------------------------------------ reading calls

    def _form(self, call: Call, *known: str) -> Form:
        form = call.form()
        unknown = [part.name for part in form if part.name not in known]
        if unknown and self.assumptions["unknown_fields"] == "refuse":
            self.refuse(400, f"unknown field: {unknown[0]}")
        return form

    def _text(self, form: Form, name: str) -> str:
        value = form.text(name)
        if not value:
            self.refuse(400, f"{name} is required")
        return value

    def _file(self, form: Form) -> FormPart:
        files = form.files("file")
        if len(files) != 1 or len(form.named("file")) != 1:
            self.refuse(400, "one file is required")
        return files[0]

    def _days(self, text: str | None) -> int:
        longest: int = self.assumptions["longest_retention"]
        if text is None:
            return longest
        if text == "-1":
            return -1
        if not NUMBER.fullmatch(text) or int(text) > longest:
            self.refuse(400, f"not a number of days from 1 to {longest}, or -1: {text}")
        return int(text)

    def _paging(self, call: Call) -> tuple[int, int]:
        offset, limit = call.param("offset", "0"), call.param("limit", "10")
        if not offset.isdecimal() or not NUMBER.fullmatch(limit) or int(limit) > 100:
            self.refuse(400, "offset or limit out of range")
        return int(offset), int(limit)
