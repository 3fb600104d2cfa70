"""What attacks came to, each by its name: a vendor's flood, its own words, files of other users."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import JsonValue, SecretStr

from longshore.cli._lines import next_steps
from longshore.cli._terminal import Terminal
from longshore.errors import (
    ConfigurationError,
    JournalError,
    ProtocolError,
    SourceUnreadable,
    UsageError,
)
from longshore.evaluate._agreement import values_of
from longshore.journal import FactKind, open_journal
from longshore.lifecycle import Batch, Job, Outcome, Session, State, Status
from longshore.pipeline import Polled, advance, find_documents
from longshore.pipeline._aside import Aside
from longshore.pipeline._unit import Unit
from longshore.provider import (
    Artifact,
    Bytes,
    DocumentResult,
    FieldValue,
    Flow,
    Response,
    Results,
    VendorTimes,
)
from longshore.sources import Found, describe, open_document
from longshore.targets import resolve_target
from longshore.testing.cassettes import Scrubber, problems_of
from longshore.transfer import Outgoing, encode
from longshore.transfer._address import address
from longshore.transfer._http import HttpTransport
from longshore_subworkflow.provider import Subworkflow
from longshore_subworkflow.settings import SubworkflowSettings
from tests.fuzz.test_configuration import PLUGINS
from tests.pipeline.support import Acme, World, hasty, reply
from tests.pipeline.test_executor import run

KEY = "key-123456"

# ------------------------------------------------------------------------------- floods


def test_a_reply_of_nothing_but_brackets_does_not_fill_the_memory() -> None:
    """Three bytes of a reply were a hundred in memory: 32 MiB of them a gigabyte."""
    body = b'{"status":"running","x":[' + b"[]," * 4_000_000 + b"0]}"
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="too many parts: 4,000,002"):
            Response(200, body=body).json()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_large_reply_of_texts_and_numbers_is_taken() -> None:
    """The limit is about lists and objects, which a result has in hundreds of thousands at most."""
    value = {"words": [{"text": "a" * 40, "box": [0.1, 0.2, 0.3, 0.4]}] * 100_000}
    assert Response(200, body=json.dumps(value).encode()).json() == value


class Loud(Acme):
    """Says in a status whatever the vendor says; its jobs are over at once."""

    def poll(self, job: Job) -> Flow[Status]:
        """Ask how the job stands."""
        status: Status = yield from super().poll(job)
        said = status.raw if isinstance(status.raw, dict) else {}
        return status.changed({"state": State.SUCCEEDED, "error": said.get("error")})


async def one_poll(world: World, said: JsonValue) -> Status | None:
    """Upload a document, have the vendor say this of its job, and return what is kept of it."""
    world.vendor.always["GET /jobs/"] = reply(said)
    await world.plan([4])
    await run(world)
    facts = (await world.journal.facts("b0000")).facts
    told = [fact.value for fact in facts if fact.kind is FactKind.STATUS]
    return Status.model_validate(told[-1]) if told else None


async def test_a_huge_reply_is_not_kept_with_its_job() -> None:
    """Each job's last one is, on the disk and in memory: forty jobs made 2.7 GB of it."""
    kept = await one_poll(hasty(Loud), {"state": "done", "pad": "x" * (1 << 20)})
    assert kept is not None
    assert (kept.state, kept.word, kept.raw) == (State.SUCCEEDED, "done", None)


async def test_a_status_that_is_huge_itself_is_none() -> None:
    """Its words go into the journal and to the terminal."""
    world = hasty(Loud)
    assert await one_poll(world, {"state": "done", "error": "x" * (2 << 20)}) is None
    (record,) = [record for _, record in await world.journal.documents("run")]
    assert record.outcome is Outcome.UNKNOWN
    assert record.error is not None
    assert "too long: 2,09" in record.error.message


async def test_a_word_of_hundreds_of_kilobytes_is_cut() -> None:
    """Each poll and each document tells it: in ``--json`` lines, event files and spans."""
    world = hasty(Loud)
    assert await one_poll(world, {"state": "x" * 500_000})
    (record,) = [record for _, record in await world.journal.documents("run")]
    told = [event.word for event in world.events if isinstance(event, Polled)]
    assert {len(word or "") for word in (record.word, *told)} == {1001}
    assert told


