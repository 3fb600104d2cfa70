"""``migrate`` and ``migrate verify``: lines, exit codes, maps, and the same command again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from longshore.journal._locks import hold_run
from longshore.migrate import read_map
from tests.cli.conftest import Shore
from tests.cli.migrating import NEW, OLD, THERE, files, lines_of


def test_documents_of_earlier_runs_are_carried_and_mapped(shore: Shore) -> None:
    """Each document that succeeded at the first vendor; the map knows both vendors' ids."""
    names = [shore.file(name, name.encode()) for name in ("a.pdf", "b.pdf")]
    before = shore.run("upload", *names, "--to", OLD, "--json")
    ended = shore.run(*THERE, "--map", "map.jsonl", "--json")
    assert ended.code == 0
    assert [line["event"] for line in ended.lines] == ["plan", "document", "document", "run"]
    lines = [json.loads(line) for line in (shore.folder / "map.jsonl").read_text().splitlines()]
    old = {line["name"]: line for line in before.lines if line["event"] == "document"}
    new = {line["name"]: line for line in ended.lines if line["event"] == "document"}
    assert {
        line["name"]: (
            line["path"],
            line["sha256"],
            line["from"]["job_id"],
            line["from"]["document_id"],
            line["to"]["job_id"],
            line["to"]["document_id"],
            line["to"]["state"],
        )
        for line in lines
    } == {
        name: (
            str(shore.folder / name),
            old[name]["sha256"],
            old[name]["vendor_job_id"],
            old[name]["vendor_document_id"],
            new[name]["vendor_job_id"],
            new[name]["vendor_document_id"],
            "succeeded",
        )
        for name in names
    }
    verified = shore.run("migrate", "verify", "map.jsonl", "--json")
    assert verified.code == 0
    assert [(line["target"], line["there"]) for line in verified.lines] == [(NEW, 2), (OLD, 2)]


def test_a_changed_or_missing_source_is_listed_and_kept_out(shore: Shore) -> None:
    """Their lines say why, in the map too; the others go, and it is no success."""
    names = files(shore, 3)
    shore.run("upload", *names, "--to", OLD)
    shore.file(names[0], b"%PDF-1.4 X\n")
    (shore.folder / names[1]).unlink()
    ended = shore.run(*THERE, "--map", "map.jsonl", "--json")
    kept = [line for line in ended.lines if line["event"] == "kept_out"]
    assert [(line["path"], line["error"]["kind"]) for line in kept] == [
        (str(shore.folder / names[0]), "source_changed"),
        (str(shore.folder / names[1]), "source_missing"),
    ]
    assert all(line["from"]["job_id"] for line in kept)
    assert (ended.code, ended.line("plan")["kept_out"], ended.line("run")["documents"]) == (1, 2, 1)
    assert sorted(line["to"]["state"] for line in lines_of(shore)) == [
        "kept_out", "kept_out", "succeeded",
    ]  # fmt: skip
    verified = shore.run("migrate", "verify", "map.jsonl", "--json")
    told = [line for line in verified.lines if line["event"] == "verified"]
    assert (verified.code, told[0]["there"], told[0]["not_carried"]) == (1, 1, 2)


