"""What the vendors leave open: each choice has a switch, and each switch is in the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from longshore.sandbox import Assumption, Vendor
from longshore_geolens.sandbox import GeoLensSandbox
from longshore_plangrep.sandbox import PlangrepSandbox
from longshore_sendai.sandbox import SendaiSandbox
from longshore_subworkflow.sandbox import SubworkflowSandbox

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "providers"
SANDBOXES = (GeoLensSandbox, PlangrepSandbox, SendaiSandbox, SubworkflowSandbox)


def written(value: object) -> str:
    """Write a value as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def row(assumption: Assumption) -> str:
    """Return the line of the page's table for one switch."""
    default = f"`{written(assumption.default)}`" if assumption.default != "" else ""
    others = [f"`{written(c)}`" for c in assumption.choices if c != assumption.default]
    either = f"; or {', '.join(others)}" if others else ""
    return f"| `{assumption.name}` | {default}{either} | {assumption.description} |"


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_every_switch_of_a_sandbox_is_in_its_reference(sandbox: type[Vendor]) -> None:
    """With its default, its choices and what it decides; nothing that is gone is left there."""
    page = (PAGES / f"{sandbox.name}.md").read_text("utf-8")
    table = page.partition("| switch | default | what it decides |\n| --- | --- | --- |\n")[2]

    assert table.partition("\n\n")[0].splitlines() == [row(each) for each in sandbox.table]


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_every_switch_says_why_it_is_one(sandbox: type[Vendor]) -> None:
    """An assumption without a reason would be a fact without a source."""
    assert [each.name for each in sandbox.table if not (each.description and each.source)] == []
    assert len({each.name for each in sandbox.table}) == len(sandbox.table)
