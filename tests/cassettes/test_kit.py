"""The parts that cassettes are made with: the scrubber, the loop, the fixture."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from longshore.testing.cassettes import (
    Scenario,
    Scrubber,
    read_header,
    record,
    replay,
    run_virtually,
)
from longshore.testing.plugin import Cassettes

URL = "https://vendor.example/upload"


def body_of(scrubber: Scrubber, content_type: str, body: bytes) -> str:
    """Return the body of a request as a cassette shows it."""
    return scrubber.request("POST", URL, {"Content-Type": content_type}, body).body


def reply(scrubber: Scrubber, value: Any) -> str:
    """Return a reply's body as a cassette shows it."""
    parts: dict[str, Any] = {"headers": {}, "body": {"string": json.dumps(value).encode()}}
    shown: bytes = scrubber.reply(parts)["body"]["string"]
    return shown.decode()


def form(boundary: str) -> bytes:
    """Return a form with a text and a file."""
    lines = (
        f"--{boundary}",
        'Content-Disposition: form-data; name="key"',
        "",
        "session-key-1",
        f"--{boundary}",
        'Content-Disposition: form-data; name="file"; filename="a.pdf"',
        "Content-Type: application/pdf",
        "",
        "%PDF-1.4",
        f"--{boundary}--",
        "",
    )
    return "\r\n".join(lines).encode()


def test_boundaries_do_not_matter() -> None:
    """Two forms that differ in their boundary only are one."""
    shown = [
        Scrubber().request(
            "POST", URL, {"Content-Type": f"multipart/form-data; boundary={name}"}, form(name)
        )
        for name in ("first", "second-one")
    ]

    assert shown[0] == shown[1]
    assert "sha256=" in shown[0].body
    assert "%PDF" not in shown[0].body


def test_a_secret_is_known_wherever_it_turns_up() -> None:
    """What a reply hands out has the same placeholder in every later request."""
    scrubber = Scrubber()

    handed_out = reply(scrubber, {"data": {"key": "session-key-1"}})

    assert handed_out == '{"data":{"key":"REDACTED-1"}}'
    assert "session-key-1" not in body_of(scrubber, "multipart/form-data; boundary=x", form("x"))
    sent = scrubber.request("PUT", f"{URL}/session-key-1", {"X-Session": "session-key-1"}, b"")
    assert (sent.url, sent.headers["x-session"]) == (f"{URL}/REDACTED-1", "REDACTED-1")


def test_two_secrets_have_two_placeholders() -> None:
    """A mix-up of two sessions does not go unnoticed."""
    scrubber = Scrubber()

    shown = [reply(scrubber, {"token": f"session-{n}"}) for n in (1, 2, 1)]

    assert shown == [f'{{"token":"REDACTED-{n}"}}' for n in (1, 2, 1)]


def test_placeholders_stay_as_they_are() -> None:
    """At replay the client sends the placeholders that it was given."""
    text = '{"key":"REDACTED-1"}'

    assert body_of(Scrubber(), "application/json", text.encode()) == text


def test_signed_urls_lose_their_signature_only() -> None:
    """Part numbers and expiry stay: they are compared."""
    url = "https://s3.example/key?partNumber=2&X-Amz-Expires=60&X-Amz-Signature=abcdef"

    shown = Scrubber().request("PUT", url, {}, b"").url

    assert shown == url.replace("abcdef", "REDACTED")


def test_escaped_urls_are_found_too() -> None:
    r"""Some servers write `&` as `\u0026` in their JSON."""
    parts: dict[str, Any] = {
        "headers": {},
        "body": {"string": b'{"url":"https://s3.example/k?a=1\\u0026Signature=abcdef"}'},
    }

    assert b"abcdef" not in Scrubber().reply(parts)["body"]["string"]


