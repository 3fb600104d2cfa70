"""``longshore.toml``, ``--set``, the environment: what they hold is used or refused in words."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError, LongshoreError
from longshore.plugins import load_plugins
from longshore.provider import ProviderSettings
from longshore.targets import public_settings, resolve_target
from tests.fuzz.hostile import TEXT, URLS, examples

PLUGINS = load_plugins()
TARGETS = st.sampled_from(["plangrep", "geolens", "subworkflow", "sendai", "mine", "presigned-s3"])

_VALUES = st.sampled_from([
    '""', '"no"', '"x"', "true", "false", "0", "-1", "1e400", "inf", "-inf", "nan", "9" * 5000,
    "9" * 400, "0x" + "f" * 5000, "1979-05-27", "1979-05-27T07:32:00Z", "9999-99-99", "[]", "{}",
    "[[]]",
    "[" * 2000 + "]" * 2000, "[" * 2000, "{a=" * 2000, '{a = "b"}', '"\\u0000"', '"\\ud800"',
    "'a\x00'",
    '"https://a.example"', '"file:///etc/passwd"', '"file:/dev/zero"', '"file:\\u0000"', '"file:"',
    '"file:~nobody-here/x"', '"file:/etc"', '"env:"', '"env:A=B"', '"env:\\u0000"', '"keyring:"',
    '"\\u001b[2J"', "nonsense", '"unfinished', "'''", "=",
])  # fmt: skip
_KEYS = st.sampled_from([
    "provider", "api_key", "base_url", "verify", "ca_bundle", "timeout", "poll_interval", "token",
    "max_concurrency", "requests_per_minute", "poll_timeout", "signed_fields",
    "signed_fields.headers",
    "meta", "title", "session_threshold", "part_size", "expires_in_days", "upload_mode", "x", '""',
    '"\\u0000"', "a.b.c", "classification",
])  # fmt: skip
_HEADS = st.sampled_from([
    "", "[targets.mine]\nprovider = \"plangrep\"", "[targets.plangrep]", "[targets.sendai]",
    "[targets.geolens]", "[targets.subworkflow]", "[[targets]]", "[targets]", "targets = 1",
    "[routes.x]", "[other]", "[targets.'UPPER']", "[targets.mine]\nprovider = 7",
    "[targets.mine]\nprovider = 'nobody'", "[targets.mine.meta]",
])  # fmt: skip
_LINES = st.lists(st.tuples(_KEYS, _VALUES).map(" = ".join), max_size=3).map("\n".join)
FILES = st.lists(st.tuples(_HEADS, _LINES).map("\n".join), min_size=1, max_size=2).map(
    "\n".join
).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=50)


def told(error: LongshoreError) -> None:
    """An error that a person can read."""
    assert error.message
    assert len(error.message) < 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configuration")


@examples(150)
@given(FILES, TARGETS)
@example(b"[targets.mine]\nprovider = 'plangrep'\napi_key = 0x" + b"f" * 5000, "mine")
def test_any_configuration_file_is_used_or_refused(folder: Path, content: bytes, name: str) -> None:
    """Bytes, wrong types, depth and absurd numbers end in one error of the tree."""
    (folder / "longshore.toml").write_bytes(content)
    try:
        target = resolve_target(name, environ={}, plugins=PLUGINS, cwd=folder)
        public_settings(target.provider.settings)
        target.provider.capabilities()
    except LongshoreError as error:
        told(error)


_SETTINGS = sorted(
    {name for kind in PLUGINS.providers().values() for name in kind.type.Settings.model_fields}
)
_NAMED = st.sampled_from(_SETTINGS) | st.sampled_from(
    ["signed_fields.part_url", "meta.a", "meta.", "api_key.x", ".", "", "a.b.c", "verify "]
)
_GIVEN = (
    TEXT | _VALUES | st.sampled_from(['{"a": ' * 3000, "[" * 3000, '{"a": NaN}', '{"a": 1e999}'])
)


@examples(200)
@given(st.dictionaries(_NAMED, _GIVEN, max_size=3), st.booleans(), TARGETS)
def test_any_override_and_variable_is_used_or_refused(
    folder: Path, given_: dict[str, str], variables: bool, name: str
) -> None:
    """Values of ``--set`` and of the environment of any kind."""
    (folder / "longshore.toml").write_text("")
    environ = {}
    if variables:
        prefix = f"LONGSHORE_{name.upper().replace('-', '_')}_"
        environ = {prefix + key.upper().replace(".", "_"): text for key, text in given_.items()}
        given_ = {}
    try:
        target = resolve_target(
            name, overrides=given_, environ=environ, plugins=PLUGINS, cwd=folder
        )
        public_settings(target.provider.settings)
        target.provider.capabilities()
    except LongshoreError as error:
        told(error)


@examples(80)
@given(URLS)
def test_a_base_url_is_an_http_address_or_refused(folder: Path, url: str) -> None:
    """Nothing that httpx would read in another way than the check did."""
    import httpx

    (folder / "longshore.toml").write_text("")
    try:
        given_ = {"base_url": url}
        target = resolve_target(
            "geolens", overrides=given_, environ={}, plugins=PLUGINS, cwd=folder
        )
    except LongshoreError as error:
        told(error)
        return
    if base := target.provider.settings.base_url:
        read = httpx.URL(base + "/v1")
        assert (read.scheme in ("http", "https"), read.userinfo, read.query) == (True, b"", b"")
        assert read.path.endswith("/v1")


# ------------------------------------------------------------------------- what was found


@pytest.mark.parametrize(
    "content",
    [
        b"[targets.mine]\nprovider = 'geolens'\ntimeout = " + b"9" * 400,
        b"x = " + b"9" * 5000,
        b"x = " + b"[" * 5000,
        b'[targets.mine]\nprovider = "geolens"\napi_key = "file:\\u0000"',
        b'[targets.mine]\nprovider = "geolens"\napi_key = "file:~nobody-here/x"',
    ],
    ids=["a number of 400 digits", "of 5000 digits", "depth", "NUL in a path", "no such home"],
)
def test_what_once_came_out_as_another_exception(tmp_path: Path, content: bytes) -> None:
    """Each of these was an OverflowError, a ValueError, a RecursionError or a RuntimeError."""
    (tmp_path / "longshore.toml").write_bytes(content)
    with pytest.raises(ConfigurationError):
        resolve_target("mine", environ={}, plugins=PLUGINS, cwd=tmp_path)


@pytest.mark.parametrize("kind", ["device", "pipe", "huge"])
def test_a_secret_file_is_a_small_regular_file(tmp_path: Path, kind: str) -> None:
    """A device has no end and a pipe waits for its writer: neither is read."""
    path = tmp_path / "key"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        path.write_bytes(b"k" * 70_000)
    else:
        path = Path("/dev/zero")
    with pytest.raises(ConfigurationError, match=r"not a regular file|too large for a secret"):
        resolve_target(
            "sendai",
            overrides={"api_key": f"file:{path}"},
            environ={},
            plugins=PLUGINS,
            cwd=tmp_path,
        )


def test_a_file_of_another_user_is_not_found_but_may_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's longshore.toml in a folder above says where our keys are sent."""
    path = tmp_path / "longshore.toml"
    path.write_text('[targets.sendai]\nbase_url = "https://evil.example"\n')
    below = tmp_path / "project"
    below.mkdir()
    owner = path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 4000)
    monkeypatch.setattr("os.getuid", lambda: owner + 4000)
    if owner == 0:  # root's files are everybody's: give it to another user
        os.chown(path, 4001, -1)
    with pytest.raises(ConfigurationError, match="belongs to another user") as caught:
        resolve_target("sendai", environ={}, plugins=PLUGINS, cwd=below)
    assert f"--config {path}" in caught.value.hint
    target = resolve_target("sendai", environ={}, plugins=PLUGINS, cwd=below, config_file=path)
    assert target.provider.settings.base_url == "https://evil.example"


