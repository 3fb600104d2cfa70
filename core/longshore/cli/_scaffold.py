"""The files of a new provider's package, made from the templates in ``new_provider/``.

The how-to pages show what is made for ``acme``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from string import Template

__all__ = ["NAME", "package_files", "write_package"]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""What a provider may be called; discovery leaves out those with other names."""

_FILES = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "src/$package/__init__.py": "provider.py",
    "src/$package/py.typed": "",
    "src/$package/sandbox.py": "sandbox.py",
    "tests/test_$module.py": "test.py",
}
"""Where a file lies in the package, and the template that it is made from; "" is an empty one."""


def package_files(name: str) -> dict[str, str]:
    """Return the files of a provider's package, path -> text, for a name of the form ``NAME``."""
    folder = files("longshore.cli") / "new_provider"
    templates = {
        made_from: (folder / f"{made_from}.template").read_text("utf-8")
        for made_from in _FILES.values()
        if made_from
    }
    words = _words(name, "".join(templates.values()))
    return {
        Template(path).substitute(words): Template(templates.get(made_from, "")).substitute(words)
        for path, made_from in _FILES.items()
    }


def _words(name: str, templates: str) -> dict[str, str]:
    """Return all spellings of a name; the class shares its own with nothing that is imported."""
    module = name.replace("-", "_")
    parts = [part.capitalize() for part in name.split("-")]
    kind = "".join(parts)
    if not kind.isidentifier() or iskeyword(kind) or re.search(rf"\b{kind}\b", templates):
        kind = f"Vendor{kind}"
    return {
        "name": name,
        "module": module,
        "package": f"longshore_{module}",
        "distribution": f"longshore-{name}",
        "kind": kind,
        "title": " ".join(parts),
        "prefix": f"LONGSHORE_{module.upper()}",
    }


def write_package(folder: Path, made: Mapping[str, str]) -> None:
    """Write the files into a folder that is not there yet: all of them, or nothing.

    Raises:
        FileExistsError: something has that name already; it stays as it is.
        OSError: they cannot be written.
    """
    folder.mkdir()
    try:
        for path, text in made.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", newline="\n")
    except BaseException:  # Ctrl-C, too
        shutil.rmtree(folder, ignore_errors=True)
        raise
