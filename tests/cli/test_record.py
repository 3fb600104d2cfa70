"""`record`: from the sandboxes, and from a vendor that stands in for the real one."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore.cli import main
from longshore.plugins import load_plugins
from longshore.sandbox import RunningSandbox, serve
from longshore.testing.cassettes import Scenario, read_header, replay
from longshore.testing.samples import pdf
from tests.cli.processes import Processes

SCENARIO = """
from longshore.testing.cassettes import Scenario

SETTINGS = {"api_key": "not-a-real-key", "team_id": "t", "project_id": "p"}
SCENARIOS = (Scenario("sendai", "one", documents=(("a.pdf", b"%PDF-1.4"),), settings=SETTINGS),)
"""


@pytest.fixture
def vendor() -> Iterator[str]:
    """Serve a vendor and return its address."""
    with serve([load_plugins().sandbox("sendai", {"api_key": "a-secret-key"})]) as running:
        yield running.urls["sendai"]


def test_scenarios_are_recorded_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time nothing changes."""
    table = tmp_path / "scenarios.py"
    table.write_text(SCENARIO, "utf-8")
    arguments = ["record", "--sandbox", str(table), "--into", str(tmp_path / "tapes"), "--json"]

    codes = [main(arguments), main(arguments)]

    told = [json.loads(line)["change"] for line in capsys.readouterr().out.splitlines()]
    assert (codes, told) == ([0, 0], ["new", "unchanged"])


