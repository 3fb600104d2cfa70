"""The house rules that a machine can check: rooms, packages, and what must not be in any file."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "longshore"
PROVIDERS = sorted((ROOT / "providers").glob("longshore_*"))
LONGEST_MODULE = 450

# From the ground floor up: a room imports only from rooms before it.
ROOMS = (
    "_closest",
    "_lazy",
    "_model",
    "units",
    "urls",
    "redaction",
    "errors",
    "_certificates",
    "_faults",
    "_shelf",
    "_switch",
    "documents",
    "sources",
    "capabilities",
    "lifecycle",
    "planning",
    "provider",
    "plugins",
    "targets",
    "transfer",
    "journal",
    "pipeline",
    "events",
    "evaluate",
    "migrate",
    "webhooks",
    "sandbox",
    "testing",
    "client",
    "longshore",  # the façade: core/longshore/__init__.py
    "cli",
    "__main__",
)

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "cassettes",
    "core",
    "docs",
    "providers",
    "pyproject.toml",
    "tests",
}

# In pieces, so that this file does not name them either.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("ghcr", "io"),
        ("docker", "io"),
    )
]

LOCK_FILE = re.compile(r"(.*\.lock|pylock.*\.toml|package-lock\.json|requirements.*\.txt)")
VENDOR = re.compile(r"plangrep|geolens|presigned-s3|subworkflow|send[ ._-]?ai\b|batch-tasks", re.I)


def modules(folder: Path) -> list[Path]:
    """Return the Python files of a folder, in a stable order."""
    return sorted(folder.rglob("*.py"))


def imports(module: Path) -> Iterator[str]:
    """Give every module name that a file imports, late imports included."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # ruff refuses relative imports
            yield from imported_from(node.module, [name.name for name in node.names])


def imported_from(module: str, names: list[str]) -> Iterator[str]:
    """Resolve `from longshore import x`, where x is a room or a name of the façade."""
    if module != "longshore":
        yield module
        return
    for name in names:
        yield f"longshore.{name}" if name in ROOMS else "longshore"


def room_of(module: Path) -> str:
    """Return the room of core/longshore that a file belongs to."""
    first = module.relative_to(CORE).parts[0].removesuffix(".py")
    return "longshore" if first == "__init__" else first


def room_named(name: str) -> str | None:
    """Return the room that an imported name lives in; None outside the core."""
    package, *rest = name.split(".")
    if package != "longshore":
        return None
    return rest[0] if rest else "longshore"


def tracked_files() -> list[Path]:
    """Return the files of the repository: tracked, or new and not ignored."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    names = {name for name in listed.decode().split("\0") if name}
    return [ROOT / name for name in sorted(names) if (ROOT / name).is_file()]


def test_rooms_import_only_from_the_floors_below() -> None:
    """Imports inside the core run one way."""
    wrong = []
    for module in modules(CORE):
        allowed = ROOMS[: ROOMS.index(room_of(module)) + 1]
        for name in imports(module):
            room = room_named(name)
            if room is not None and room not in allowed:
                wrong.append(f"{module.relative_to(ROOT)} imports {name}")

    assert wrong == []


def test_every_module_of_the_core_has_a_room() -> None:
    """A new room is put into the order on purpose, not by accident."""
    assert sorted({room_of(module) for module in modules(CORE)} - set(ROOMS)) == []


def test_the_core_imports_no_provider() -> None:
    """Providers are found as plugins, never by import."""
    wrong = [
        f"{module.relative_to(ROOT)} imports {name}"
        for module in modules(CORE)
        for name in imports(module)
        if name.startswith("longshore_")
    ]

    assert wrong == []


def test_the_core_names_no_vendor() -> None:
    """No vendor's name, host or field stands in the framework."""
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in modules(CORE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if VENDOR.search(line)
    ]

    assert wrong == []


def test_providers_import_only_the_contract() -> None:
    """A built-in provider needs no more of the core than a third party's plugin may use."""
    wrong = []
    for package in PROVIDERS:
        for module in modules(package):
            allowed = {"longshore.provider"}
            if "sandbox" in module.relative_to(package).parts[0]:
                allowed.add("longshore.sandbox")
            for name in imports(module):
                ours = name.split(".")[0]
                if ours == package.name or not ours.startswith("longshore"):
                    continue
                if name not in allowed:
                    wrong.append(f"{module.relative_to(ROOT)} imports {name}")

    assert wrong == []


def test_every_provider_package_is_registered() -> None:
    """The entry points name the folders of providers/, one for one."""
    registered = [
        point.value
        for point in entry_points(group="longshore.providers")
        if point.dist is not None and point.dist.name == "longshore"
    ]

    assert sorted(registered) == [package.name for package in PROVIDERS]


@pytest.mark.parametrize("package", [CORE, *PROVIDERS], ids=lambda package: package.name)
def test_every_package_is_typed(package: Path) -> None:
    """Type checkers of those who install it see the annotations."""
    assert (package / "py.typed").is_file()


def test_source_roots_are_no_packages() -> None:
    """core/ and providers/ are roots; an __init__.py there would break installs."""
    assert [root for root in ("core", "providers") if (ROOT / root / "__init__.py").exists()] == []


def test_no_module_grows_long() -> None:
    """What no longer fits is two things."""
    long = {
        str(module.relative_to(ROOT)): length
        for folder in ("benchmarks", "core", "providers", "tests")
        for module in modules(ROOT / folder)
        if (length := len(module.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }

    assert long == {}


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the business of whoever installs."""
    wrong = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked_files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    ]

    assert wrong == []


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Before Python 3.11.5, such a group keeps the beginning of what did not match."""
    wrong = [
        str(path.relative_to(ROOT))
        for root in ("core", "providers")
        for path in modules(ROOT / root)
        if re.search(r"\)[*+?]\+[^,]", path.read_text(encoding="utf-8"))
    ]

    assert wrong == []


def test_no_lock_file_is_tracked() -> None:
    """Ranges stand in pyproject.toml; a lock file would hold registry hosts."""
    assert [path.name for path in tracked_files() if LOCK_FILE.fullmatch(path.name)] == []


def test_the_top_level_stays_small() -> None:
    """The first look at the repository shows the house, nothing else."""
    found = {path.relative_to(ROOT).parts[0] for path in tracked_files()}

    assert sorted(name for name in found - TOP_LEVEL if not name.startswith(".")) == []


def test_hooks_before_a_commit_are_local() -> None:
    """A commit downloads nothing."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))

    assert {repository["repo"] for repository in config["repos"]} == {"local"}