@pytest.mark.parametrize("word", ["", " ", "no", "n", "off", "0", "f", "none", "False!", "2"])
def test_certificates_are_not_left_unchecked_by_accident(word: str) -> None:
    """Only ``false`` turns the check off; any other word is an error, not a guess."""
    with pytest.raises(ConfigurationError, match="write true or false"):
        resolve_target("sendai", overrides={"verify": word}, environ={}, plugins=PLUGINS)


@pytest.mark.parametrize("value", [0, 0.0, None, [], ""])
def test_a_value_that_only_looks_false_does_not_turn_the_check_off(value: object) -> None:
    """``verify = 0`` in a file is an error as well."""
    with pytest.raises(ValueError, match="write true or false"):
        ProviderSettings.model_validate({"verify": value})


def test_who_turns_the_check_off_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    """Each command of such a target says so; so does one whose keys travel in the clear."""
    with caplog.at_level(logging.WARNING):
        resolve_target("sendai", overrides={"verify": "false"}, environ={}, plugins=PLUGINS)
        resolve_target(
            "sendai", overrides={"base_url": "http://a.example"}, environ={}, plugins=PLUGINS
        )
        resolve_target(
            "sendai", overrides={"base_url": "http://127.0.0.1:1"}, environ={}, plugins=PLUGINS
        )
    first, second = [record.message for record in caplog.records]
    assert "certificates are not checked" in first
    assert "not https" in second


def test_an_empty_ca_bundle_is_no_ca_bundle() -> None:
    """Who meant to pin an authority must not end up with the usual ones."""
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        resolve_target("sendai", overrides={"ca_bundle": ""}, environ={}, plugins=PLUGINS)
