"""A fault plan: which calls go wrong, and how. The same plan serves the shell and a simulator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import urlsplit

from longshore.provider import Headers
from longshore.sandbox._calls import Call, Reply
from longshore.sandbox._vendor import Vendor

Drop = Literal["before", "during", "after"]
DROPS = ("before", "during", "after")


class Dropped(Exception):
    """The connection ends without a whole answer.

    Attributes:
        when: "before" (nothing of the body was read), "during" (some of it was), "after" (the
            vendor has acted, no answer left) or "reply" (the answer was cut).
        partial: for "reply": the answer with the body that still left; its Content-Length
            header is that of the whole.
        delay: seconds before the connection ends.
    """

    def __init__(self, when: str, partial: Reply | None = None, delay: float = 0.0) -> None:
        super().__init__(f"connection dropped ({when})")
        self.when = when
        self.partial = partial
        self.delay = delay


@dataclass(frozen=True)
class Fault:
    """One rule: which calls it matches and what it does to them.

    Matching (all must hold):
        vendor: name; "*" is any.
        method: "*" is any.
        path: glob over the path below the base URL, or, if it holds "://", over the URL
            without its query. `*` also spans slashes.
        nth: only these of the matching calls, counted from 1.
        first: only the first so many. every: every so-manieth. None of the three: always.

    Doing (any that do not contradict each other):
        status: answer so, with `headers` and `body`, instead of the vendor. With `acted` the
            vendor does its work first and its own answer is lost.
        drop: end the connection "before", "during" or "after" the vendor's handling.
        delay: seconds to wait before the answer (or the drop).
        truncate: send only so many bytes of the answer's body, then end the connection.
        invalid_json: break the answer's body.
        expired: seconds that the vendor's clock runs ahead for this call (signed URLs expire).
    """

    vendor: str = "*"
    method: str = "*"
    path: str = "*"
    nth: tuple[int, ...] = ()
    first: int | None = None
    every: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    acted: bool = False
    drop: Drop | None = None
    delay: float = 0.0
    truncate: int | None = None
    invalid_json: bool = False
    expired: float = 0.0

    def matches(self, vendor: str, method: str, path: str, url: str) -> bool:
        """Tell whether a call is meant, whatever its count."""
        if self.vendor not in ("*", vendor) or self.method not in ("*", method):
            return False
        return fnmatchcase(url if "://" in self.path else path, self.path)

    def fires(self, count: int) -> bool:
        """Tell whether the `count`-th matching call is hit."""
        if self.nth:
            return count in self.nth
        if self.first is not None:
            return count <= self.first
        return self.every is None or count % self.every == 0


class Faults:
    """A list of rules with their counts. The first rule that fires decides.

    Not shared between runs: it counts.
    """

    def __init__(self, rules: Iterable[Fault] = ()) -> None:
        self.rules = tuple(rules)
        self._seen = [0] * len(self.rules)

    @classmethod
    def from_json(cls, text: str) -> Faults:
        """Read a plan: a JSON list of rules, or `{"faults": [...]}`.

        Example: `[{"method": "PUT", "path": "/storage/*", "nth": 2, "status": 503,
        "headers": {"Retry-After": "1"}}, {"path": "*/complete", "first": 1, "drop": "after"}]`

        Raises:
            ValueError: the message says which rule and what is wrong with it.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the fault plan is not JSON: {error}") from None
        rules = value.get("faults") if isinstance(value, dict) else value
        if not isinstance(rules, list):
            raise ValueError('a fault plan is a list of rules or {"faults": [...]}')
        return cls(_rule(f"faults[{index}]", rule) for index, rule in enumerate(rules))

    def plan(self, vendor: str, call: Call) -> Fault | None:
        """Count a call (its body is not looked at) and return the rule that hits it."""
        if not self.rules:
            return None
        parts = urlsplit(call.url)
        url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        chosen = None
        for index, rule in enumerate(self.rules):
            if rule.matches(vendor, call.method, call.path, url):
                self._seen[index] += 1
                if chosen is None and rule.fires(self._seen[index]):
                    chosen = rule
        return chosen


