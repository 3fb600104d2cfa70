"""The plugin of the how-to pages, installed outside of Longshore, as its author would have it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files that the pages show, and install them without an installer.

    An installer would ask a package registry for the build system; what it leaves behind is a
    folder on the path and one with the metadata, so those are made here.
    """
    folder = tmp_path_factory.mktemp("longshore-acme")
    for block in (block for page in PAGES for block in blocks(page)):
        if place := block.mark("write"):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(block.text, "utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = folder / "src" / f"longshore_acme-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def python(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the plugin installed."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(package / "src")},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_longshore_finds_the_plugin(package: Path) -> None:
    """The entry point is enough: nothing is added to Longshore."""
    done = python(package, "-m", "longshore", "providers", "--json")
    assert done.returncode == 0, done.stderr
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["acme"]["distribution"] == "longshore-acme"
    assert {"geolens", "plangrep", "sendai", "subworkflow"} < set(found)


def test_the_plugins_own_tests_pass(package: Path) -> None:
    """Every crash point, every lost answer and the whole contract, as the page shows it."""
    done = python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 100


PROVIDER, TEST = "src/longshore_acme/__init__.py", "tests/test_acme.py"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((PROVIDER, ', key="Idempotency-Key"', ""), "ended as unknown"),
        ((TEST, "if key not in self.keys:", "if True:"), "2 vendor jobs work for batch"),
    ],
    ids=["no key", "keys forgotten"],
)
def test_it_can_fail(
    package: Path, tmp_path: Path, change: tuple[str, str, str], said: str
) -> None:
    """A plugin and a vendor that are broken as the page says lead to what the page says."""
    place, good, bad = change
    broken = tmp_path / "broken"
    shutil.copytree(package, broken)
    text = (broken / place).read_text("utf-8")
    assert text.count(good) == 1
    (broken / place).write_text(text.replace(good, bad), "utf-8")
    done = python(broken, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST)
    assert (done.returncode, said in done.stdout) == (1, True), done.stdout


def test_the_provider_is_as_short_as_the_page_says() -> None:
    """About thirty lines, without imports, docstrings and blank lines."""
    text = (ROOT / "tests/docs/examples/acme.py").read_text("utf-8")
    code = text[text.index("WORDS") :].splitlines()
    counted = [line for line in code if line.strip() and not line.strip().startswith('"""')]
    assert len(counted) <= 30
