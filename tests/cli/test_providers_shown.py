"""What `providers show` and `providers check` write for people: settings and setup, as words."""

from __future__ import annotations

from tests.cli.conftest import Shore


def test_each_entry_of_a_setting_has_its_line(empty_shore: Shore) -> None:
    """With its variable, as it can be typed; scripts still get one object for the setting."""
    shown = empty_shore.bare("providers", "show", "plangrep")
    (line,) = empty_shore.bare("providers", "show", "plangrep", "--json").lines
    (fields,) = [each for each in line["settings"] if each["name"] == "signed_fields"]

    told = [text.split() for text in shown.out.splitlines()]
    variable = "LONGSHORE_PLANGREP_SIGNED_FIELDS_PART_URL"
    assert [variable, "--set", "signed_fields.part_url", "(uploadUrl)"] in told
    assert ["LONGSHORE_PLANGREP_VERIFY", "--set", "verify", "(true)"] in told
    assert ["LONGSHORE_PLANGREP_PROJECT_ID", "--set", "project_id"] in told
    assert "{" not in shown.out
    assert fields["default"]["part_url"] == "uploadUrl"


def test_what_the_vendor_does_not_tell_is_not_shown(shore: Shore) -> None:
    """A server without quotas: no `remaining_dataset_quota: None`."""
    checked = shore.bare("providers", "check", "geolens")

    assert checked.code == 0
    assert "the settings are complete" in checked.out
    assert "None" not in checked.out