async def test_a_huge_job_has_not_failed() -> None:
    """The vendor has it: its session is not given up, and a rerun would make another one."""

    class Huge(Acme):
        def complete(self, batch: Batch, session: Session, receipts: Any) -> Flow[Job]:
            job = yield from super().complete(batch, session, receipts)
            return job.changed({"data": {"pad": "x" * (2 << 20)}})

    world = hasty(Huge)
    assert await one_poll(world, {}) is None
    assert (await world.outcomes(), world.vendor.count("DELETE")) == (["unknown"], 0)


async def test_a_vendors_words_do_not_show_our_key() -> None:
    """It knows the key: a word of a status goes into the journal and to ``--json``."""
    world = hasty(Loud)
    kept = await one_poll(world, {"state": f"no {KEY}", "error": f"not {KEY}", "documents": []})
    assert kept is not None
    (unit,) = await world.journal.units("run")
    (record,) = [record for _, record in await world.journal.documents("run")]
    shown = [kept.word, kept.error, unit.word, record.word]
    assert shown == ["no REDACTED", "not REDACTED", "no REDACTED", "no REDACTED"]


async def test_large_statuses_take_the_room_of_many() -> None:
    """What waits in memory is bounded in bytes, too."""
    world = hasty()
    await world.plan([4])
    await advance("b0000", engine=await world.engine(), until=lambda unit: unit.job is not None)
    unit = Unit.load(await world.journal.facts("b0000"), alive_at=0.0)
    aside = Aside(100)
    unit.status = Status(state=State.RUNNING, word="busy", raw="x" * 101 * 1024)
    aside.put(unit)
    assert aside.pop(unit.id) is None
    unit.status = unit.status.changed({"raw": "x" * 98 * 1024})
    for _ in range(3):  # the room is there again each time
        aside.put(unit)
        assert aside.pop(unit.id) is not None


async def test_an_id_of_a_megabyte_ends_its_batch_and_no_other() -> None:
    """It came to ``unexpected InvalidURL``, and ended the run."""
    world = hasty()
    world.vendor.script["POST /complete"] = [reply({"id": "j" * (2 << 20)})]
    await world.plan([4], [4])
    report = await run(world)
    assert report.outcomes == {Outcome.UNKNOWN: 1, Outcome.SUCCEEDED: 1}


@pytest.mark.parametrize("url", ["https://a.example/" + "x" * 65_536, "/" + "x" * 70_000])
def test_an_endless_address_is_refused_in_words(url: str) -> None:
    """The HTTP client refuses it, too, but where nobody expected that any more."""
    with pytest.raises(ProtocolError, match="not an address that can be asked: URL too long"):
        address(url)
    with pytest.raises(httpx.InvalidURL):
        httpx.URL(url)


def test_a_list_of_results_is_bounded_in_bytes() -> None:
    """A thousand pages of 32 MiB each would all be kept."""
    provider = Subworkflow(
        SubworkflowSettings(api_key=SecretStr(KEY), base_url="https://a.example")
    )
    flow = provider.results(Job(id="j"))
    next(flow)
    job: JsonValue = {"id": "j", "status": "SUCCESS", "datasetId": "d"}
    flow.send(Response.of({"success": True, "total": 1, "data": job}))
    items: JsonValue = [{"id": str(number)} for number in range(100)]
    page = Response.of({"success": True, "total": 1, "data": items, "pad": "x" * (24 << 20)})
    flow.send(page)
    flow.send(page)
    with pytest.raises(ProtocolError, match="the list of items goes on"):
        flow.send(page)


# -------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e300, 10**400])
def test_a_figure_that_nobody_can_count_with_is_not_told(number: float) -> None:
    """One NaN, and the report of a whole comparison could not be written."""
    artifact = Artifact(name="a", url="https://a.example", expires_at=number)
    field = FieldValue(name="f", value=number, confidence=number)
    results = Results(pages=number, credits=number, times=VendorTimes.of(number, number, number))  # type: ignore[arg-type]
    assert (artifact.expires_at, field.confidence) == (None, None)
    assert (results.pages, results.credits, results.times) == (None, None, VendorTimes())


