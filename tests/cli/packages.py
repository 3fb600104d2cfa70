"""Packages of `longshore new-provider`, installed outside of Longshore as their author has them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from contextlib import chdir
from pathlib import Path

from longshore.cli import main

__all__ = ["make_package", "python"]


def make_package(parent: Path, name: str) -> Path:
    """Make a provider's package with the command, and install it without an installer.

    An installer would ask a package registry for the build system; what it leaves behind is a
    folder on the path and one with the metadata, so those are made here.
    """
    with chdir(parent):
        assert main(["new-provider", name]) == 0
    folder = parent / f"longshore-{name}"
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    module = project["name"].replace("-", "_")
    metadata = folder / "src" / f"{module}-{project['version']}.dist-info"
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
    """Run Python in a package's folder, with the package installed."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(package / "src")},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
