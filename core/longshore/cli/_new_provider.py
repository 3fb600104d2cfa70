"""``new-provider``: make a package for a vendor that Longshore does not know yet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from longshore.cli._command import command
from longshore.cli._terminal import Terminal
from longshore.cli._text import printable
from longshore.errors import UsageError

__all__ = ["new_provider"]

PAGES = "docs/how-to/write-a-provider.md, docs/how-to/test-a-plugin.md"


@command("longshore new-provider acme", "longshore new-provider acme-docs --json")
def new_provider(
    terminal: Terminal,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="What users will type after --to: lower-case letters, digits, '-'."
        ),
    ],
) -> int:
    """Make the package of a new provider in the folder longshore-NAME: typed, tested, to install.

    Its provider sends one form for each document and polls; its sandbox and its tests pass as
    they are. Change them to what the vendor's documentation says: the places say LOOK UP.
    """
    from longshore.cli._scaffold import package_files, write_package

    _check(name)
    folder, made = Path(f"longshore-{name}"), package_files(name)
    try:
        write_package(folder, made)
    except FileExistsError:
        raise UsageError(
            f"{folder} is here already; nothing was written",
            hint="choose another name, or go to another folder",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}; nothing is left of it",
            hint="go to a folder that you may write to, on a disk with room",
        ) from None
    terminal.line({
        "event": "new_provider", "folder": str(folder), "files": list(made), "provider": name,
    })  # fmt: skip
    terminal.say(f"{folder}/")
    for path in made:
        terminal.say(f"  {path}")
    terminal.say()
    for step, why in _steps(folder, made, name):
        terminal.say(f"{step:<46}  # {why}")
    terminal.say(f"\nread on: {PAGES}")
    return 0


def _steps(folder: Path, made: dict[str, str], name: str) -> list[tuple[str, str]]:
    provider = next(path for path in made if path.endswith("__init__.py"))
    return [
        (f"cd {folder}", "all the rest happens there"),
        ("pip install -e '.[test]'", "beside Longshore, in the same environment"),
        ("longshore providers", f"now lists {name}"),
        ("pytest", "green; it stays so, or says what is wrong"),
        (f"grep -rn 'LOOK UP' {provider.split('/')[0]}", "what only the vendor can tell"),
    ]


def _check(name: str) -> None:
    """Make sure that a provider can have this name.

    Raises:
        UsageError: it is malformed, or another provider has it.
    """
    from longshore.cli._scaffold import NAME
    from longshore.plugins import load_plugins

    if not NAME.fullmatch(name):
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "acme"
        raise UsageError(
            f"{printable(name)!r} is no name of a provider: "
            "it may have lower-case letters, digits, and single hyphens between them",
            hint=f"for example longshore new-provider {better}",
        )
    plugins = load_plugins()
    owner = plugins.aliases.get(name, name)
    if owner in plugins.providers():
        also = "" if owner == name else f", which is another name of {owner}"
        source = plugins.info(owner).distribution
        by = f" by the package {source}" if source else ""
        raise UsageError(
            f"the name {name!r} is taken{by}{also}; nothing was written",
            hint=f"longshore providers show {name} shows what is there; or choose another name",
        )
    if any(left_out.entry_point == name for left_out in plugins.quarantined):
        raise UsageError(
            f"a plugin {name!r} is installed already, and not used; nothing was written",
            hint="longshore providers says why it is left out",
        )
