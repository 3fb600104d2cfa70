"""A run goes on with the settings it began with; secrets come freshly."""

from __future__ import annotations

from pathlib import Path

import pytest

from longshore.errors import ConfigurationError, UnknownTarget
from longshore.targets import secret_values
from tests.targets.tiny import resolve, resume

BEGUN = {
    "project": "begun",
    "meta": '{"a": "1"}',
    "tags": '["x"]',
    "timeout": "5m",
    "base_url": "https://begun.example",
    "names.part_url": "href",
    "api_key": "old-key",
}


def test_stored_settings_come_back(tmp_path: Path) -> None:
    """What was stored fills the same settings again, without any source."""
    begun = resolve(tmp_path, overrides=BEGUN)
    again = resume(tmp_path, begun.settings_public)

    assert begun.settings_public == again.settings_public
    assert (again.name, again.provider_name) == ("tiny", "tiny")
    assert secret_values(again.provider.settings) == ()


def test_stored_settings_win_over_file_and_environment(tmp_path: Path) -> None:
    """A changed file or variable does not change what a run does."""
    begun = resolve(tmp_path, overrides=BEGUN)
    (tmp_path / "longshore.toml").write_text(
        '[targets.tiny]\nproject = "new"\ntimeout = 1\nmeta = {b = "2"}\n'
    )
    environ = {
        "LONGSHORE_TINY_BASE_URL": "https://new.example",
        "LONGSHORE_TINY_META_C": "3",
        "LONGSHORE_TINY_NAMES_PARTS": "new",
    }

    assert (
        begun.settings_public
        == resume(tmp_path, begun.settings_public, environ=environ).settings_public
    )


def test_secrets_come_freshly(tmp_path: Path) -> None:
    """A key that was exchanged meanwhile is used, from any source; nested ones too."""
    stored = resolve(tmp_path, overrides=BEGUN).settings_public
    (tmp_path / "longshore.toml").write_text(
        '[targets.tiny]\ntoken = "env:TOKEN"\n'
        '[targets.tiny.names]\npass_phrase = "phrase"\nparts = "new"\n'
    )
    environ = {"LONGSHORE_TINY_API_KEY": "new-key", "TOKEN": "tok_new"}
    again = resume(tmp_path, stored, environ=environ)

    assert {"new-key", "tok_new", "phrase"} == set(secret_values(again.provider.settings))
    assert stored == again.settings_public


def test_how_to_talk_to_the_vendor_may_change(tmp_path: Path) -> None:
    """Time-outs and rates follow --set and the environment, but not the file."""
    stored = resolve(tmp_path, overrides=BEGUN).settings_public
    (tmp_path / "longshore.toml").write_text("[targets.tiny]\nmax_concurrency = 9\n")
    again = resume(
        tmp_path,
        stored,
        environ={"LONGSHORE_TINY_TIMEOUT": "30"},
        overrides={"poll_interval": "1", "base_url": "https://moved.example"},
    )
    changes = {"timeout": 30.0, "poll_interval": 1.0, "base_url": "https://moved.example"}

    assert {**stored, **changes} == again.settings_public


@pytest.mark.parametrize("given", [{"project": "x"}, {"meta.a": "2"}, {"names.parts": "x"}])
def test_what_the_run_does_may_not_change(tmp_path: Path, given: dict[str, str]) -> None:
    """A flag that cannot take effect is refused, not ignored."""
    stored = resolve(tmp_path, overrides=BEGUN).settings_public
    with pytest.raises(ConfigurationError, match="cannot change while a run is resumed"):
        resume(tmp_path, stored, overrides=given)


def test_a_name_that_went_to_another_provider_is_refused(tmp_path: Path) -> None:
    """The other provider's secrets must not go to this run's vendor."""
    (tmp_path / "longshore.toml").write_text('[targets.prod]\nprovider = "other"\napi_key = "k"')
    with pytest.raises(ConfigurationError, match="begun with 'tiny', but 'prod' is 'other' now"):
        resume(tmp_path, {}, "prod")


def test_a_target_that_left_the_file_can_be_resumed(tmp_path: Path) -> None:
    """The run itself knows its provider; its name still gives the variables."""
    again = resume(tmp_path, {}, "prod", environ={"LONGSHORE_PROD_API_KEY": "new-key"})

    assert (again.name, again.provider_name) == ("prod", "tiny")
    assert secret_values(again.provider.settings) == ("new-key",)


def test_a_provider_that_is_gone_is_named(tmp_path: Path) -> None:
    """An uninstalled plugin is an unknown target."""
    with pytest.raises(UnknownTarget, match="no provider is named 'gone'"):
        resume(tmp_path, {}, provider_name="gone")


def test_an_unknown_stored_setting_is_traced(tmp_path: Path) -> None:
    """Settings of another version of the plugin are named as what they are."""
    with pytest.raises(ConfigurationError, match=r"'colour' \(kept with the run\)"):
        resume(tmp_path, {"colour": "red"})
