"""Secrets: references are followed, values stay out of everything that is shown or stored."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from longshore.errors import ConfigurationError
from longshore.targets import public_settings, secret_values
from tests.targets.tiny import resolve


def key(folder: Path, reference: str, **environ: str) -> str:
    """Return the API key that a reference leads to."""
    target = resolve(folder, overrides={"api_key": reference}, environ=environ)
    found = target.provider.settings.api_key
    assert found is not None
    return str(found.get_secret_value())


def refused(folder: Path, reference: str, **environ: str) -> str:
    """Return the message that a reference ends with."""
    with pytest.raises(ConfigurationError) as caught:
        key(folder, reference, **environ)
    return caught.value.message


def test_a_variable_holds_the_secret(tmp_path: Path) -> None:
    """env:NAME reads another variable."""
    assert key(tmp_path, "env:MY_KEY", MY_KEY="s3cret") == "s3cret"


def test_a_file_holds_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """file:PATH reads a file without its last line end; ~ is the home folder."""
    (tmp_path / "key").write_text(" s3cret \n")
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert key(tmp_path, f"file:{tmp_path / 'key'}") == " s3cret "
    assert key(tmp_path / "elsewhere", "file:~/key") == " s3cret "


def test_a_relative_path_starts_at_its_file(tmp_path: Path) -> None:
    """A path in longshore.toml is relative to it, not to the working folder."""
    (tmp_path / "key").write_text("s3cret")
    (tmp_path / "longshore.toml").write_text('[targets.tiny]\napi_key = "file:key"')
    deep = tmp_path / "deep"
    deep.mkdir()

    assert secret_values(resolve(deep).provider.settings) == ("s3cret",)


def test_an_open_file_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A secret that other users may read is used, with a warning that does not show it."""
    path = tmp_path / "key"
    path.write_text("s3cret")
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        key(tmp_path, f"file:{path}")

    assert "chmod 600" in caplog.text
    assert "s3cret" not in caplog.text


def test_references_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    """A missing or empty variable or file is an error with its name and the setting."""
    (tmp_path / "empty").write_text("\n")

    assert refused(tmp_path, "env:NOPE") == (
        "the environment variable 'NOPE' is not set (api_key, given for target 'tiny')"
    )
    assert "'NOPE' is empty" in refused(tmp_path, "env:NOPE", NOPE="")
    assert f"{tmp_path / 'nope'} cannot be read" in refused(tmp_path, "file:nope")
    assert f"{tmp_path / 'empty'} is empty" in refused(tmp_path, "file:empty")


def test_a_variable_that_is_to_be_set_is_told_as_a_command(tmp_path: Path) -> None:
    """``env:NAME`` is read by whoever did not write it."""
    with pytest.raises(ConfigurationError) as caught:
        key(tmp_path, "env:NOPE")
    assert caught.value.hint == "export NOPE=..."


def test_only_the_reference_that_wins_is_followed(tmp_path: Path) -> None:
    """A broken reference in the file does no harm where a variable replaces it."""
    (tmp_path / "longshore.toml").write_text('[targets.tiny]\napi_key = "env:NOPE"')
    target = resolve(tmp_path, environ={"LONGSHORE_TINY_API_KEY": "direct"})

    assert secret_values(target.provider.settings) == ("direct",)


def test_the_keyring_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """keyring:SERVICE/USER asks the system's keyring; an unknown entry is an error."""
    entries = {("my/service", "me"): "s3cret"}
    fake = SimpleNamespace(get_password=lambda service, user: entries.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", fake)

    assert key(tmp_path, "keyring:my/service/me") == "s3cret"
    assert "has nothing for my/service/you" in refused(tmp_path, "keyring:my/service/you")
    assert "keyring:SERVICE/USER" in refused(tmp_path, "keyring:me")


def test_the_keyring_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the error says what to install."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    assert "longshore[keyring]" in refused(tmp_path, "keyring:a/b")


def test_a_wrong_secret_is_never_shown(tmp_path: Path) -> None:
    """Not even a provider's own validator brings a secret into a message."""
    for given in ({"token": "s3cret-token"}, {"project": "clash", "api_key": "s3cret-token"}):
        with pytest.raises(ConfigurationError) as caught:
            resolve(tmp_path, overrides=given)
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"
        assert caught.value.__context__ is None


def test_public_settings_hold_no_secret(tmp_path: Path) -> None:
    """Secrets are left out, nested ones too; the rest is JSON, with None kept."""
    given = {"api_key": "s3cret-1", "token": "tok_s3cret", "names.pass_phrase": "s3cret-2"}
    target = resolve(tmp_path, overrides=given | {"tags": '["a"]'})
    public = public_settings(target.provider.settings)

    assert public == target.settings_public == json.loads(json.dumps(public))
    assert {"api_key", "token"}.isdisjoint(public)
    assert public["names"] == {"part_url": "url", "parts": "parts", "inclusive": True}
    assert (public["tags"], public["project"]) == (["a"], None)
    assert {"s3cret-1", "tok_s3cret", "s3cret-2"} == set(secret_values(target.provider.settings))
    assert "s3cret" not in repr(target)