@pytest.mark.parametrize("moment", [-1.0, 1e12, 253_402_300_800])
def test_a_moment_outside_the_calendar_is_not_told(moment: float) -> None:
    """A link that expires in the year 99999 could not be written into a report."""
    assert Artifact(name="a", url="https://a.example", expires_at=moment).expires_at is None
    assert VendorTimes.of(moment).created_at is None


def test_an_integer_of_hundreds_of_digits_can_be_compared() -> None:
    """It is no float."""
    found = values_of(DocumentResult(fields=(FieldValue(name="f", value=10**400),)))
    assert found == {"f": (f"1{'0' * 299}",)}


# ------------------------------------------------------------------------------- terminal


def test_a_job_id_adds_no_line_to_what_can_be_typed_next() -> None:
    """``longshore: all succeeded`` on a line of its own would be the vendor's word."""
    line = dict.fromkeys(
        ("failed", "cancelled", "expired", "running", "unknown", "needs_action"), 0
    )
    offer = "longshore act 'j\nlongshore: all succeeded\x1b[32m' retry"
    steps = list(next_steps(Terminal(), {**line, "run_id": "r"}, [offer]))
    assert len(steps) == 1
    assert steps[0].isprintable()


def test_an_error_is_cut_to_a_length_that_can_be_printed() -> None:
    """A vendor's words of 32 MiB stood in it."""
    error = ProtocolError("m" * 10_000, hint="h" * 10_000)
    assert [len(text) for text in (str(error), error.message, error.hint)] == [4001] * 3


# --------------------------------------------------------------------- files of other users


async def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Beside a journal in a shared folder it may lead to a file of ours, which was cut to a pid."""
    path, other = tmp_path / "journal.db", tmp_path / "precious"
    other.write_text("precious")
    async with open_journal(path):
        pass
    (tmp_path / "journal.db.locks" / "run1.lock").symlink_to(other)
    async with open_journal(path) as journal:
        with pytest.raises(JournalError, match="cannot be written"):
            async with journal.lock_run("run1"):
                pass
    assert other.read_text() == "precious"


def test_a_link_of_another_user_is_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may lead to a file of ours that says something for another place."""
    ours = tmp_path / "ours.toml"
    ours.write_text('[targets.sendai]\nbase_url = "https://elsewhere.example"\n')
    link = tmp_path / "longshore.toml"
    link.symlink_to(ours)
    me = ours.stat().st_uid
    if me == 0:
        os.chown(link, 4001, -1, follow_symlinks=False)
    else:  # nobody but root can give a link away
        stat = Path.lstat
        monkeypatch.setattr(Path, "lstat", lambda path: _of_another(stat(path)))
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        resolve_target("sendai", environ={}, plugins=PLUGINS, cwd=tmp_path)


def _of_another(status: os.stat_result) -> os.stat_result:
    fields = list(status)
    fields[4] = 4001
    return os.stat_result(fields)


# ------------------------------------------------------------------------------- cassettes

SECRET = 'sk/AB+cd=="x'
FORMS = (SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1])


def came(body: bytes, headers: dict[str, list[str]] | None = None, phrase: str = "OK") -> Any:
    """Make a reply in vcrpy's form."""
    status = {"code": 200, "message": phrase}
    return {"status": status, "headers": headers or {}, "body": {"string": body}}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_a_request_is_recorded_without_the_secret_in_any_form(form: str, kind: str) -> None:
    """In the address, in a header, in text that is no JSON, and in the heads of a form."""
    scrubber = Scrubber([SECRET])
    sent = scrubber.request(
        "POST",
        f"https://a.example/{form}?x={form}",
        {"content-type": kind, "x": form},
        form.encode(),
    )
    part = f'--b\r\nContent-Disposition: form-data; name="{form}"\r\n\r\n{form}\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    whole = scrubber.request("POST", "https://a.example/", headers, part.encode())
    assert form not in f"{sent} {whole}".replace("\\\\", "\\")


