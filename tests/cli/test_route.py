"""``upload --to route:NAME``: what counts, what shadows it, who steps in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from longshore.cli.progress import _display
from tests.cli.conftest import Ended, Shore


def config(shore: Shore, text: str) -> None:
    """Write the configuration."""
    (shore.folder / "longshore.toml").write_text(text)


def where(ended: Ended, event: str = "document") -> dict[str, tuple[str, str]]:
    """Target and state of each document."""
    return {
        line["path"]: (line["target"], line["state"])
        for line in ended.lines
        if line["event"] == event
    }


def files(shore: Shore, count: int) -> list[str]:
    """Write documents of different contents."""
    return [shore.file(f"{n}.pdf", f"%PDF-1.4 {n}\n".encode()) for n in range(count)]


def test_a_route_of_a_primary_alone_is_that_target(shore: Shore) -> None:
    """The same lines, the same exit code as without a route."""
    config(shore, '[routes.main]\nprimary = "plangrep"\n')
    names = files(shore, 2)
    ended = shore.run("upload", *names, "--to", "route:main", "--json")
    assert ended.code == 0
    assert [line["event"] for line in ended.lines] == ["document", "document", "run"]
    assert where(ended) == dict.fromkeys(names, ("plangrep", "succeeded"))


def test_a_shadow_gets_copies_and_changes_nothing(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """A shadow that refuses the key: the document lines and the exit code are the primary's."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nshadow = ["sendai", "subworkflow"]\n')
    trouble([{"status": 401}], only="subworkflow")
    names = files(shore, 2)
    ended = shore.run("upload", *names, "--to", "route:main", "--json")
    assert ended.code == 0
    assert where(ended) == dict.fromkeys(names, ("plangrep", "succeeded"))
    assert {path: found[1] for path, found in where(ended, "shadow").items()}.keys() == set(names)
    assert [line["event"] for line in ended.lines].count("shadow_run") == 2
    assert ended.lines[-1]["event"] == "run"
    assert "subworkflow: shadow traffic ended" in ended.err


def test_the_split_is_the_same_every_time(shore: Shore) -> None:
    """Raising the percentage moves documents to the new target and none away from it."""
    names = files(shore, 12)
    found = []
    for percent in (30, 30, 60):
        config(shore, f'[routes.main]\nprimary = "plangrep"\npercent = {{sendai = {percent}}}\n')
        ended = shore.run("upload", *names, "--to", "route:main", "--json")
        assert ended.code == 0
        places = where(ended)
        assert places.keys() == set(names)
        found.append({name for name, (target, _) in places.items() if target == "sendai"})
    assert found[0] == found[1]
    assert found[0] < found[2]
    assert 0 < len(found[0]) < len(names)


def test_a_fallback_takes_what_was_not_begun(shore: Shore, trouble: Callable[..., object]) -> None:
    """The primary refuses the key: every document is carried by the fallback, told once."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nfallback = ["sendai"]\n')
    trouble([{"status": 401}], only="plangrep")
    names = files(shore, 3)
    ended = shore.run("upload", *names, "--to", "route:main", "--json")
    assert ended.code == 0
    assert where(ended) == dict.fromkeys(names, ("sendai", "succeeded"))
    runs = [line for line in ended.lines if line["event"] == "run"]
    assert [(run["target"], run["skipped"], run["succeeded"]) for run in runs] == [
        ("plangrep", 3, 0),
        ("sendai", 0, 3),
    ]
    assert "3 go to sendai" in ended.err
    assert shore.run("resume", "--json").out == ""


def test_what_was_begun_stays(shore: Shore, trouble: Callable[..., object]) -> None:
    """Credits run out after the first submission: that one stays, the others are handed over."""
    config(shore, '[routes.main]\nprimary = "subworkflow"\nfallback = ["sendai"]\n')
    trouble([], "subworkflow.credits=1", only="subworkflow")
    names = files(shore, 3)
    ended = shore.run(
        "upload", *names, "--to", "route:main", "--json", "--concurrency", "1"
    )  # fmt: skip
    targets = sorted(found for found in where(ended).values())
    assert targets == [("sendai", "succeeded")] * 2 + [("subworkflow", "succeeded")]
    assert ended.code == 0


def test_without_a_fallback_trouble_is_trouble(
    shore: Shore, trouble: Callable[..., object]
) -> None:
    """2, and how to go on; `resume` goes on with all of it."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nshadow = ["sendai"]\n')
    trouble([{"status": 401, "first": 1}], only="plangrep")
    names = files(shore, 2)
    ended = shore.run("upload", *names, "--to", "route:main", "--json")
    assert (ended.code, where(ended)) == (2, dict.fromkeys(names, ("plangrep", "running")))
    again = shore.run("resume", "--json")
    assert (again.code, where(again)) == (0, dict.fromkeys(names, ("plangrep", "succeeded")))
    assert "longshore resume" in ended.err


