"""A cassette is only worth something if it refuses what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from longshore.testing.cassettes import CassetteMismatch, Scenario, problems_of, record, replay
from tests.cassettes.common import KEY, PLAN
from tests.cassettes.scenarios import SCENARIOS

BY_NAME = {str(scenario): scenario for scenario in SCENARIOS}
CARRIES = [
    "plangrep/form",
    "plangrep/signed-put",
    "plangrep/signed-multipart",
    "geolens/single-put",
    "geolens/multipart",
    "subworkflow/post",
    "subworkflow/session",
    "sendai/batch",
]
COMMITTED = Path(__file__).parents[2] / "cassettes"


def flipped(scenario: Scenario) -> Scenario:
    """Return the scenario with one bit of its last document's last byte turned over."""
    *others, (name, content) = scenario.documents
    changed = content[:-1] + bytes([content[-1] ^ 1])
    return replace(scenario, documents=(*others, (name, changed)))


@pytest.fixture
def copied(tmp_path: Path) -> Callable[..., Scenario]:
    """Copy a cassette, changed, and return its scenario."""

    def copy(name: str, change: Callable[[list[dict[str, Any]]], None]) -> Scenario:
        scenario = BY_NAME[name]
        whole = yaml.safe_load(scenario.path(COMMITTED).read_text("utf-8"))
        change(whole["interactions"])
        path = scenario.path(tmp_path)
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(whole), "utf-8")
        return scenario

    return copy


@pytest.mark.parametrize("name", CARRIES)
def test_one_flipped_bit_is_refused(name: str) -> None:
    """Whatever the way of uploading, the digest of the body tells."""
    with pytest.raises(CassetteMismatch):
        replay(flipped(BY_NAME[name]), COMMITTED)


def test_a_flipped_part_is_named() -> None:
    """The message says which request it was, and what differs."""
    with pytest.raises(CassetteMismatch, match=r"PUT https://s3\.storage\.example/.*body differs"):
        replay(flipped(BY_NAME["geolens/multipart"]), COMMITTED)


@pytest.mark.parametrize(
    "settings",
    [
        {"classification": "other"},
        {"project_name": "Elsewhere"},
        {"upload_mode": "signed"},
        {"base_url": "https://plangrep.example"},
    ],
    ids=str,
)
def test_another_request_is_refused(settings: dict[str, str]) -> None:
    """A setting that changes what is sent, or where to, does not pass for the recorded one."""
    scenario = BY_NAME["plangrep/form"]
    changed = replace(scenario, settings={**scenario.settings, **settings})

    with pytest.raises(CassetteMismatch):
        replay(changed, COMMITTED)


def test_a_file_under_another_name_is_refused() -> None:
    """The names inside a form count, too."""
    scenario = BY_NAME["sendai/batch"]
    renamed = tuple((f"new-{name}", content) for name, content in scenario.documents)

    with pytest.raises(CassetteMismatch):
        replay(replace(scenario, documents=renamed), COMMITTED)


def test_an_unused_interaction_fails(copied: Callable[..., Scenario], tmp_path: Path) -> None:
    """What is not asked for any more must leave the cassette."""
    scenario = copied("sendai/batch", lambda recorded: recorded.append(recorded[-1]))

    with pytest.raises(CassetteMismatch, match="recorded, but not sent"):
        replay(scenario, tmp_path)


def test_a_missing_interaction_fails(copied: Callable[..., Scenario], tmp_path: Path) -> None:
    """No answer is given twice, and none is invented."""
    scenario = copied("sendai/poll", lambda recorded: recorded.pop())

    with pytest.raises(CassetteMismatch, match="recorded less often"):
        replay(scenario, tmp_path)


def test_parts_in_another_order_are_refused(
    copied: Callable[..., Scenario], tmp_path: Path
) -> None:
    """Two requests to one URL are compared in the order in which they were recorded."""

    def swap(recorded: list[dict[str, Any]]) -> None:
        parts = [n for n, i in enumerate(recorded) if i["request"]["uri"].endswith("/append")]
        first, second = parts[:2]
        recorded[first], recorded[second] = recorded[second], recorded[first]

    scenario = copied("subworkflow/session", swap)

    with pytest.raises(CassetteMismatch, match="append: body differs"):
        replay(scenario, tmp_path)


def test_a_request_without_its_key_is_refused(
    copied: Callable[..., Scenario], tmp_path: Path
) -> None:
    """The headers count: here the recorded request had one more."""

    def change(recorded: list[dict[str, Any]]) -> None:
        recorded[0]["request"]["headers"]["x-extra"] = ["1"]

    with pytest.raises(CassetteMismatch, match="header x-extra"):
        replay(copied("sendai/batch", change), tmp_path)


def test_there_is_no_replay_without_a_cassette(tmp_path: Path) -> None:
    """Nothing is recorded by accident."""
    with pytest.raises(FileNotFoundError):
        replay(BY_NAME["sendai/batch"], tmp_path)


def test_secrets_are_replaced_and_still_work(tmp_path: Path) -> None:
    """A session key leaves no trace, and its placeholder is what later requests carry."""
    scenario = BY_NAME["subworkflow/session"]

    record(scenario, tmp_path)

    text = scenario.path(tmp_path).read_text("utf-8")
    assert "tmp_" not in text
    assert text.count("REDACTED-1") == 5  # start hands it out; three parts and the end use it
    assert KEY not in text
    assert scenario.problems(replay(scenario, tmp_path)) == []


def test_the_webhook_secret_is_not_recorded() -> None:
    """It is handed out once, and stays in the journal."""
    text = BY_NAME["plangrep/webhook-secret"].path(COMMITTED).read_text("utf-8")

    assert '"webhookSigningSecret":"REDACTED-1"' in text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda i: i["request"].update(uri="http://127.0.0.1/x"), "not the vendor's host"),
        (lambda i: i["request"].update(uri="https://api.send.ai/?sig=a1"), "URL holds credentials"),
        (
            lambda i: i["request"]["headers"].update(authorization=["Bearer abcdef"]),
            "header authorization holds a credential",
        ),
        (lambda i: i["request"].update(body=b"\x00\xff"), "a body is binary"),
        (lambda i: i["request"].update(body="x" * 20_000), "a body has 20000 characters"),
        (lambda i: i["request"].update(body='{"token":"abcdef"}'), "JSON body holds credentials"),
        (lambda i: i["request"].update(body="x" * 70_000), "65536 is the most"),
        (lambda i: i["request"].update(body="sk_live_0123456789"), "looks like a key"),
        (lambda i: i["request"].update(body=PLAN[0]), "it holds a secret"),
    ],
)
def test_the_linter_finds(
    change: Callable[[dict[str, Any]], None],
    problem: str,
    copied: Callable[..., Scenario],
    tmp_path: Path,
) -> None:
    """Each thing that must not be committed is seen."""
    scenario = copied("sendai/poll", lambda recorded: change(recorded[0]))
    secrets = (PLAN[0],) if "secret" in problem else ()

    found = problems_of(scenario.path(tmp_path), hosts=("api.send.ai",), secrets=secrets)

    assert [line for line in found if problem in line] != []
