"""What a command prints to be typed next: it works as it stands, whatever journal was named."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable

from tests.cli.conftest import Ended, Shore
from tests.cli.migrating import NEW, OLD, THERE, files

Trouble = Callable[..., dict[str, str]]


def steps(ended: Ended) -> list[list[str]]:
    """The commands on stderr, each at the end of its line, without the program's name."""
    found = re.findall(r"^(?:[a-z0-9 ]+: +)?longshore ([a-z].*)$", ended.err, re.M)
    return [shlex.split(command) for command in found]


def verbs(ended: Ended) -> list[str]:
    """What the printed commands do."""
    return [command[0] for command in steps(ended)]


def test_a_failed_job_that_can_be_retried_there_says_so(
    empty_shore: Shore, trouble: Trouble
) -> None:
    """Beside `rerun` stands the vendor's own way; typed, it brings the document to its end."""
    trouble([], "geolens.walk=pending:0.3,complete", only="geolens")
    shore = empty_shore
    name = shore.file("fail.geojson", b'{"type": "FeatureCollection", "features": []}')
    first = shore.run("upload", name, "--to", "geolens")
    status = shore.run("status", json.loads(shore.run("status", "--json").out)["run_id"])
    retry = steps(first)[1]
    acted = shore.bare(*retry)
    ended = shore.bare(*steps(acted)[-1], "--json")

    assert verbs(first) == verbs(status) == ["rerun", "act"]
    assert (retry[0], retry[2], acted.code) == ("act", "retry", 0)
    assert (ended.code, ended.line("document")["state"]) == (0, "succeeded")


def test_a_failed_job_that_offers_nothing_names_no_action(shore: Shore) -> None:
    """Where the vendor has no second try, only `rerun` is left."""
    ended = shore.run("upload", shore.file("fail.pdf"), "--to", "subworkflow")
    assert verbs(ended) == ["rerun"]


def test_many_failed_jobs_are_not_all_listed(shore: Shore) -> None:
    """A few commands, then the one that lists them all."""
    names = [shore.file(f"fail{n}.geojson", f'{{"features": [], "n": {n}}}'.encode())
             for n in range(5)]  # fmt: skip
    ended = shore.run("upload", *names, "--to", "geolens")
    listed = shore.bare(*steps(ended)[-1])

    assert verbs(ended) == ["rerun", "act", "act", "act", "actions"]
    assert "\nand 2 more:        longshore actions " in ended.err
    assert listed.out.count("longshore act ") == 5


def test_a_route_says_it_too(shore: Shore) -> None:
    """The failed document of a route's primary; its shadow's is of no account."""
    (shore.folder / "longshore.toml").write_text(
        '[routes.main]\nprimary = "geolens"\nshadow = ["presigned-s3"]\n'
    )
    name = shore.file("fail.geojson", b'{"type": "FeatureCollection", "features": [1]}')
    ended = shore.run("upload", name, "--to", "route:main")

    assert verbs(ended) == ["rerun", "act"]
    assert shore.bare(*steps(ended)[1]).code == 0


def test_a_migration_goes_on_with_its_own_command(shore: Shore, trouble: Trouble) -> None:
    """After trouble with the account: the same selection, options and map, but no secret."""
    shore.run(
        "upload",
        *(shore.file(name, name.encode()) for name in ("a.pdf", "b.pdf")),
        "--to",
        "plangrep",
    )
    trouble([{"status": 401, "first": 1}], only="subworkflow")
    first = shore.run(
        "migrate", "--from", "plangrep", "--to", "subworkflow", "--map", "the map.jsonl",
        "--limit", "2", "--give-up-after", "1h", "--set", "job_type=vectorize",
        "--set", "api_key=demo",
    )  # fmt: skip
    (again,) = steps(first)
    ended = shore.bare(*again)
    lines = (shore.folder / "the map.jsonl").read_text().splitlines()

    assert (first.code, ended.code) == (2, 0)
    assert "going on with migration" in ended.err
    assert "demo" not in first.err
    assert [json.loads(line)["to"]["state"] for line in lines] == ["succeeded", "succeeded"]


def test_failed_documents_of_a_migration_go_again_by_its_own_command(shore: Shore) -> None:
    """`rerun` would leave the map behind; the same command carries them anew and writes it."""
    shore.run("upload", shore.file("fail.pdf", b"%PDF fails"), "--to", "sendai")
    there = ("migrate", "--from", "sendai", "--to", "subworkflow", "--manifest", "list.txt")
    shore.file("list.txt", b"fail.pdf\n")
    sent = shore.run(*there, "--map", "map.jsonl", "--no-wait")
    ended = shore.bare(*steps(sent)[-1], "--json")
    again = shore.bare(*steps(ended)[-1], "--json")

    assert verbs(sent) == verbs(ended) == verbs(again) == ["migrate"]
    assert (ended.line("run")["failed"], again.line("run")["failed"]) == (1, 1)
    assert ended.line("run")["run_id"] != again.line("run")["run_id"]
    assert len((shore.folder / "map.jsonl").read_text().splitlines()) == 1


def test_a_comparison_that_waits_for_a_person_says_what_can_be_done(shore: Shore) -> None:
    """What can be done, then the same command, which ends it."""
    command = ("compare", shore.file("blocked.pdf"), "--to", "plangrep", "--to", "sendai")
    first = shore.run(*command)
    actions, again = steps(first)
    offer = json.loads(shore.bare(*actions, "--json").out.splitlines()[0])
    acted = shore.bare(*shlex.split(offer["command"])[1:])
    ended = shore.bare(*again)

    assert (first.code, acted.code, ended.code) == (3, 0, 0)
    assert "going on with comparison" in ended.err


def test_no_action_for_another_document_is_offered_as_a_second_try(
    empty_shore: Shore, trouble: Trouble
) -> None:
    """Of one job a task failed and others are in review: `discard` tries nothing again."""
    trouble([], "sendai.tasks_in_upload=true", only="sendai")
    shore = empty_shore
    names = ("fail.pdf", "review1.pdf", "review2.pdf", "review3.pdf")
    ended = shore.run("upload", *(shore.file(n, n.encode()) for n in names), "--to", "sendai")

    assert (ended.code, verbs(ended)) == (1, ["actions", "rerun"])


def test_without_a_map_the_last_line_says_how_to_go_on(shore: Shore, trouble: Trouble) -> None:
    """That no map was written is told once there is nothing else to do."""
    shore.run("upload", *files(shore, 1), "--to", OLD)
    trouble([{"path": "*/jobs/*", "method": "GET", "first": 1, "status": 401}], only=NEW)
    first, second = shore.run(*THERE), shore.run(*THERE)
    assert (first.code, second.code) == (2, 0)
    assert first.err.splitlines()[-1].startswith("longshore migrate --from")
    assert "no map was written" in second.err.splitlines()[-1]
