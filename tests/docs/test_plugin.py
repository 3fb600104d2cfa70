"""What the how-to pages say of the package that they show: `longshore new-provider acme`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from longshore.cli._scaffold import package_files
from tests.cli.packages import make_package, python
from tests.docs.pages import PAGES, blocks

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that the pages show, installed."""
    return make_package(tmp_path_factory.mktemp("plugin"), "acme")


def test_the_pages_show_what_the_command_writes() -> None:
    """Word for word: the project, the provider, the sandbox and the tests."""
    shown = {
        place: block.text
        for page in PAGES
        for block in blocks(page)
        if (place := block.mark("new-provider"))
    }
    made = package_files("acme")
    assert shown == {path: made[path] for path in made if path.endswith((".toml", ".py"))}


PROVIDER, SANDBOX = "src/longshore_acme/__init__.py", "src/longshore_acme/sandbox.py"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((PROVIDER, ', key="Idempotency-Key"', ""), "ended as unknown"),
        ((SANDBOX, "if key not in self.keys:", "if True:"), "2 vendor jobs work for batch"),
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
    done = python(broken, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "fault")
    assert (done.returncode, said in done.stdout) == (1, True), done.stdout


def test_the_provider_is_as_short_as_the_page_says() -> None:
    """About thirty lines, without imports, words and the hook of the sandbox."""
    text = package_files("acme")[PROVIDER]
    code = text[text.index("WORDS") : text.index("@hookimpl\ndef longshore_sandbox")].splitlines()
    counted = [line for line in code if line.strip() and line.strip()[0] not in '"#']
    assert len(counted) <= 30