def test_a_source_that_is_kept_out_shows_no_secret(
    shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a password nor a signature of its URL."""
    monkeypatch.setattr("longshore.sources._place._PAUSES", (0.0,) * 2)
    shore.file("list.txt", b"http://me:hidden@127.0.0.1:1/a.pdf?X-Amz-Signature=hidden\n")
    ended = shore.run(*THERE, "--manifest", "list.txt", "--map", "map.jsonl", "--json")
    (kept,) = [line for line in ended.lines if line["event"] == "kept_out"]
    assert kept["path"] == "http://127.0.0.1:1/a.pdf?X-Amz-Signature=REDACTED"
    assert "hidden" not in ended.out + ended.err + (shore.folder / "map.jsonl").read_text()


def test_a_name_that_is_no_text_is_kept_out_and_the_others_go(shore: Shore) -> None:
    """A line of Latin-1 in a manifest, and half a surrogate; neither stops the migration."""
    (name,) = files(shore, 1)
    shore.file("list.txt", b"caf\xe9.pdf\n" + name.encode() + b'\n{"path": "\\ud800.pdf"}\n')
    ended = shore.run(*THERE, "--manifest", "list.txt", "--map", "map.jsonl", "--json")
    kept = [line["path"] for line in ended.lines if line["event"] == "kept_out"]
    assert kept == [f"{shore.folder}/caf\\xe9.pdf", f"{shore.folder}/\\ud800.pdf"]
    assert (ended.code, ended.line("run")["succeeded"], len(lines_of(shore))) == (1, 1, 3)


def test_what_an_upload_brought_there_is_in_the_map_too(shore: Shore) -> None:
    """It is not carried again, and its line names the job that it has there already."""
    first, second, other = files(shore, 3)
    shore.run("upload", first, second, "--to", OLD)
    there = shore.run("upload", first, other, "--to", NEW, "--json")
    ended = shore.run(*THERE, "--map", "map.jsonl", "--json")
    assert (ended.code, ended.line("plan")["there"], ended.line("run")["documents"]) == (0, 1, 1)
    job = next(line["vendor_job_id"] for line in there.lines if line.get("name") == first)
    mapped = {line["name"]: line["to"]["job_id"] for line in lines_of(shore)}
    assert mapped == {first: job, second: ended.line("document")["vendor_job_id"]}
    assert all(line["from"]["job_id"] for line in lines_of(shore))
    assert shore.run("migrate", "verify", "map.jsonl").code == 0


def test_what_was_uploaded_since_is_unknown_no_more(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """The answer of the upload was lost, and nobody can ask: a person looked, and sent it again."""
    (name,) = files(shore, 1)
    shore.run("upload", name, "--to", OLD)
    trouble([{"path": "*/upload", "method": "POST", "first": 1, "drop": "after"}], only="sendai")
    command = ("migrate", "--from", OLD, "--to", "sendai", "--map", "map.jsonl")
    assert shore.run(*command).code == 4
    assert [line["to"]["state"] for line in lines_of(shore)] == ["unknown"]
    job = shore.run("upload", name, "--to", "sendai", "--json").line("document")["vendor_job_id"]
    assert shore.run(*command).code == 4
    assert [line["to"]["job_id"] for line in lines_of(shore)] == [job]


def test_a_dry_run_tells_the_plan_and_begins_nothing(shore: Shore) -> None:
    """What the other vendor cannot take, requests, time at its rate, credits; no run, no map."""
    names = [*files(shore, 2), shore.file("cad.dwg", b"AC1032")]
    shore.run("upload", *names, "--to", OLD)
    ended = shore.run(*THERE, "--map", "map.jsonl", "--dry-run", "--json")
    (refused,) = [line for line in ended.lines if line["event"] == "document"]
    assert (refused["name"], refused["state"], refused["target"]) == ("cad.dwg", "refused", NEW)
    plan = ended.line("plan")
    assert (plan["documents"], plan["refused"], plan["batches"]) == (2, 1, 2)
    assert plan["requests"] == {"at_least": 4, "expected": None}
    assert plan["seconds_at_rate"] > 0
    assert plan["credits"] is None
    assert not (shore.folder / "map.jsonl").exists()
    runs = [line["target"] for line in shore.run("status", "--json").lines]
    assert runs == [OLD]
    back = shore.run("migrate", "--from", OLD, "--to", "sendai", "--dry-run", "--json")
    assert back.line("plan")["batches"] == 1


def test_limit_leaves_the_rest_for_the_next_call(shore: Shore) -> None:
    """What is there already does not count against the limit, and is not carried again."""
    shore.run("upload", *files(shore, 5), "--to", OLD)
    first = shore.run(*THERE, "--limit", "2", "--map", "map.jsonl", "--json")
    second = shore.run(*THERE, "--limit", "2", "--map", "map.jsonl", "--json")
    rest = shore.run(*THERE, "--map", "map.jsonl", "--json")
    none = shore.run(*THERE, "--map", "map.jsonl", "--json")
    plans = [ended.line("plan") for ended in (first, second, rest, none)]
    assert [(plan["documents"], plan["there"], plan["left"]) for plan in plans] == [
        (2, 0, 3), (2, 2, 1), (1, 4, 0), (0, 5, 0),
    ]  # fmt: skip
    assert [line["event"] for line in none.lines] == ["plan"]
    assert [first.code, second.code, rest.code, none.code] == [0, 0, 0, 0]
    assert len(lines_of(shore)) == 5
    assert shore.run("migrate", "verify", "map.jsonl").code == 0


@pytest.mark.parametrize("listed", [False, True])
def test_what_cannot_go_does_not_use_up_the_limit(shore: Shore, listed: bool) -> None:
    """Gone at its source, or not taken by the other vendor: told, and the next ones go instead."""
    names = [shore.file("a.dwg", b"AC1032"), *files(shore, 4)]
    shore.run("upload", *names, "--to", OLD)
    (shore.folder / names[1]).unlink()
    (shore.folder / "list.txt").write_text("\n".join(names))
    chosen = ["--manifest", "list.txt"] if listed else []
    ended = shore.run(*THERE, *chosen, "--limit", "2", "--map", "map.jsonl", "--json")
    plan = ended.line("plan")
    assert [plan[key] for key in ("documents", "refused", "kept_out", "left")] == [2, 1, 1, 1]
    assert {line["name"]: line["to"]["state"] for line in lines_of(shore)} == {
        names[0]: "refused", names[1]: "kept_out", names[2]: "succeeded", names[3]: "succeeded",
    }  # fmt: skip


def test_a_sample_is_the_same_every_time(shore: Shore) -> None:
    """It depends on the contents alone, not on names, order or the target."""
    names = files(shore, 8)
    shore.run("upload", *names, "--to", OLD)
    moved = [shore.file(f"moved-{name}", (shore.folder / name).read_bytes()) for name in names]
    (shore.folder / "list.txt").write_text("\n".join(reversed(moved)))
    one = shore.run(*THERE, "--sample", "3", "--json")
    other = shore.run(
        "migrate", "--from", OLD, "--to", "sendai", "--manifest", "list.txt", "--sample", "3",
        "--json",
    )  # fmt: skip
    digests = [
        {line["sha256"] for line in ended.lines if line["event"] == "document"}
        for ended in (one, other)
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_a_manifest_is_carried_as_its_files_are(shore: Shore) -> None:
    """A moved file is known again by its SHA-256; one that was never carried has no origin."""
    (name,) = files(shore, 1)
    before = shore.run("upload", name, "--to", OLD, "--json")
    (shore.folder / name).rename(shore.folder / "moved.pdf")
    shore.file("new.pdf", b"%PDF-1.4 new\n")
    (shore.folder / "list.txt").write_text('moved.pdf\n{"path": "new.pdf", "name": "n.pdf"}\n')
    ended = shore.run(*THERE, "--manifest", "list.txt", "--map", "map.jsonl", "--json")
    assert ended.code == 0
    origins = {line["name"]: line["from"] and line["from"]["job_id"] for line in lines_of(shore)}
    assert origins == {"moved.pdf": before.line("document")["vendor_job_id"], "n.pdf": None}


def test_a_lost_source_that_is_found_again_is_no_finding_any_more(shore: Shore) -> None:
    """Carried from another place by a manifest: the same bytes are there, verify is clean."""
    names = files(shore, 2)
    shore.run("upload", *names, "--to", OLD)
    (shore.folder / names[0]).rename(shore.folder / "found.pdf")
    assert shore.run(*THERE, "--map", "map.jsonl").code == 1
    assert shore.run("migrate", "verify", "map.jsonl").code == 1
    (shore.folder / "list.txt").write_text("found.pdf\n")
    assert shore.run(*THERE, "--manifest", "list.txt", "--map", "map.jsonl").code == 0
    assert shore.run("migrate", "verify", "map.jsonl").code == 0
    again = shore.run(*THERE, "--map", "map.jsonl", "--json")
    plan = again.line("plan")
    assert (again.code, plan["documents"], plan["kept_out"], plan["there"]) == (0, 0, 0, 2)


def test_one_run_is_carried_whole(shore: Shore) -> None:
    """--run takes what failed at the first vendor too; without it only what succeeded goes."""
    names = [shore.file("good.pdf"), shore.file("fail.pdf", b"%PDF-1.4 f\n")]
    run = shore.run("upload", *names, "--to", NEW, "--json").line("run")
    assert (run["succeeded"], run["failed"]) == (1, 1)
    some = shore.run("migrate", "--from", NEW, "--to", "sendai", "--dry-run", "--json")
    all_ = shore.run(
        "migrate", "--from", NEW, "--to", "sendai", "--run", run["run_id"], "--dry-run", "--json"
    )
    assert [ended.line("plan")["documents"] for ended in (some, all_)] == [1, 2]


def test_since_leaves_older_runs_out(shore: Shore) -> None:
    """A moment, or so long ago."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    planned = [
        shore.run(*THERE, "--since", text, "--dry-run", "--json").line("plan")["documents"]
        for text in ("1h", "2020-01-01", "2100-01-01", "0")
    ]
    assert planned == [1, 1, 0, 0]