_KINDS: dict[str, tuple[type, ...]] = {
    "vendor": (str,),
    "method": (str,),
    "path": (str,),
    "nth": (int, list),
    "first": (int,),
    "every": (int,),
    "status": (int,),
    "headers": (dict,),
    "body": (str, dict, list),
    "acted": (bool,),
    "drop": (str,),
    "delay": (int, float),
    "truncate": (int,),
    "invalid_json": (bool,),
    "expired": (int, float),
}


def _rule(where: str, value: Any) -> Fault:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not an object")
    for name, given in value.items():
        if name not in _KINDS:
            raise ValueError(f"{where}: unknown key {name!r}; known: {', '.join(_KINDS)}")
        if type(given) not in _KINDS[name]:
            kinds = " or ".join(kind.__name__ for kind in _KINDS[name])
            raise ValueError(f"{where}.{name}: {given!r} is not of type {kinds}")
    _check_values(where, value)
    nth = value.get("nth", ())
    rule = replace(Fault(**value), nth=(nth,) if isinstance(nth, int) else tuple(nth))
    if replace(rule, vendor="*", method="*", path="*", nth=(), first=None, every=None) == Fault():
        raise ValueError(f"{where} does nothing: give status, drop, delay, truncate, ...")
    return rule


def _check_values(where: str, value: Mapping[str, Any]) -> None:
    nth = value.get("nth", ())
    counts = [value.get("first", 1), value.get("every", 1)]
    counts += nth if isinstance(nth, list | tuple) else [nth]
    if not all(type(count) is int and count >= 1 for count in counts):
        raise ValueError(f"{where}: nth, first and every are whole numbers from 1 on")
    if sum(name in value for name in ("nth", "first", "every")) > 1:
        raise ValueError(f"{where}: only one of nth, first and every")
    if value.get("drop", "after") not in DROPS:
        raise ValueError(f"{where}.drop: {value['drop']!r} is none of {', '.join(DROPS)}")
    if not 200 <= value.get("status", 200) <= 599:
        raise ValueError(f"{where}.status: {value['status']} is no final HTTP status")
    if not all(isinstance(text, str) for text in value.get("headers", {}).values()):
        raise ValueError(f"{where}.headers: values are strings")
    if {"headers", "body", "acted"} & set(value) and "status" not in value:
        raise ValueError(f"{where}: headers, body and acted need a status")
    if "drop" in value and {"status", "truncate", "invalid_json"} & set(value):
        raise ValueError(f"{where}: a dropped connection has no answer to change")
    if min(value.get("delay", 0), value.get("truncate", 0)) < 0:
        raise ValueError(f"{where}: delay and truncate are not negative")


def answer(vendor: Vendor, call: Call, now: float, fault: Fault | None) -> Reply:
    """Answer a call under a fault that was planned before.

    Raises:
        Dropped: the plan ends the connection.
    """
    if fault is None:
        return vendor.handle(call, now)
    if fault.drop in ("before", "during"):
        raise Dropped(fault.drop, delay=fault.delay)
    planned = None if fault.status is None else _planned(fault, fault.status)
    if planned is not None and not fault.acted:
        return _spoiled(planned, fault)
    reply = vendor.handle(call, now + fault.expired)
    if fault.drop == "after":
        raise Dropped("after", delay=fault.delay)
    return _spoiled(planned or reply, fault)


def _planned(fault: Fault, status: int) -> Reply:
    if fault.body is None:
        return Reply.empty(status, fault.headers)
    if isinstance(fault.body, str):
        return Reply.text(status, fault.body, fault.headers)
    return Reply.json(status, fault.body, fault.headers)


def _spoiled(reply: Reply, fault: Fault) -> Reply:
    body = reply.body
    if fault.invalid_json:
        body = body[: len(body) // 2] + b'{"]' if body else b'{"]'
    reply = replace(reply, body=body, delay=reply.delay + fault.delay)
    if fault.truncate is not None and fault.truncate < len(body):
        headers = Headers({**reply.headers, "content-length": str(len(body))})
        cut = replace(reply, headers=headers, body=body[: fault.truncate])
        raise Dropped("reply", cut, fault.delay)
    return reply
