"""The sandbox's door: keys, rates, the error form, and how a call's fields are read."""

from __future__ import annotations

import re
from typing import ClassVar, NoReturn

from longshore.sandbox import BadCall, Call, Form, FormPart, RateLimit, Refuse, Reply, Vendor
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
        key = call.headers.get("x-api-key") or call.param("api-key")
        wanted = self.assumptions["api_key"]
        if not key or (wanted and key != wanted):
            return self._error(401, "Unauthorized")
        if call.path.startswith("/v1/upload") and self._other_path(call):
            return self.not_found(call)
        kind = "reads" if call.method == "GET" else "writes"
        if wait := self.limits[kind].take(key, now):
            return self._error(429, "Rate limit exceeded").retry_after(wait)
        return None

    def bad_call(self, error: BadCall) -> Reply:
        """Refuse what cannot be read; 400 is the only such status that is documented."""
        return self._error(400, str(error))

    def not_found(self, call: Call) -> Reply:
        """Answer an unknown path in the error form."""
        return self._error(404, "Not found")

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        """A known path with another method is an unknown endpoint."""
        return self.not_found(call)

    def _error(self, status: int, text: str) -> Reply:
        return Reply.json(status, {"success": False, self.assumptions["error_key"]: text})

    def _refuse(self, text: str, status: int = 400) -> NoReturn:
        raise Refuse(self._error(status, text))

    def _beyond(self, text: str) -> NoReturn:
        self._refuse(text, self.assumptions["limit_status"])

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
            self._refuse(f"unknown field: {unknown[0]}")
        return form

    def _text(self, form: Form, name: str) -> str:
        value = form.text(name)
        if not value:
            self._refuse(f"{name} is required")
        return value

    def _file(self, form: Form) -> FormPart:
        files = form.files("file")
        if len(files) != 1 or len(form.named("file")) != 1:
            self._refuse("one file is required")
        return files[0]

    def _days(self, text: str | None) -> int:
        longest: int = self.assumptions["longest_retention"]
        if text is None:
            return longest
        if text == "-1":
            return -1
        if not NUMBER.fullmatch(text) or int(text) > longest:
            self._refuse(f"not a number of days from 1 to {longest}, or -1: {text}")
        return int(text)

    def _paging(self, call: Call) -> tuple[int, int]:
        offset, limit = call.param("offset", "0"), call.param("limit", "10")
        if not offset.isdecimal() or not NUMBER.fullmatch(limit) or int(limit) > 100:
            self._refuse("offset or limit out of range")
        return int(offset), int(limit)