def test_an_upload_is_recorded_without_its_secrets(
    tmp_path: Path, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cassette tells what was carried and how, no more; and it can be replayed."""
    monkeypatch.setenv("LONGSHORE_SENDAI_API_KEY", "a-secret-key")
    document, cassette = tmp_path / "plan.pdf", tmp_path / "sendai" / "plan.yaml"
    document.write_bytes(pdf("Very secret plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "poll_interval": "0.05"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]

    code = main(
        ["record", str(document), "--to", "sendai", "--cassette", str(cassette), *flags, "--quiet"]
    )

    text, header = cassette.read_text("utf-8"), read_header(cassette)
    assert code == 0
    assert (header.recorded_against, header.base_url) == ("vendor", vendor)
    assert [document.name for document in header.documents] == ["plan.pdf"]
    assert ("a-secret-key" in text, "Very secret" in text) == (False, False)
    played = replay(
        Scenario(
            "sendai",
            "plan",
            documents=(("plan.pdf", document.read_bytes()),),
            settings={**settings, "api_key": "another-key"},
        ),
        tmp_path,
    )
    assert [str(outcome) for outcome in played.outcomes] == ["succeeded"]


def test_a_file_that_is_named_twice_is_recorded_once(
    tmp_path: Path, vendor: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `upload` carries it, and tells."""
    monkeypatch.setenv("LONGSHORE_SENDAI_API_KEY", "a-secret-key")
    document, cassette = tmp_path / "plan.pdf", tmp_path / "plan.yaml"
    document.write_bytes(pdf("plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "poll_interval": "0.05"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
    named = [str(document), str(document)]

    code = main(["record", *named, "--to", "sendai", "--cassette", str(cassette), *flags])

    assert (code, len(read_header(cassette).documents)) == (0, 1)
    assert "plan.pdf is named more than once; it goes once" in capsys.readouterr().err


def test_scripts_are_told_of_the_recording(
    tmp_path: Path, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of those from the sandboxes; the run is the last line, as everywhere."""
    document, cassette = tmp_path / "plan.pdf", tmp_path / "plan.yaml"
    document.write_bytes(pdf("plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "api_key": "a-secret-key"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
    flags += ["--set", "poll_interval=0.05", "--json"]

    code = main(["record", str(document), "--to", "sendai", "--cassette", str(cassette), *flags])

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (code, [line["event"] for line in told]) == (0, ["document", "cassette", "run"])
    assert told[1] == {"event": "cassette", "path": str(cassette), "change": "new"}


def test_a_stopped_account_is_a_recording_too(
    tmp_path: Path, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the vendor says to a wrong key is worth recording; the exit code is upload's."""
    document, cassette = tmp_path / "plan.pdf", tmp_path / "plan.yaml"
    document.write_bytes(pdf("Plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "api_key": "wrong-key"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]

    code = main(["record", str(document), "--to", "sendai", "--cassette", str(cassette), *flags])

    assert code == 2
    assert "code: 401" in cassette.read_text("utf-8")
    assert "longshore: " in capsys.readouterr().err


def test_nothing_sent_is_nothing_recorded(
    tmp_path: Path, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where every document is refused before the first byte no file is written."""
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "api_key": "a-key"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
    cassette = tmp_path / "plan.yaml"

    code = main(
        [
            "record",
            str(tmp_path / "gone.pdf"),
            "--to",
            "sendai",
            "--cassette",
            str(cassette),
            *flags,
        ]
    )

    assert (code, cassette.exists()) == (2, False)
    assert "gone.pdf: no such file" in capsys.readouterr().err


def test_a_connection_that_cannot_be_made_is_told(
    tmp_path: Path,
    vendor: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not that there is nothing to record: why there is not."""
    monkeypatch.setenv("SSL_CERT_FILE", "no.pem")
    document, cassette = tmp_path / "plan.pdf", tmp_path / "plan.yaml"
    document.write_bytes(pdf("Plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
    call = ["record", str(document), "--to", "sendai", "--cassette", str(cassette)]

    code = main([*call, "--set", "api_key=a-key", *flags])

    assert (code, cassette.exists()) == (2, False)
    assert "no.pem" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "words"),
    [("tapes", "tapes is a folder"), ("plan.pdf/x.yaml", "plan.pdf/x.yaml cannot be written: ")],
)
def test_a_place_for_the_recording_is_looked_for_before_anything_is_sent(
    place: str, words: str, tmp_path: Path, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The vendor charges for the upload, and nothing would come of it."""
    (tmp_path / "tapes").mkdir()
    document = tmp_path / "plan.pdf"
    document.write_bytes(pdf("Plan"))
    settings = {"base_url": vendor, "team_id": "t", "project_id": "p", "api_key": "a-secret-key"}
    flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]

    code = main(
        ["record", str(document), "--to", "sendai", "--cassette", str(tmp_path / place), *flags]
    )

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sandbox", "scenarios.py"], "scenarios.py is no Python: "),
        (["--sandbox", "right.py", "--only", "two"], "none of 1 scenarios has 'two' in its name"),
        ([], "--to and --cassette, or --sandbox"),
        (["--sandbox", "--to", "sendai"], "--sandbox needs neither"),
        (["--sandbox", "nowhere.py"], "nowhere.py: no such file"),
        (["--sandbox", "broken.py"], "broken.py: KeyError: 'x'"),
        (["--sandbox", "other.py"], "other.py: it defines no SCENARIOS"),
    ],
)
def test_wrong_calls_get_a_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Usage errors end with 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios.py").write_text("SCENARIOS = (", "utf-8")
    (tmp_path / "right.py").write_text(SCENARIO, "utf-8")
    (tmp_path / "broken.py").write_text("SCENARIOS = {}['x']", "utf-8")
    (tmp_path / "other.py").write_text("SCENARIOS = ['one']", "utf-8")
    code = main(["record", *arguments])

    assert code == 2
    assert words in capsys.readouterr().err


@pytest.mark.process
def test_an_interrupted_recording_says_what_it_leaves(processes: Processes) -> None:
    """There is no journal that would know of the vendor's job, which is charged for."""
    walks = {"walk": "IN_PROGRESS:600,SUCCESS", "api_key": "a-key"}
    with serve([load_plugins().sandbox("subworkflow", walks)]) as running:
        settings = {"base_url": running.urls["subworkflow"], "api_key": "a-key"}
        flags = [text for pair in settings.items() for text in ("--set", "=".join(pair))]
        (processes.folder / "plan.pdf").write_bytes(pdf("Plan"))
        call = ["record", "plan.pdf", "--to", "subworkflow", "--cassette", "plan.yaml"]
        process = processes.start(*call, *flags, "--set", "poll_interval=0.05")
        while not (jobs := running.state("subworkflow")["jobs"]) or _reads(running) < 4:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    words = "nothing is recorded, and nothing can be resumed; left at the vendor"
    assert process.returncode == 130
    assert err.splitlines() == [
        f"longshore: {words}: job {jobs[0]['id']}",
        "longshore: interrupted",
    ]
    assert not (processes.folder / "plan.yaml").exists()


def _reads(running: RunningSandbox) -> int:
    calls = running.state("subworkflow")["calls"]
    return sum(call["count"] for name, call in calls.items() if name.startswith("GET"))
