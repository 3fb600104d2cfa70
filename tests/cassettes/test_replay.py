"""What goes over the wire, proved against the cassettes with the network blocked."""

from __future__ import annotations

import pytest

from longshore.testing.cassettes import Scenario, read_header, record
from longshore.testing.plugin import Cassettes
from tests.cassettes.scenarios import HOSTS, SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_wire_is_as_recorded(scenario: Scenario, longshore_cassettes: Cassettes) -> None:
    """Every request is the recorded one, every answer is used once, and the outcome is right."""
    longshore_cassettes.prove(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_recording_again_gives_the_same_bytes(
    scenario: Scenario, longshore_cassettes: Cassettes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`make record` changes nothing when nothing has changed."""
    folder = tmp_path_factory.mktemp("cassettes")

    record(scenario, folder)

    committed = scenario.path(longshore_cassettes.folder).read_bytes()
    assert committed == scenario.path(folder).read_bytes()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_cassettes_hold_nothing_that_must_not_be_shown(
    scenario: Scenario, longshore_cassettes: Cassettes
) -> None:
    """No secret, nothing binary, nothing large, no host but the vendor's."""
    hosts = HOSTS[scenario.provider]

    assert longshore_cassettes.problems(scenario, hosts=hosts) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_cassettes_say_what_they_are_worth(
    scenario: Scenario, longshore_cassettes: Cassettes
) -> None:
    """A recording of a sandbox names itself one, with the documents that were carried."""
    header = read_header(scenario.path(longshore_cassettes.folder))

    assert header == scenario.header(scenario.vendor())


def test_no_cassette_is_an_orphan(longshore_cassettes: Cassettes) -> None:
    """What no scenario plays is deleted."""
    assert longshore_cassettes.orphans(SCENARIOS) == []


def test_every_scenario_has_a_name_of_its_own() -> None:
    """Two scenarios of one name would share a file."""
    names = [str(scenario) for scenario in SCENARIOS]

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("provider", sorted(HOSTS))
def test_every_provider_is_covered(provider: str) -> None:
    """Each has a retry after 429, an error of wrong keys, and a poll that walks."""
    own = [scenario for scenario in SCENARIOS if scenario.provider == provider]

    assert [s.name for s in own if s.name == "retry-429"] == ["retry-429"]
    assert [s.trouble for s in own if s.name == "error-401"] == ["Unauthorized"]
    assert [len(s.words) > 1 for s in own if s.name == "poll"] == [True]
