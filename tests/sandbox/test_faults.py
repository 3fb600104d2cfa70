"""Fault plans: which calls they hit, what they do, and how they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore.sandbox import Call, Dropped, Faults, Recorder, Reply, Storage, Vendor, route


class Desk(Vendor):
    name = "desk"
    home = "https://desk.example/api"

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.storage = Storage("https://s3.example", "b")
        self.storages.append(self.storage)

    @route("POST", "/jobs")
    def create(self, call: Call, now: float) -> Reply:
        self.made += 1
        return Reply.json(202, {"id": self.made, "now": now})


def faulty(*rules: dict[str, Any]) -> tuple[Desk, Recorder]:
    desk = Desk()
    return desk, Recorder(desk, Faults.from_json(json.dumps(list(rules))))


def post(vendor: Recorder, now: float = 5.0) -> Reply:
    return vendor.handle(Call.of("POST", "https://desk.example/api/jobs"), now)


def outcomes(vendor: Recorder, count: int) -> list[int]:
    return [post(vendor).status for _ in range(count)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [503, 503, 503, 503]),
        ({"nth": 2}, [202, 503, 202, 202]),
        ({"nth": [1, 3]}, [503, 202, 503, 202]),
        ({"first": 2}, [503, 503, 202, 202]),
        ({"every": 2}, [202, 503, 202, 503]),
        ({"method": "POST", "path": "/jo*", "vendor": "desk"}, [503] * 4),
        ({"path": "https://desk.example/*"}, [503] * 4),
        ({"path": "/api/jobs"}, [202] * 4),
        ({"method": "PUT"}, [202] * 4),
        ({"vendor": "other"}, [202] * 4),
    ],
)
def test_a_rule_hits_the_calls_it_names(rule: dict[str, Any], expected: list[int]) -> None:
    """Vendor, method, path and count select; all others pass."""
    assert expected == outcomes(faulty({**rule, "status": 503})[1], 4)


def test_the_first_rule_that_fires_decides() -> None:
    """Rules count on their own; the earlier one wins where both fire."""
    vendor = faulty({"nth": 2, "status": 500}, {"first": 3, "status": 429})[1]
    assert outcomes(vendor, 4) == [429, 500, 429, 202]


def test_a_status_stands_in_for_the_vendor() -> None:
    """The planned answer has its headers and body, and the vendor did nothing."""
    rule = {"status": 429, "headers": {"Retry-After": "7"}, "body": {"message": "slow"}}
    desk, vendor = faulty(rule)
    reply = post(vendor)
    assert (
        reply.status,
        reply.headers["retry-after"],
        reply.value(),
    ) == (429, "7", {"message": "slow"})
    assert desk.made == 0


def test_a_vendor_may_act_and_still_answer_an_error() -> None:
    """With `acted` the work is done and its answer lost."""
    desk, vendor = faulty({"status": 503, "acted": True})
    assert (post(vendor).status, desk.made) == (503, 1)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("during", 0), ("after", 1)])
def test_a_drop_says_when(when: str, made: int) -> None:
    """A dropped connection is an exception; only "after" has acted."""
    desk, vendor = faulty({"drop": when, "delay": 2})
    with pytest.raises(Dropped) as caught:
        post(vendor)
    assert (when, 2, made) == (caught.value.when, caught.value.delay, desk.made)


def test_an_answer_may_be_late_broken_or_cut() -> None:
    """Delay is told, invalid JSON does not parse, a cut answer keeps its full length header."""
    assert post(faulty({"delay": 1.5})[1]).delay == 1.5
    with pytest.raises(ValueError, match=r"Expecting|delimiter"):
        post(faulty({"invalid_json": True})[1]).value()
    with pytest.raises(Dropped) as caught:
        post(faulty({"truncate": 3})[1])
    partial = caught.value.partial
    assert partial is not None
    assert (partial.body, partial.headers["content-length"]) == (b'{"i', "18")


def test_a_signed_url_expires_early() -> None:
    """With `expired` the vendor's clock runs ahead for that call only."""
    desk, vendor = faulty({"method": "PUT", "first": 1, "expired": 3600})
    url = desk.storage.presign("PUT", "k", now=5.0, expires=60)
    answers = [vendor.handle(Call.of("PUT", url, {}, b"x"), 5.0).status for _ in range(2)]
    assert answers == [403, 200]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("3", "list of rules"),
        ("[1]", r"faults\[0\] is not an object"),
        ('[{"status": 500}, {"nht": 1}]', r"faults\[1\]: unknown key 'nht'; known: vendor"),
        ('[{"status": "500"}]', r"faults\[0\].status: '500' is not of type int"),
        ('[{"status": 500, "nth": 0}]', "whole numbers from 1"),
        ('[{"status": 500, "nth": ["2"]}]', "whole numbers from 1"),
        ('[{"status": 500, "nth": 1, "every": 2}]', "only one of"),
        ('[{"drop": "later"}]', "none of before, during, after"),
        ('[{"drop": "after", "status": 500}]', "no answer to change"),
        ('[{"status": 99}]', "no final HTTP status"),
        ('[{"status": 500, "headers": {"Retry-After": 1}}]', "values are strings"),
        ('[{"body": "x", "delay": 1}]', "need a status"),
        ('[{"delay": -1}]', "not negative"),
        ('[{"path": "/x"}]', "does nothing"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(text: str, message: str) -> None:
    """Reading a plan names the rule and the fault."""
    with pytest.raises(ValueError, match=message):
        Faults.from_json(text)


def test_a_plan_may_stand_under_a_name() -> None:
    """`{"faults": [...]}` is the same plan as the bare list."""
    assert len(Faults.from_json('{"faults": [{"status": 500}]}').rules) == 1