@pytest.mark.parametrize(
    "reply",
    [
        came(json.dumps({SECRET: {SECRET: 1}}).encode()),
        came(b"{}", phrase=f"bad key {SECRET}"),
        came(f"<p>{quote(SECRET, safe='')}</p>".encode()),
        came(b"{}", {"Location": [f"/x?y={quote(SECRET, safe='')}"]}),
        came(gzip.compress(json.dumps([SECRET]).encode()), {"Content-Encoding": ["gzip"]}),
        came(b"\xff" + SECRET.encode()),
    ],
    ids=["key", "phrase", "page", "header", "packed", "binary"],
)
def test_a_reply_is_recorded_without_the_secret_wherever_it_stands(reply: Any) -> None:
    """A vendor may show the key that it does not take."""
    shown = Scrubber([SECRET]).reply(reply)
    text = json.dumps({**shown, "body": shown["body"]["string"].decode()})
    assert not [form for form in FORMS if form in text or json.dumps(form)[1:-1] in text]


@pytest.mark.parametrize(
    "body",
    [b'{"https://u:p@h/?token=abcdefgh": 1, "https://u:p@h/?token=ijklmnop": 2}', b"[" * 5000],
    ids=["address", "deep"],
)
def test_a_strange_reply_does_not_end_a_recording(body: bytes) -> None:
    """It came after the upload, which was charged for."""
    assert b"abcdefgh" not in Scrubber().reply(came(body))["body"]["string"]


_HEAD = """\
about: {provider: a, scenario: b, recorded_against: sandbox, recorded_at: 2026-01-01T00:00:00Z,
  base_url: x, seed: s}
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: " + "[" * 100_000, "nested deeper than 50"),
        (f"{_HEAD}interactions: 1\n", "no cassette"),
        (f"{_HEAD}interactions: [1, {{request: 1}}]\n", "1: it is no interaction"),
        (f"{_HEAD}interactions: []\na: {quote(SECRET, safe='')}\n", "it holds a secret"),
    ],
)
def test_a_strange_cassette_is_told_in_words(tmp_path: Path, text: str, problem: str) -> None:
    """Deep nesting ended the process."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    found = problems_of(path, hosts=("a.example",), secrets=(SECRET,))
    assert [line for line in found if problem in line] != []


# ------------------------------------------------------------ documents, and what lists them


def test_folders_may_lie_deeper_than_python_calls(tmp_path: Path) -> None:
    """The walk came to ``unexpected RecursionError``."""
    depth = 300
    (tmp_path / ("d/" * depth)).mkdir(parents=True)
    (tmp_path / ("d/" * depth) / "a.pdf").touch()
    (tmp_path / "e.pdf").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth)
    try:
        found = [candidate.path for candidate in find_documents([str(tmp_path)])]
    finally:
        sys.setrecursionlimit(limit)
    assert found == [f"{tmp_path}/{'d/' * depth}a.pdf", f"{tmp_path}/e.pdf"]


def test_a_line_of_a_manifest_that_does_not_end_is_refused() -> None:
    """It would fill the memory."""
    with pytest.raises(UsageError, match="line 2: it does not end"):
        list(find_documents(["-"], stdin=io.StringIO("a.pdf\n" + "x" * (2 << 20))))


def test_a_store_that_sends_without_end_does_not_fill_the_memory() -> None:
    """Of a range no more than a byte too many is read; 2.7 GB were, in eight seconds."""
    pytest.importorskip("aiohttp")

    class Endless(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(206)
            self.send_header("Content-Range", "bytes 0-9/10")
            self.end_headers()
            with suppress(OSError):
                for _ in range(64):
                    self.wfile.write(b"x" * (1 << 20))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        found = Found(f"http://127.0.0.1:{server.server_address[1]}/a.pdf")
        described = describe(found, id="d0")
        tracemalloc.start()
        try:
            with (
                open_document(described) as source,
                pytest.raises(SourceUnreadable, match="more than the range"),
            ):
                source.read(0, 10)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
        server.shutdown()


@pytest.mark.parametrize("plain", ["", "1"])
async def test_a_vendor_dictates_no_transfer_encoding(
    monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    """A body with two lengths is two requests to whoever takes the other one, such as a proxy."""
    monkeypatch.setenv("LONGSHORE_PLAIN_HTTP", plain)
    body = encode(Bytes(b"hello", "text/plain"), "b")
    headers = {"Transfer-Encoding": "chunked"}
    transport = HttpTransport()
    try:
        with pytest.raises(ProtocolError, match=r"two lengths|not a request"):
            await transport.send(
                Outgoing("PUT", "http://127.0.0.1:9/x", headers, body, {}, timeout=1.0)
            )
    finally:
        await transport.aclose()