def test_what_an_upload_in_trouble_keeps_is_told_with_what_changes_it(
    shore: Shore, trouble: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the target in trouble, and the route; the printed command mends it; no secret."""
    right = trouble([])["LONGSHORE_PLANGREP_BASE_URL"]
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", f"{right}/nowhere")
    config(shore, '[routes.main]\nprimary = "plangrep"\n')
    names = files(shore, 2)
    first = shore.run("upload", *names, "--to", "route:main")
    monkeypatch.setenv("LONGSHORE_PLANGREP_BASE_URL", right)
    config(shore, '[routes.main]\nprimary = "plangrep"\npercent = {subworkflow = 100}\n')
    again = shore.run("resume")
    told = [line for line in again.err.splitlines() if "keeps" in line]
    typed = told[-1].partition("to change that:  longshore ")[2]
    ended = shore.bare(*shlex.split(typed), "--json")

    assert (first.code, again.code, "keeps" in first.err) == (2, 2, False)
    assert f"the run keeps base_url = {right}/nowhere, as it began" in told[-1]
    kept = (
        "the upload keeps route:main as it was when it began; as it is now it counts for a new one"
    )
    assert told[:-1] == [f"longshore: {kept}"]
    assert again.err.splitlines()[-2].startswith("longshore resume ")
    assert again.err.splitlines()[-1] == told[-1]  # not the one that fails again
    assert (ended.code, where(ended)) == (0, dict.fromkeys(names, ("plangrep", "succeeded")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no route"),
        ("[routes.main]\n", "no primary"),
        ('[routes.main]\nprimary = "plangrep"\nsahdow = []\n', "sahdow"),
        ('[routes.main]\nprimary = "plangrep"\nshadow = ["plangrep"]\n', "names the primary"),
        ('[routes.main]\nprimary = "plangrep"\nfallback = ["plangrep"]\n', "names the primary"),
        ('[routes.main]\nprimary = "plangrep"\npercent = {sendai = 101}\n', "percentage"),
        (
            '[routes.main]\nprimary = "plangrep"\nshadow = ["sendai"]\nfallback = ["sendai"]\n',
            "twice",
        ),
        ('[routes.main]\nprimary = "plangrep"\npercent = ["sendai"]\n', "no table"),
        ('[routes.main]\nprimary = "plangrep"\nfallback = ["nobody"]\n', "nobody"),
        ('[routes.main]\nprimary = "plangrep"\nfallback_after = "soon"\n', "no time"),
    ],
)
def test_a_wrong_route_is_two_before_anything_is_sent(shore: Shore, text: str, words: str) -> None:
    """One line, a hint, exit 2; the journal has no run of it."""
    config(shore, text)
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "route:main")
    assert (ended.code, words in ended.err) == (2, True), ended.err
    assert shore.run("status", "--json").out == ""


def test_a_dry_run_plans_for_every_target_of_the_route(shore: Shore) -> None:
    """What would be refused where is known before."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nshadow = ["geolens"]\n')
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "route:main", "--dry-run", "--json")
    plans: list[dict[str, Any]] = [line for line in ended.lines if line["event"] == "plan"]
    assert [(plan["target"], plan["refused"]) for plan in plans] == [
        ("plangrep", 0),
        ("geolens", 1),
    ]
    assert ended.code == 0  # what a shadow does not take changes nothing


