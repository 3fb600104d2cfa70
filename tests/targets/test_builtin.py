"""The built-in providers as targets, and the examples of the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import certifi
import pytest

from longshore.errors import ConfigurationError
from longshore.plugins import load_plugins
from longshore.targets import (
    REFRESHED,
    load_config,
    require,
    resolve_for_resume,
    resolve_target,
)

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "how-to" / "configure-targets.md", DOCS / "reference" / "settings.md")
REFERENCE = PAGES[1].read_text("utf-8")


def resolve(folder: Path, name: str, given: dict[str, str], **environ: str) -> Any:
    """Resolve a built-in target with nothing but what is given."""
    nowhere = {"XDG_CONFIG_HOME": str(folder / "none")}
    return resolve_target(name, overrides=given, environ={**nowhere, **environ}, cwd=folder)


def test_all_four_work() -> None:
    """The built-in providers register as any plugin does, and none is left out."""
    assert list(load_plugins().providers()) == ["geolens", "plangrep", "sendai", "subworkflow"]
    assert load_plugins().quarantined == ()


def test_nested_settings_come_from_the_environment(tmp_path: Path) -> None:
    """The names that nobody documents can be set one by one."""
    environ = {"LONGSHORE_PLANGREP_SIGNED_FIELDS_PART_URL": "href"}
    target = resolve(tmp_path, "plangrep", {"signed_fields.parts": "pieces"}, **environ)

    assert target.provider.settings.signed_fields.part_url == "href"
    assert target.provider.settings.signed_fields.parts == "pieces"


def test_mappings_come_as_json_or_by_entry(tmp_path: Path) -> None:
    """As JSON text in a variable, by a dotted flag, or as the one word that is meant for all."""
    environ = {"LONGSHORE_SENDAI_META": '{"a": "1"}'}
    sendai = resolve(tmp_path, "sendai", {"meta.b": "2"}, **environ).provider.settings
    assert sendai.meta == {"a": "1", "b": "2"}

    kinds = '{"*.dwg": "plans"}'
    plangrep = resolve(tmp_path, "plangrep", {"classification": kinds}).provider.settings
    assert plangrep.classification == {"*.dwg": "plans"}
    plangrep = resolve(tmp_path, "plangrep", {"classification": "plans"}).provider.settings
    assert plangrep.classification == "plans"


def test_an_alias_has_its_own_variables(tmp_path: Path) -> None:
    """The name typed decides; the provider's name is no fallback."""
    environ = {
        "LONGSHORE_PRESIGNED_S3_BASE_URL": "http://here:1/api",
        "LONGSHORE_GEOLENS_API_KEY": "k",
    }
    target = resolve(tmp_path, "presigned-s3", {}, **environ)
    assert (target.name, target.provider_name) == ("presigned-s3", "geolens")
    assert target.provider.settings.base_url == "http://here:1/api"

    words = "no API key or token for target 'presigned-s3'"
    with pytest.raises(ConfigurationError, match=words) as caught:
        require(target)
    assert "LONGSHORE_PRESIGNED_S3_API_KEY" in caught.value.hint


def test_what_would_do_in_place_of_a_missing_setting_is_named(tmp_path: Path) -> None:
    """Whoever has a project's id need not think that its name is asked for."""
    with pytest.raises(ConfigurationError) as caught:
        require(resolve(tmp_path, "plangrep", {"api_key": "k"}))
    assert caught.value.message == "no project_name or project_id for target 'plangrep'"
    require(resolve(tmp_path, "plangrep", {"api_key": "k", "project_id": "proj_1"}))


@pytest.mark.parametrize("name", ["geolens", "plangrep", "sendai", "subworkflow"])
def test_settings_survive_the_journal(tmp_path: Path, name: str) -> None:
    """What a run keeps fills the same settings again."""
    target = resolve(tmp_path, name, {"api_key": "k", "timeout": "5m"})
    again = resolve_for_resume(
        name, target.settings_public, provider_name=name, environ={}, cwd=tmp_path,
        overrides={"api_key": "k"},
    )  # fmt: skip

    assert target.provider.settings == again.provider.settings


# ------------------------------------------------------------------------- the documentation


def examples(page: Path) -> list[str]:
    """Return the TOML examples of a page."""
    return re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.S)


@pytest.mark.parametrize(
    "text", [text for page in PAGES for text in examples(page)], ids=lambda text: text[:30]
)
def test_each_example_of_the_docs_works(tmp_path: Path, text: str) -> None:
    """Every target of every example can be resolved and lacks nothing."""
    text = re.sub('ca_bundle = ".*"', f"ca_bundle = '{certifi.where()}'", text)
    (tmp_path / "longshore.toml").write_text(text, "utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "archive.key").write_text("k")
    (tmp_path / "secrets" / "archive.key").chmod(0o600)
    names = load_config(None, cwd=tmp_path, environ={}).targets
    assert names
    for name in names:
        key = {f"LONGSHORE_{name.upper().replace('-', '_')}_API_KEY": "k"}
        fresh = {} if f"[targets.{name}]\n" in text and "file:" in text else key
        require(resolve(tmp_path, name, {}, PLANGREP_KEY="k", **fresh))


@pytest.mark.parametrize("name", ["geolens", "plangrep", "sendai", "subworkflow"])
def test_the_reference_names_every_setting(name: str) -> None:
    """No setting is undocumented."""
    settings = load_plugins().provider(name).Settings
    undocumented = [field for field in settings.model_fields if f"`{field}`" not in REFERENCE]

    assert undocumented == []


def test_the_reference_names_what_may_change_at_resume() -> None:
    """The rule of the code stands on the page."""
    section = REFERENCE.partition("## Resuming")[2]

    assert [field for field in REFRESHED if f"`{field}`" not in section] == []