def test_the_same_command_goes_on(shore: Shore, trouble: Callable[..., object]) -> None:
    """After trouble: the same run, no plan of its own but its exit code, a map without doubles."""
    *names, gone = files(shore, 4)
    shore.run("upload", *names, gone, "--to", OLD)
    (shore.folder / gone).unlink()
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}], only=NEW)
    command = (*THERE, "--map", "map.jsonl", "--json")
    first, second = shore.run(*command), shore.run(*command)
    assert (first.code, second.code, second.line("run")["succeeded"]) == (2, 1, 3)
    assert first.line("run")["run_id"] == (id := second.line("run")["run_id"])
    assert f"going on with migration {id} (1 kept out)" in second.err
    lines = sorted((line["name"], line["to"]["state"]) for line in lines_of(shore))
    assert lines == [*((name, "succeeded") for name in names), (gone, "kept_out")]


def test_the_same_command_does_nothing_beside_the_first(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """Another process is at work on it: told at once, with what shows it; no map is written."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}], only=NEW)
    run_id = shore.run(*THERE, "--json").line("run")["run_id"]
    with hold_run(shore.journal, run_id):
        ended = shore.run(*THERE, "--map", "map.jsonl")
    assert (ended.code, ended.out, "going on" in ended.err) == (2, "", False)
    assert all(f"{words} {run_id}" in ended.err for words in ("longshore: run", "longshore watch"))
    assert not (shore.folder / "map.jsonl").exists()


def test_a_map_can_be_written_again_from_the_journal(shore: Shore) -> None:
    """As SQLite as well; a torn last line is dropped, a strange file is left alone."""
    shore.run("upload", *files(shore, 2), "--to", OLD)
    shore.run(*THERE, "--map", "map.jsonl")
    whole = (shore.folder / "map.jsonl").read_bytes()
    (shore.folder / "map.jsonl").write_bytes(whole[:-9])
    assert shore.run(*THERE, "--map", "map.jsonl").code == 0
    assert sorted((shore.folder / "map.jsonl").read_bytes().splitlines()) == sorted(
        whole.splitlines()
    )
    assert shore.run(*THERE, "--map", "map.db").code == 0
    assert [path.name for path in shore.folder.glob("map.db*")] == ["map.db"]
    from_lines, from_table = (
        sorted(read_map(shore.folder / name), key=lambda line: line["path"])
        for name in ("map.jsonl", "map.db")
    )
    assert from_lines == from_table
    assert shore.run("migrate", "verify", "map.db").code == 0
    other = shore.run("migrate", "--from", OLD, "--to", "sendai", "--map", "map.jsonl")
    assert (other.code, "the map of a migration to" in other.err) == (2, True)
    strange = shore.run(*THERE, "--map", shore.file("strange.jsonl", b'{"a": 1}\n'))
    assert (strange.code, "no map" in strange.err) == (2, True)


def test_what_was_kept_out_counts_after_an_interruption_too(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """The call that goes on chooses nothing itself; it is no success all the same."""
    names = files(shore, 2)
    shore.run("upload", *names, "--to", OLD)
    shore.file(names[0], b"%PDF-1.4 X\n")
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}], only=NEW)
    command = (*THERE, "--map", "map.jsonl", "--json")
    first, second = shore.run(*command), shore.run(*command)
    assert (first.code, second.code) == (2, 1)
    assert sorted(line["to"]["state"] for line in lines_of(shore)) == ["kept_out", "succeeded"]


def test_the_same_command_is_no_trouble_when_only_the_refused_are_left(shore: Shore) -> None:
    """As a nightly one finds it: the others are there; not every document was refused."""
    shore.run("upload", *files(shore, 1), shore.file("a.odt", b"odt"), "--to", OLD)
    codes = [shore.run(*THERE).code for _ in range(2)]
    only = shore.run(*THERE, "--manifest", shore.file("list", b"a.odt\n")).code

    assert (codes, only) == ([1, 1], 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", NEW), "--from and --to"),
        (("--from", NEW, "--to", NEW), "from one target to another"),
        (("--from", "nobody", "--to", NEW), "no run of this journal went to 'nobody'"),
        (("--from", OLD, "--to", "nobody"), "nobody"),
        (("--from", OLD, "--to", NEW, "--since", "soon"), "since 'soon': neither"),
        (("--from", OLD, "--to", NEW, "--run", "a", "--manifest", "b"), "either"),
        (("--from", OLD, "--to", NEW, "--manifest", "nowhere.txt"), "nowhere.txt: No such file"),
        (("--from", OLD, "--to", NEW, "--map", "nowhere/map.jsonl"), "map.jsonl: No such file"),
        (("verify", "nowhere.jsonl"), "no such file"),
    ],
)
def test_a_wrong_call_is_two_before_anything_is_sent(
    shore: Shore, arguments: tuple[str, ...], words: str
) -> None:
    """One line, a hint, exit 2; the journal has no run of it, the folder no map."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    ended = shore.run("migrate", *arguments)
    assert (ended.code, words in ended.err) == (2, True), ended.err
    assert [line["target"] for line in shore.run("status", "--json").lines] == [OLD]