def test_a_dry_run_gives_each_target_its_own_settings(shore: Shore) -> None:
    """--set TARGET:NAME=VALUE means what it means when the documents go."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nshadow = ["sendai"]\n')
    ended = shore.run(
        "upload", shore.file("a.pdf"), "--to", "route:main", "--dry-run", "--json",
        "--set", "max_concurrency=2", "--set", "sendai:max_concurrency=3",
    )  # fmt: skip
    found = {line["target"]: line["concurrency"] for line in ended.lines}
    assert (ended.code, found) == (0, {"plangrep": 2, "sendai": 3})


def test_a_dry_run_shares_the_documents_out_as_the_upload_will(shore: Shore) -> None:
    """Each target's plan is of what it will get; a fallback may get it all."""
    share = "[routes.main.percent]\nsendai = 50\n[routes.main.shadow]\nsubworkflow = 50\n"
    config(shore, f'[routes.main]\nprimary = "plangrep"\nfallback = ["batch-tasks"]\n{share}')
    names = files(shore, 12)
    dry = shore.run("upload", *names, "--to", "route:main", "--dry-run", "--json")
    real = shore.run("upload", *names, "--to", "route:main", "--json")
    plans = {line["target"]: line["documents"] for line in dry.lines if line["event"] == "plan"}
    runs = {line["target"]: line["documents"] for line in real.lines if "run" in line["event"]}
    assert plans.pop("batch-tasks") == 12
    assert (plans, runs["plangrep"] + runs["sendai"]) == (runs, 12)
    assert 0 < runs["sendai"] < 12


def test_a_dry_run_fails_where_a_target_that_counts_takes_nothing(shore: Shore) -> None:
    """A fallback is no shadow: what it would refuse is trouble."""
    config(shore, '[routes.main]\nprimary = "plangrep"\nfallback = ["geolens"]\n')
    ended = shore.run("upload", shore.file("a.pdf"), "--to", "route:main", "--dry-run")
    assert ended.code == 2, ended.err


def test_progress_counts_a_document_once(
    shore: Shore, trouble: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a shadow's copy nor a fallback's run makes more documents than the user gave."""
    monkeypatch.setattr(_display, "PAUSE", 0.001)
    words = 'primary = "sendai"\nshadow = ["subworkflow"]\nfallback = ["plangrep"]\n'
    config(shore, f"[routes.main]\n{words}")
    trouble([{"status": 401}], only="sendai")
    ended = shore.run("upload", *files(shore, 3), "--to", "route:main")
    told = {(int(n), int(all_)) for n, all_ in re.findall(r"(\d+) of (\d+) documents", ended.err)}
    assert ended.code == 0
    assert {all_ for _, all_ in told} <= {0, 3}
    assert 0 < max(finished for finished, _ in told) <= 3


@pytest.mark.parametrize("command", ["compare", "upload"])
def test_the_budget_of_each_of_several_targets_is_named(
    shore: Shore, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """In a comparison and by a route, with the target whose vendor's it is."""
    monkeypatch.setattr(_display, "PAUSE", 0.001)
    monkeypatch.setattr("longshore.cli.progress._budget._SPENT", 0.5)  # so that nothing waits here
    config(shore, '[routes.main]\nprimary = "plangrep"\nshadow = ["subworkflow"]\n')
    to = ["--to", "route:main"]
    if command == "compare":
        to = ["--to", "plangrep", "--to", "subworkflow"]
    ended = shore.run(command, *files(shore, 4), *to, "--set", "subworkflow:requests_per_minute=12")
    words = "subworkflow: requests wait for the vendor's budget: 12 requests a minute"
    assert (ended.code, words in ended.err) == (0, True)
    assert "plangrep: requests wait" not in ended.err
