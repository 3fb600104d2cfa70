"""What pytest gets with Longshore installed: cassettes as a fixture.

    from longshore.testing.cassettes import Scenario

    SCENARIOS = (Scenario("acme", "form", documents=(("a.pdf", b"%PDF-..."),), settings={...}),)

    @pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
    def test_the_wire(scenario, longshore_cassettes):
        longshore_cassettes.prove(scenario)

`pytest --longshore-record` records the cassettes from the provider's sandbox instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from longshore.testing.cassettes import Played, Scenario

__all__ = ["Cassettes", "longshore_cassettes"]

_FOLDER = "longshore_cassettes"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting."""
    parser.addini(_FOLDER, "where the cassettes of Longshore's scenarios lie", default="cassettes")
    parser.getgroup("longshore").addoption(
        "--longshore-record",
        action="store_true",
        help="record the cassettes from the sandboxes instead of replaying them",
    )


class Cassettes:
    """A folder of cassettes.

    Attributes:
        folder: below it each provider has a folder, and in it each scenario a file.
        recording: record instead of replaying.
    """

    def __init__(self, folder: Path, *, recording: bool = False) -> None:
        self.folder = folder
        self.recording = recording

    def play(self, scenario: Scenario) -> Played:
        """Replay a scenario against its cassette, or record it if that was asked for.

        Raises:
            CassetteMismatch: something else was sent than what was recorded, or less.
        """
        from longshore.testing.cassettes import record, replay

        return (record if self.recording else replay)(scenario, self.folder)

    def prove(self, scenario: Scenario) -> Played:
        """Play a scenario and compare what came of it with what it expects.

        Raises:
            AssertionError: it came out differently.
        """
        played = self.play(scenario)
        problems = scenario.problems(played)
        assert not problems, f"{scenario}: " + "; ".join(problems)
        return played

    def problems(self, scenario: Scenario, *, hosts: tuple[str, ...]) -> list[str]:
        """Return what must not be in the scenario's cassette; see ``problems_of``."""
        from longshore.testing.cassettes import problems_of

        return problems_of(scenario.path(self.folder), hosts=hosts, secrets=scenario.secrets())

    def orphans(self, scenarios: tuple[Scenario, ...]) -> list[Path]:
        """Return the cassettes that belong to no scenario."""
        wanted = {scenario.path(self.folder) for scenario in scenarios}
        return sorted(path for path in self.folder.rglob("*.yaml") if path not in wanted)


@pytest.fixture(scope="session")
def longshore_cassettes(pytestconfig: pytest.Config) -> Cassettes:
    """Return the project's cassettes: `prove(scenario)` replays one and checks the outcome."""
    folder = pytestconfig.rootpath / str(pytestconfig.getini(_FOLDER))
    return Cassettes(folder, recording=bool(pytestconfig.getoption("--longshore-record")))
