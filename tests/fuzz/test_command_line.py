"""The command line against hostile input: a line, a hint and an exit code; never a traceback."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.cli._terminal import Terminal
from longshore.cli.progress import Tally
from longshore.transfer import Policy
from tests.cli.conftest import Ended, Shore
from tests.fuzz.conftest import HostileVendor
from tests.fuzz.hostile import HEADERS, JSON, RAW, TEXT, body_of, examples
from tests.fuzz.test_configuration import FILES

SECRET = "key-0123456789"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try: what is tried again comes out the same."""
    monkeypatch.setattr("longshore.transfer._driver.Policy", lambda: Policy(tries=1))


def sound(ended: Ended, *codes: int) -> None:
    """Nothing unexpected was said, nothing that a terminal obeys, no secret; the code is right."""
    said = ended.out + ended.err
    assert "Traceback" not in said
    assert "longshore: unexpected" not in ended.err
    assert SECRET not in said
    assert not re.search(r"[^\n\x20-\x7e\xa1-\U0010ffff]", said)
    assert "\u202e" not in said
    assert ended.code in codes


# -------------------------------------------------------------------------------- the vendor

_TARGETS = {
    "sendai": ("team_id=t", "project_id=p"),
    "plangrep": ("project_name=x",),
    "geolens": (),
    "subworkflow": (),
}


@pytest.mark.parametrize("target", _TARGETS)
@examples(8, slow=True)
@given(
    body=RAW | JSON.map(body_of) | TEXT.map(lambda text: body_of({"message": text, "id": text})),
    status=st.sampled_from([200, 201, 207, 302, 400, 401, 402, 403, 404, 409, 413, 422, 500]),
    headers=HEADERS,
    flag=st.sampled_from([(), ("--json",), ("--verbose",)]),
)
def test_a_hostile_vendor_is_told_in_words(
    empty_shore: Shore,
    vendor: HostileVendor,
    *,
    target: str,
    body: bytes,
    status: int,
    headers: dict[str, str],
    flag: tuple[str, ...],
) -> None:
    """Whatever it answers to the first request, the run ends in words, and the key stays in."""
    fields = "".join(
        f"{name}: {''.join(c for c in value if c.isprintable())}\r\n"
        for name, value in headers.items()
    )
    vendor.answers(body, status, "".join(c if ord(c) < 256 else "?" for c in fields))
    name = empty_shore.file("a.csv" if target == "geolens" else "a.pdf")
    sets = (
        f"base_url={vendor.url}",
        f"api_key={SECRET}",
        "timeout=0.05",
        "poll_interval=0.01",
        *_TARGETS[target],
    )
    given_ = [part for pair in sets for part in ("--set", pair)]
    # What is left running is not waited for: the exit code is that of what is known.
    ended = empty_shore.run("upload", name, "--to", target, "--no-wait", *given_, *flag)
    sound(ended, 0, 1, 2, 4)
    sound(empty_shore.run("status", "--verbose"), 0)
    sound(empty_shore.run("actions"), 0)
    for path in empty_shore.folder.glob("journal*"):
        if path.is_file():
            path.unlink()


# ------------------------------------------------------------------------------ the user

_WORDS = TEXT.filter(lambda text: "\x00" not in text).map(
    lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
)


@examples(60, slow=True)
@given(content=FILES)
def test_any_configuration_file_ends_in_words(empty_shore: Shore, content: bytes) -> None:
    """What cannot be used is told with its place; the exit code is 2."""
    (empty_shore.folder / "longshore.toml").write_bytes(content)
    name = empty_shore.file("a.pdf")
    sound(empty_shore.bare("plan", name, "--to", "mine", "--set", f"api_key={SECRET}"), 0, 2)


@examples(70, slow=True)
@given(
    command=st.sampled_from(["upload", "plan", "status", "act", "resume", "forget", "providers"]),
    words=st.lists(_WORDS, max_size=3),
    option=st.sampled_from(["--set", "--part-size", "--bwlimit", "--give-up-after", "--to",
                            "--concurrency", "--batch-size", "--config", "--nonsense", ""]),
)  # fmt: skip
def test_any_argument_ends_in_words(
    empty_shore: Shore, command: str, words: list[str], option: str
) -> None:
    """Paths, runs, jobs and values of options that nobody would type."""
    arguments = [command]
    for word in words:
        arguments += [option, word] if option else [word]
    sound(empty_shore.run(*arguments), 0, 2)


# --------------------------------------------------------------------------- the terminal

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r"
MISSING = "no\x07\u2028\x85.pdf"


@pytest.mark.parametrize("command", ["upload", "plan"])
@pytest.mark.parametrize("flag", ["--json", "--verbose"])
def test_a_name_cannot_talk_to_the_terminal(empty_shore: Shore, command: str, flag: str) -> None:
    """Line ends and escapes in names are shown, in text, in JSON lines and in errors."""
    names = [empty_shore.file(f"{EVIL}.pdf"), empty_shore.file("two\nlines.pdf"), MISSING]
    where = ("--set", "base_url=http://127.0.0.1:9", "--set", f"api_key={SECRET}")
    ended = empty_shore.run(command, *names, "--to", "subworkflow", *where, flag)
    sound(ended, 0, 2)
    assert "no\\" in ended.out + ended.err
    if flag == "--json":
        assert {line["path"] for line in ended.lines if "path" in line} >= {MISSING}


def test_a_vendors_words_cannot_talk_to_the_terminal(
    empty_shore: Shore, vendor: HostileVendor
) -> None:
    """Status words, job ids and error texts are shown escaped, in each command that shows them."""
    job = {"id": f"j{EVIL}\nx", "status": f"w{EVIL}\nx", "tasks": [], "message": EVIL}
    vendor.answers(body_of(job))
    sets = (f"base_url={vendor.url}", f"api_key={SECRET}", "team_id=t", "project_id=p")
    given_ = [part for pair in sets for part in ("--set", pair)]
    ended = empty_shore.run(
        "upload", empty_shore.file("a.pdf"), "--to", "sendai", "--no-wait", *given_
    )
    for said in (ended, *(empty_shore.run(*c) for c in (["status", "-v"], ["actions"]))):
        sound(said, 0)
    assert "owned" in ended.out


def test_progress_shows_a_vendors_word_escaped() -> None:
    """The line under the bars is drawn from what the vendor says."""
    tally = Tally()
    tally.jobs["u"] = EVIL
    assert "".join(tally.remarks()).isprintable()


def test_whatever_a_command_says_passes_one_net(capsys: pytest.CaptureFixture[str]) -> None:
    """Also a text that nobody escaped reaches the terminal without orders for it."""
    terminal = Terminal()
    terminal.say(f"a{EVIL}\nb")
    terminal.note(f"c{EVIL}")
    told = capsys.readouterr()
    assert re.fullmatch(r"a[ -~]+\nb\n", told.out)
    assert re.fullmatch(r"c[ -~]+\n", told.err)