def test_the_quotes_of_a_storage_are_hidden() -> None:
    """A storage that refuses a signature repeats it in its answer."""
    text = b"<Error><Code>x</Code><SignatureProvided>abcdef</SignatureProvided></Error>"
    parts: dict[str, Any] = {"headers": {}, "body": {"string": text}}

    shown = Scrubber().reply(parts)["body"]["string"]

    assert shown == text.replace(b"abcdef", b"REDACTED")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/pdf", b"%PDF-1.4"),
        ("application/octet-stream", b"\x00\xff"),
        ("application/json", b'"' + b"x" * 5000 + b'"'),
        ("application/json", b"\xff\xfe"),
    ],
)
def test_documents_and_long_texts_become_digests(kind: str, body: bytes) -> None:
    """No cassette holds a document, however short it is."""
    assert body_of(Scrubber(), kind, body).startswith("sha256=")


def test_a_binary_reply_becomes_a_digest() -> None:
    """Nobody could read what is in it, and the upload has happened."""
    parts: dict[str, Any] = {"headers": {}, "body": {"string": b"\xff\x00"}}

    assert Scrubber().reply(parts)["body"]["string"].startswith(b"sha256=")


def test_time_jumps_on_the_virtual_loop() -> None:
    """An hour passes at once, and what is due sooner comes first."""
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def both() -> None:
        await asyncio.gather(sleeper("late", 3600.0), sleeper("early", 60.0))

    began = time.monotonic()
    run_virtually(both())

    assert seen == [("early", 60.0), ("late", 3600.0)]
    assert time.monotonic() - began < 30.0


def test_a_wait_without_end_is_noticed() -> None:
    """Where nothing is due any more, waiting is an error, not a hang."""
    with pytest.raises(RuntimeError, match="never come"):
        run_virtually(asyncio.Event().wait())


def test_the_fixture_records_when_it_is_told_to(tmp_path: Path) -> None:
    """`pytest --longshore-record` makes the cassettes that the next run replays."""
    settings = {"api_key": "not-a-real-key", "team_id": "t", "project_id": "p"}
    scenario = Scenario("sendai", "one", documents=(("a.pdf", b"%PDF"),), settings=settings)

    Cassettes(tmp_path, recording=True).prove(scenario)

    assert Cassettes(tmp_path).prove(scenario).outcomes == ("succeeded",)
    assert Cassettes(tmp_path).orphans(()) == [scenario.path(tmp_path)]


def test_the_fixture_tells_what_came_out_differently(tmp_path: Path) -> None:
    """The message has both sides."""
    settings = {"api_key": "not-a-real-key", "team_id": "t", "project_id": "p"}
    scenario = Scenario(
        "sendai", "one", documents=(("a.pdf", b"%PDF"),), settings=settings, jobs=("other",)
    )

    with pytest.raises(AssertionError, match=r"jobs: expected \('other',\), got \('upl_000001',\)"):
        Cassettes(tmp_path, recording=True).prove(scenario)


def test_a_failed_recording_leaves_the_old_one(tmp_path: Path) -> None:
    """Nothing is written unless the whole scenario was played."""
    settings = {"api_key": "not-a-real-key", "team_id": "t", "project_id": "p"}
    scenario = Scenario("sendai", "one", documents=(("a.pdf", b"%PDF"),), settings=settings)
    record(scenario, tmp_path)
    before = scenario.path(tmp_path).read_bytes()
    broken = Scenario(
        "sendai",
        "one",
        documents=scenario.documents,
        settings=settings,
        steps=("upload", "act:nothing-of-the-kind"),
    )

    with pytest.raises(Exception, match="does not offer"):
        record(broken, tmp_path)

    assert scenario.path(tmp_path).read_bytes() == before
    assert [path.name for path in tmp_path.rglob("*.*")] == ["one.yaml"]
    assert replay(scenario, tmp_path).outcomes == ("succeeded",)


def test_what_is_no_cassette_is_named(tmp_path: Path) -> None:
    """A file without a header says nothing about itself."""
    path = tmp_path / "x.yaml"
    path.write_text("interactions: []\n", "utf-8")

    with pytest.raises(ValueError, match="does not say what it is"):
        read_header(path)
