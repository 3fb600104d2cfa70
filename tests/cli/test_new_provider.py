"""`new-provider`: a package that works as it is, or nothing at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

from longshore.cli._scaffold import NAME, package_files, write_package
from longshore.plugins import Plugins, load_plugins
from longshore.provider import Card, hookimpl
from tests.cli.conftest import Shore
from tests.cli.packages import make_package, python

NAMES = ("acme", "acme-docs")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package for each name, installed."""
    return {name: make_package(tmp_path_factory.mktemp("made"), name) for name in NAMES}


# ------------------------------------------------------------------------- what is made


@pytest.mark.process
@pytest.mark.parametrize("name", NAMES)
def test_its_tests_pass_as_they_are(packages: dict[str, Path], name: str) -> None:
    """The whole contract, every crash point and every lost answer."""
    done = python(packages[name], "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 100


@pytest.mark.process
@pytest.mark.parametrize("name", NAMES)
def test_longshore_finds_it(packages: dict[str, Path], name: str) -> None:
    """The entry point is enough; its settings and its sandbox can be asked for."""
    done = python(packages[name], "-m", "longshore", "providers", "--json")
    assert done.returncode == 0, done.stderr
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found[name]["distribution"] == f"longshore-{name}"
    assert {"geolens", "plangrep", "sendai", "subworkflow"} < set(found)

    shown = python(packages[name], "-m", "longshore", "providers", "show", name, "--json")
    variables = [each["variable"] for each in json.loads(shown.stdout)["settings"]]
    assert f"LONGSHORE_{name.replace('-', '_').upper()}_BASE_URL" in variables

    assumed = python(
        packages[name], "-m", "longshore", "sandbox", "--provider", name, "--assumptions"
    )
    assert (assumed.returncode, "queued:0.1,working:0.3,done" in assumed.stdout) == (0, True)


@pytest.mark.process
def test_a_name_that_is_installed_is_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    """Also one that is no longer in this folder."""
    package = packages["acme"]
    code = (
        "import os, sys; os.chdir(sys.argv[1]); from longshore.cli import main;"
        "sys.exit(main(['new-provider', 'acme']))"
    )
    done = python(package, "-c", code, str(tmp_path))
    assert done.returncode == 2
    assert "the name 'acme' is taken by the package longshore-acme" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.timeout(120)
def test_it_is_typed_and_tidy(
    packages: dict[str, Path], pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Mypy and ruff have nothing to say, with the settings that the packages bring."""
    cache = getattr(pytestconfig, "cache", None)  # the second time takes a second
    kept = cache.mkdir("new-provider") if cache else tmp_path
    core = Path(__file__).parents[2] / "core"
    rules = ["--select", "E,F,I,D,RUF", "--ignore", "D203,D213", "--line-length", "100"]
    calls = (
        ["ruff", "check", "--isolated", *rules],
        ["ruff", "format", "--isolated", "--check", "--line-length", "100"],
        ["mypy", "--cache-dir", str(kept)],
    )
    for package, call in product(packages.values(), calls):
        done = subprocess.run(
            [sys.executable, "-m", *call, "src", "tests"],
            cwd=package,
            env={**os.environ, "MYPYPATH": f"{package / 'src'}:{core}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["3m", "file", "none", "what", "provider"])
def test_the_class_hides_nothing(name: str) -> None:
    """What is no name of a class, or one that the files use already, becomes another."""
    for path, text in package_files(name).items():
        if path.endswith(".py"):
            compile(text, path, "exec")
    provider = package_files(name)[f"src/longshore_{name}/__init__.py"]
    assert f"class Vendor{name.capitalize()}(Provider):" in provider


# ------------------------------------------------------------------------- what is said


def test_what_was_written_and_what_comes_next_is_said(empty_shore: Shore) -> None:
    """On stdout, also when it is to be quiet: every file, and the commands to type."""
    ended = empty_shore.run("new-provider", "acme", "--quiet")
    folder = empty_shore.folder / "longshore-acme"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert (ended.code, ended.err) == (0, "")
    assert written == set(package_files("acme"))
    for words in (*written, "cd longshore-acme", "pip install -e", "longshore providers", "pytest"):
        assert words in ended.out
    assert "docs/how-to/write-a-provider.md" in ended.out


def test_the_pages_that_it_names_are_there(empty_shore: Shore) -> None:
    """A reader of the last line finds what it leads to."""
    named = re.findall(r"docs/\S+\.md", empty_shore.run("new-provider", "acme").out)
    root = Path(__file__).parents[2]
    assert [bool(page) and (root / page).is_file() for page in named] == [True, True]


def test_scripts_get_one_object(empty_shore: Shore) -> None:
    """The folder, the files in it and the name."""
    ended = empty_shore.run("new-provider", "acme-docs", "--json")
    (line,) = ended.lines
    assert (ended.code, ended.err) == (0, "")
    assert line == {
        "event": "new_provider",
        "folder": "longshore-acme-docs",
        "files": list(package_files("acme-docs")),
        "provider": "acme-docs",
    }


# ------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("Acme_Docs", "'Acme_Docs' is no name of a provider", "new-provider acme-docs"),
        ("../acme", "'../acme' is no name of a provider", "new-provider acme"),
        ("", "'' is no name of a provider", "new-provider acme"),
        ("acme\n", r"'acme\\n' is no name of a provider", "new-provider acme"),
        ("sendai", "'sendai' is taken by the package longshore;", "providers show sendai"),
        ("batch-tasks", "which is another name of sendai", "providers show batch-tasks"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    empty_shore: Shore, name: str, message: str, hint: str
) -> None:
    """With the reason and a next step; nothing is written."""
    ended = empty_shore.run("new-provider", name, "--json")
    assert (ended.code, ended.out, list(empty_shore.folder.iterdir())) == (2, "", [])
    said, next_step = ended.err.splitlines()
    assert message in said
    assert hint in next_step


def test_a_plugin_that_is_not_used_has_its_name_all_the_same(
    empty_shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packages of one name would be in each other's way."""
    broken = ModuleType("acme")
    plugins = Plugins.of(broken)
    monkeypatch.setattr("longshore.plugins.load_plugins", lambda: plugins)
    ended = empty_shore.run("new-provider", "acme")
    assert (ended.code, list(empty_shore.folder.iterdir())) == (2, [])
    assert "a plugin 'acme' is installed already, and not used" in ended.err


@pytest.mark.parametrize(
    "name", ["acme", "acme-docs", "3m", "a--b", "-a", "a-", "Acme", "a_b", "a.b", "", "é", "a b"]
)
def test_names_are_those_that_discovery_takes(name: str) -> None:
    """What is made is not left out for its name afterwards, and nothing is refused for nothing."""
    plugin = ModuleType("plugin")
    vars(plugin)["longshore_providers"] = hookimpl(
        lambda: [Card(name, "nowhere:Nobody")], specname="longshore_providers"
    )
    assert bool(NAME.fullmatch(name)) == (name in Plugins.of(plugin).providers())


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_what_is_there_stays_as_it_is(empty_shore: Shore, what: str) -> None:
    """Be it a folder, a file or a link that leads nowhere."""
    place = empty_shore.folder / "longshore-acme"
    if what == "folder":
        place.mkdir()
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    ended = empty_shore.run("new-provider", "acme")
    assert ended.code == 2
    assert "longshore: longshore-acme is here already; nothing was written\nhint: " in ended.err
    left = list(empty_shore.folder.rglob("*"))
    assert left == [place]


def test_a_half_written_folder_is_removed(
    empty_shore: Shore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after the third file."""
    write = Path.write_text
    written: list[Path] = []

    def full(path: Path, text: str, *rest: str, **options: str) -> int:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, text, *rest, **options)

    monkeypatch.setattr(Path, "write_text", full)
    ended = empty_shore.run("new-provider", "acme")
    assert (ended.code, len(written)) == (2, 3)
    assert "longshore-acme cannot be written: No space left on device" in ended.err
    assert list(empty_shore.folder.iterdir()) == []


def test_an_interrupted_one_is_removed(tmp_path: Path) -> None:
    """Ctrl-C between two files."""

    class Interrupted(dict[str, str]):
        def items(self):  # type: ignore[no-untyped-def]
            yield "a.py", ""
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_package(tmp_path / "longshore-acme", Interrupted())
    assert list(tmp_path.iterdir()) == []


def test_none_of_the_names_of_these_tests_is_installed() -> None:
    """Else the tests above would prove nothing."""
    assert [name for name in NAMES if name in load_plugins().providers()] == []
