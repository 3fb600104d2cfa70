"""Reading the pages: blocks of code, links, and the parts that are made from the code.

`python -m tests.docs.pages` writes those parts anew:

    <!-- file: PATH -->             the next block of code is this file
    <!-- file: PATH from: TEXT -->  ... from the first line that begins with TEXT
    <!-- new-provider: PATH -->     the next block is this file of `longshore new-provider acme`
    <!-- help: COMMAND -->          up to <!-- end -->: usage and options of a command
    <!-- errors -->                 up to <!-- end -->: the table of error kinds
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from longshore import errors
from longshore.cli._app import COMMANDS, app
from longshore.cli._scaffold import package_files

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md")))

_FENCE = re.compile(
    r"(?P<marks>(?:<!--[^\n]*-->\n)*)```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_MADE = re.compile(r"(<!-- (help: [\w -]+|errors) -->\n)(.*?)(<!-- end -->)", re.S)
_SHELLS = frozenset({"sh", "bash", "console"})
EVERYWHERE = frozenset({
    "--json", "--journal", "--config", "--quiet", "--verbose", "--help", "--install-completion",
    "--show-completion",
})  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        marks: the comments right above it.
    """

    page: Path
    line: int
    kind: str
    text: str
    marks: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def mark(self, name: str) -> str | None:
        """Return what a comment above the block says after its name."""
        found = re.search(rf"<!-- {name}:? ?(.*?) *-->", self.marks)
        return found[1] if found else None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("kind")) + 1
        yield Block(page, line, found["kind"], found["text"], found["marks"])


def python_blocks() -> list[Block]:
    """Return every block of Python on every page."""
    return [block for page in PAGES for block in blocks(page) if block.kind == "python"]


def command_lines() -> list[tuple[Block, list[str]]]:
    """Return every call of longshore in every block of shell, as arguments."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            if block.kind in _SHELLS:
                found += [(block, words) for words in calls(block.text)]
    return found


_ENDS = ("|", ">", ">>", "2>", "&&", ";", "&")


def calls(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of longshore in a piece of shell."""
    for typed in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"^(\$ |[\w]+=\S+ )+", "", typed.strip())
        if line.startswith("longshore "):
            words = shlex.split(line.removesuffix(" &"), comments=True)[1:]
            ends = [n for n, word in enumerate(words) if word in _ENDS]
            yield words[: min(ends, default=len(words))]


# ------------------------------------------------------------------------- what is made


def made(text: str) -> str:
    """Return a page with the parts that come from the code written anew."""
    text = _MADE.sub(lambda found: f"{found[1]}{_part(found[2])}{found[4]}", text)
    return _FENCE.sub(_with_file, text)


def _with_file(found: re.Match[str]) -> str:
    mark = re.search(r"<!-- file: (\S+)(?: from: (.+?))? -->", found["marks"])
    new = re.search(r"<!-- new-provider: (\S+) -->", found["marks"])
    if new is not None:
        return f"{found['marks']}```{found['kind']}\n{package_files('acme')[new[1]]}```"
    if mark is None:
        return found[0]
    source = (ROOT / mark[1]).read_text("utf-8")
    if mark[2]:
        source = source[source.index("\n" + mark[2]) + 1 :]
    return f"{found['marks']}```{found['kind']}\n{source}```"


def _part(what: str) -> str:
    return _errors() if what == "errors" else _help(what.removeprefix("help: "))


def _errors() -> str:
    rows = ["| `kind` | exception | meaning |", "| --- | --- | --- |"]
    for name in sorted(errors.__all__, key=lambda name: _depth_first(getattr(errors, name))):
        kind = getattr(errors, name)
        meaning = str(kind.__doc__).partition("\n")[0].replace("``", "`")
        rows.append(f"| `{kind.kind}` | `{name}` ({kind.__base__.__name__}) | {meaning} |")
    return "\n".join(rows) + "\n"


def _depth_first(kind: type) -> list[str]:
    line = [c for c in reversed(kind.__mro__) if issubclass(c, errors.LongshoreError)]
    order = re.findall(r"[├└]── (\w+)", str(errors.__doc__))
    return [f"{order.index(c.__name__):02}" for c in line[1:]]


def command_of(name: str) -> Any:
    """Return a command, or a command of a command: `providers show`."""
    command: Any = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    return command


def all_commands() -> list[str]:
    """Return the names of all commands, with those below others."""
    found = []
    for name in COMMANDS:
        found.append(name)
        found += [f"{name} {below}" for below in getattr(command_of(name), "commands", {})]
    return found


def _help(name: str) -> str:
    command = command_of(name)
    arguments, rows = [], []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            word = parameter.metavar + ("..." if parameter.nargs != 1 else "")
            arguments.append(word if parameter.required else f"[{word}]")
        elif not EVERYWHERE & set(parameter.opts):
            flags = "/".join([*parameter.opts, *parameter.secondary_opts])
            value = parameter.metavar or _choices(parameter)
            needed = " (needed)" if parameter.required else ""
            words = " ".join(str(parameter.help or "").split())
            option = f"{flags} {value}".strip().replace("|", r"\|")
            rows.append(f"| `{option}`{needed} | {words} |")
    usage = " ".join(["longshore", name, *arguments])
    lines = ["", f"`{usage}`", "", *command.help.strip().splitlines(), ""]
    if rows:
        lines += ["| option | |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def _choices(parameter: Any) -> str:
    """Return `hold|resend`, or nothing for a flag; what holds the words differs by version."""
    if parameter.is_flag:
        return ""
    kind = getattr(parameter, "type", None) or getattr(parameter, "type_descriptor", None)
    return "|".join(map(str, getattr(kind, "choices", None) or ("VALUE",)))


if __name__ == "__main__":
    for page in PAGES:
        before = page.read_text("utf-8")
        after = made(before)
        if after != before:
            page.write_text(after, "utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
