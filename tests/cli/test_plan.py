"""``plan``: what an upload would do, and how long it takes at least."""

from __future__ import annotations

from tests.cli.conftest import Shore


def test_plan_compares_targets_without_a_key(empty_shore: Shore) -> None:
    """Several targets side by side; neither a key nor the vendor is needed."""
    name = empty_shore.file("a.pdf")
    ended = empty_shore.run("plan", name, "--to", "sendai", "--to", "subworkflow", "--json")
    assert (
        ended.code,
        [(line["target"], line["documents"]) for line in ended.lines],
    ) == (0, [("sendai", 1), ("subworkflow", 1)])
    assert all(line["memory"] > 0 and not line["asked"] for line in ended.lines)


def test_plan_gives_each_target_its_own_settings(empty_shore: Shore) -> None:
    """--set TARGET:NAME=VALUE is for one of them, and stands above NAME=VALUE for all."""
    targets = ("plangrep", "sendai", "subworkflow")
    given = ("max_concurrency=2", "sendai:max_concurrency=3", "subworkflow:max_concurrency=4")
    ended = empty_shore.run(
        "plan", empty_shore.file("a.pdf"), "--json", *(w for t in targets for w in ("--to", t)),
        *(word for setting in given for word in ("--set", setting)),
    )  # fmt: skip
    found = {line["target"]: line["concurrency"] for line in ended.lines}
    assert (ended.code, found) == (0, {"plangrep": 2, "sendai": 3, "subworkflow": 4})


def test_plan_can_ask_the_vendor(shore: Shore) -> None:
    """--ask runs prepare, and leaves no run in the journal."""
    name = shore.file("map.geojson", b"{}")
    ended = shore.run("plan", name, "--to", "geolens", "--ask", "--json")
    assert (ended.code, ended.line("plan")["asked"]) == (0, True)
    assert shore.run("status", "--json").lines == []


def test_a_vendor_that_tells_no_limits_is_not_said_to_have(shore: Shore) -> None:
    """Send AI is asked nothing before an upload."""
    call = ("plan", shore.file("a.pdf"), "--to", "sendai", "--ask")
    assert "limits as documented; there is nothing to ask" in shore.run(*call).out
    assert not shore.run(*call, "--json").line("plan")["asked"]


def test_a_strict_plan_says_that_nothing_would_go(shore: Shore) -> None:
    """The exit code alone would have to be looked up."""
    names = (shore.file("a.pdf"), shore.file("b.csv"))
    ended = shore.run("upload", *names, "--to", "subworkflow", "--dry-run", "--strict")
    assert ended.code == 2
    assert "with --strict nothing would go to subworkflow" in ended.err


def test_plan_counts_parts(empty_shore: Shore) -> None:
    """A large document is cut; nothing of it is read."""
    with (empty_shore.folder / "large.pdf").open("wb") as file:
        file.truncate(200_000_000)
    ended = empty_shore.run(
        "plan", "large.pdf", "--to", "subworkflow", "--part-size", "20M", "--json"
    )
    assert (ended.line("plan")["parts"], ended.line("plan")["bytes"]) == (10, 200_000_000)


def test_plan_tells_the_least_time_that_the_budget_asks_for(empty_shore: Shore) -> None:
    """120 small documents at 60 writes a minute; two of them take no time worth a line."""
    (empty_shore.folder / "few").mkdir()
    (empty_shore.folder / "many").mkdir()
    for folder, count in (("few", 2), ("many", 120)):
        for number in range(count):
            empty_shore.file(f"{folder}/{number}.pdf", b"%%PDF %d" % number)
    few, many = (
        empty_shore.run("plan", name, "--to", "subworkflow").out for name in ("few", "many")
    )
    overruled = empty_shore.run(
        "plan", "many", "--to", "subworkflow", "--set", "requests_per_minute=10"
    ).out

    assert "at least" not in few
    assert "\n  at least 2 m 00 s: the vendor's budget is 60 requests a minute\n" in many
    assert "\n  at least 24 m 00 s: the vendor's budget is 10 requests a minute\n" in overruled


def test_plan_ends_with_two_when_nothing_could_go(empty_shore: Shore) -> None:
    """A plan in which a target gets nothing ends with 2."""
    assert empty_shore.run("plan", "nowhere.pdf", "--to", "sendai").code == 2
