"""Every block of Python on every page runs, against the sandboxes of all vendors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from longshore.cli._sandbox import variables
from longshore.plugins import load_plugins
from longshore.sandbox import serve
from tests.cli.conftest import quick_vendors
from tests.docs.pages import Block, python_blocks
from tests.docs.test_pages import name

PAGES = {
    page: [block for block in of_page if block.mark("run") is not None]
    for page, of_page in groupby(python_blocks(), key=lambda block: block.page)
}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Serve all vendors; the variables that lead to them."""
    plugins = load_plugins()
    vendors = quick_vendors()
    with serve(vendors):
        found = {n: v for vendor in vendors for n, v in variables(plugins, vendor).items()}
        paces = {n.replace("BASE_URL", "POLL_INTERVAL"): "0.02" for n in found if "BASE_URL" in n}
        yield {**found, **paces}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """The folders that the pages speak of."""
    for folder, file, text in (
        ("plans", "a.pdf", "%PDF-1.4 plan"),
        ("maps", "parks.csv", "name,trees\nOld park,41\n"),
        ("maps", "quays.csv", "name,length\nQuay,310\n"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_text(text)
    return tmp_path


@pytest.mark.parametrize("page", [page for page, found in PAGES.items() if found], ids=name)
def test_the_blocks_of_a_page_run(
    page: Path,
    environment: dict[str, str],
    documents: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In their order, in one namespace, as a reader would type them."""
    monkeypatch.chdir(documents)
    monkeypatch.setenv("XDG_STATE_HOME", str(documents / "state"))
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    namespace = {"__name__": "page"}
    ran = [run(block, namespace) for block in PAGES[page]]
    assert ran == PAGES[page]


def run(block: Block, namespace: dict[str, str]) -> Block:
    """Run a block; its lines have the numbers of the page."""
    text = "\n" * block.line + block.text
    exec(compile(text, str(block.page), "exec"), namespace)
    return block
