"""Finding a target: names, sources and their order, errors that say where a value stands."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from longshore.errors import ConfigurationError, PluginError, UnknownTarget
from longshore.targets import Target, require
from tests.targets.tiny import Tiny, TinySettings, resolve, resume

NO_SUCH = "there is no such setting"
GIVEN = "given for target 'tiny'"


def settings(target: Target) -> TinySettings:
    """Return a target's settings, typed."""
    found = target.provider.settings
    assert isinstance(found, TinySettings)
    return found


def write(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "longshore.toml"
    path.write_text(text)
    return path


def refused(folder: Path, name: str = "tiny", **options: object) -> ConfigurationError:
    """Return the error that resolving ends with."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(folder, name, **options)  # type: ignore[arg-type]
    return caught.value


def test_a_provider_name_is_a_target(tmp_path: Path) -> None:
    """Without any file a provider's name gives its defaults."""
    target = resolve(tmp_path)

    assert (target.name, target.provider_name, target.config_path) == ("tiny", "tiny", None)
    assert TinySettings() == target.provider.settings


def test_the_name_typed_is_the_target(tmp_path: Path) -> None:
    """An alias keeps its own name and has its own variables; the provider's do not count."""
    environ = {"LONGSHORE_TINY_PROJECT": "no", "LONGSHORE_SMALL_ONE_MODE": "form"}
    target = resolve(tmp_path, "small-one", environ=environ)

    assert (target.name, target.provider_name) == ("small-one", "tiny")
    assert (settings(target).project, settings(target).mode) == (None, "form")


def test_a_table_gives_a_provider_another_name(tmp_path: Path) -> None:
    """A table of the file is looked up before the providers."""
    path = write(tmp_path, '[targets.tiny]\nprovider = "other"\nproject = "p"\n[routes.x]\na = 1')
    target = resolve(tmp_path)

    assert ("tiny", "other", path) == (target.name, target.provider_name, target.config_path)
    assert settings(target).project == "p"


def test_a_table_named_after_its_provider_needs_no_provider(tmp_path: Path) -> None:
    """[targets.tiny] alone configures the provider of that name."""
    write(tmp_path, '[targets.tiny]\nproject = "p"\n[targets.nobody]\nproject = "q"')

    assert settings(resolve(tmp_path)).project == "p"
    assert 'add provider = "..."' in refused(tmp_path, "nobody").hint


def test_the_first_source_wins(tmp_path: Path) -> None:
    """Flags before the environment, the environment before the file, the file before defaults."""
    write(tmp_path, '[targets.tiny]\nproject = "file"\ntimeout = "5m"\npart_size = "2M"')
    environ = {"LONGSHORE_TINY_PROJECT": "variable", "LONGSHORE_TINY_PART_SIZE": "8MiB"}
    found = settings(resolve(tmp_path, environ=environ, overrides={"project": "flag"}))

    assert (
        found.project,
        found.part_size,
        found.timeout,
        found.mode,
    ) == ("flag", 8 * 2**20, 300.0, "auto")


def test_text_becomes_what_the_setting_is(tmp_path: Path) -> None:
    """Booleans, numbers, sets, mappings and unions are read from the environment's text."""
    environ = {
        "LONGSHORE_TINY_VERIFY": "false",
        "LONGSHORE_TINY_MAX_CONCURRENCY": "4",
        "LONGSHORE_TINY_TAGS": '["a", "b"]',
        "LONGSHORE_TINY_META": '{"department": "finance"}',
        "LONGSHORE_TINY_KINDS": "plans",
        "LONGSHORE_TINY_API_KEY": '{"looks": "like JSON"}',
        "LONGSHORE_TINY_NAMES_PART_URL": "href",
        "LONGSHORE_TINY_NAMES_INCLUSIVE": "no",
        "LONGSHORE_TINY_PROJECT": "",
    }
    found = settings(resolve(tmp_path, environ=environ))

    assert (found.verify, found.max_concurrency) == (False, 4)
    assert frozenset({"a", "b"}) == found.tags
    assert (found.meta, found.kinds, found.project) == ({"department": "finance"}, "plans", None)
    assert (found.names.part_url, found.names.inclusive) == ("href", False)
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == '{"looks": "like JSON"}'


def test_a_dot_leads_into_a_mapping(tmp_path: Path) -> None:
    """A dotted flag changes one entry; only the first dot counts; names keep their case."""
    write(tmp_path, '[targets.tiny]\nmeta = {a = "1", b = "2"}\nnames = {parts = "pieces"}')
    given = {"meta.b": "3", "meta.Ab": "4", "names.part_url": "href", "kinds.*.pdf": "plans"}
    found = settings(resolve(tmp_path, overrides=given))

    assert found.meta == {"a": "1", "b": "3", "Ab": "4"}
    assert (found.names.part_url, found.names.parts) == ("href", "pieces")
    assert found.kinds == {"*.pdf": "plans"}


def test_a_whole_mapping_replaces(tmp_path: Path) -> None:
    """A mapping given in one go takes the place of the file's."""
    write(tmp_path, '[targets.tiny]\nmeta = {a = "1"}')

    assert settings(resolve(tmp_path, overrides={"meta": '{"b": "2"}'})).meta == {"b": "2"}


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    """Here, then the parents', then the personal one; --config before all of them."""
    personal = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    deep = tmp_path / "work" / "a" / "b"
    deep.mkdir(parents=True)
    write(tmp_path / "home" / "longshore", '[targets.tiny]\nproject = "personal"')
    assert settings(resolve(deep, environ=personal)).project == "personal"

    write(tmp_path / "work", '[targets.tiny]\nproject = "parent"')
    assert settings(resolve(deep, environ=personal)).project == "parent"

    write(deep, '[targets.tiny]\nproject = "here"')
    assert settings(resolve(deep, environ=personal)).project == "here"

    given = write(tmp_path / "given", '[targets.tiny]\nproject = "given"')
    assert settings(resolve(deep, environ=personal, config_file=given)).project == "given"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """--config with a missing file is an error that names it."""
    error = refused(tmp_path, config_file=Path("missing.toml"))

    assert error.message == f"there is no configuration file {tmp_path / 'missing.toml'}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[targets.tiny]\nproject = "p\n', "is not valid TOML: Illegal character"),
        ("targets = 1", "'targets' is no table"),
        ("[targets]\ntiny = 1", "'targets.tiny' is no table"),
        ("[targets.Tiny]", "'Tiny' is no target name"),
        ("[targets.tiny]\nprovider = 1", "[targets.tiny] provider is no text"),
        ("[target.tiny]", "there is no setting 'target' at the top"),
        ("[targets.tiny]\nprojekt = 1", "there is no setting 'projekt'"),
        ('[targets.tiny]\nprovider = "tinny"', "[targets.tiny]: no provider is named 'tinny'"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake in the file is named, with the file."""
    path = write(tmp_path, text)
    error = refused(tmp_path)

    assert message in error.message
    assert str(path) in error.message


def test_a_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    """A person can go to the place."""
    write(tmp_path, '[targets.tiny]\nproject = "p" x\n')

    assert "(at line 2, column 15)" in refused(tmp_path).message


def test_a_file_that_ends_too_soon_has_line_and_column(tmp_path: Path) -> None:
    """Python's own words are only "at end of document"."""
    write(tmp_path, "[targets.tiny]\ntags = [")

    place = "(at line 2, column 9, the end of the document)"
    assert place in refused(tmp_path).message


def test_a_relative_path_starts_at_the_file_it_stands_in(tmp_path: Path) -> None:
    """From whatever folder below it somebody works; a run keeps it whole."""
    write(tmp_path, '[targets.tiny]\nca_bundle = "certs/ours.pem"')
    below = tmp_path / "plans" / "2026"
    below.mkdir(parents=True)
    target = resolve(below)
    assert settings(target).ca_bundle == str(tmp_path / "certs" / "ours.pem")
    assert target.settings_public["ca_bundle"] == str(tmp_path / "certs" / "ours.pem")


def test_a_relative_path_from_elsewhere_starts_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run keeps it whole: it may be resumed from another folder; ~ is the home folder."""
    monkeypatch.setenv("HOME", "/home/quay")
    begun = resolve(tmp_path, overrides={"ca_bundle": "ours.pem"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = resume(elsewhere, begun.settings_public)
    now = {"LONGSHORE_TINY_CA_BUNDLE": "new.pem"}
    other = resume(elsewhere, begun.settings_public, environ=now)

    assert settings(again).ca_bundle == str(tmp_path / "ours.pem")
    assert settings(other).ca_bundle == str(elsewhere / "new.pem")
    home = resolve(tmp_path, overrides={"ca_bundle": "~/ours.pem"})
    assert settings(home).ca_bundle == "/home/quay/ours.pem"


def test_a_file_as_some_editors_begin_it(tmp_path: Path) -> None:
    """With a byte order mark, which is no mistake in line 1, column 1."""
    path = write(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf[targets.tiny]\nproject = 'p'\n")
    assert settings(resolve(tmp_path)).project == "p"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are named as that."""
    write(tmp_path, "").write_bytes(b'a = "\xff"')

    assert "is not UTF-8 text" in refused(tmp_path).message


@pytest.mark.parametrize(
    ("name", "meant"), [("Tiny", "tiny"), ("A_b", "a-b"), ("", ""), ("a.b", ""), ("a b", "")]
)
def test_a_target_name_is_plain(tmp_path: Path, name: str, meant: str) -> None:
    """Names that could not be part of a variable's name are refused; what may be meant is told."""
    error = refused(tmp_path, name)
    assert error.message == f"{name!r} is no target name"
    assert error.hint.endswith(f" hyphens: {meant or '[a-z0-9-]+'}")


def test_an_unknown_name_gets_the_closest(tmp_path: Path) -> None:
    """Targets of the file and providers are both offered."""
    write(tmp_path, '[targets.tinny]\nprovider = "tiny"')
    error = refused(tmp_path, "tinyy")

    assert isinstance(error, UnknownTarget)
    assert error.message == "no target and no provider is named 'tinyy'"
    assert error.hint == "did you mean tiny or tinny?"


def test_that_there_is_no_file_is_told(tmp_path: Path) -> None:
    """A job of cron begins in another folder than the person who tried the command."""
    write(tmp_path / "project", "[targets.tenders]\nprovider = 'tiny'")
    error = refused(tmp_path, "tenders")

    assert "named 'tenders' (no longshore.toml was found)" in error.message


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"projct": "p"}, f"there is no setting 'projct' ({GIVEN})", "did you mean project?"),
        (
            {"names.part": "p"},
            f"the setting 'names.part' of target 'tiny': {NO_SUCH} ({GIVEN})",
            "did you mean parts or part_url?",
        ),
        (
            {"mode": "no"},
            f"the setting 'mode' of target 'tiny': Input should be 'auto' or 'form' ({GIVEN})",
            "",
        ),
        (
            {"project.x": "p"},
            f"the setting 'project' has no entries such as 'project.x' ({GIVEN})",
            "",
        ),
    ],
)
def test_what_the_call_says_wrongly_is_named(
    tmp_path: Path, given: dict[str, str], message: str, hint: str
) -> None:
    """The error names the setting, the reason and the target: Python knows of no ``--set``."""
    error = refused(tmp_path, overrides=given)

    assert (message, hint) == (error.message, error.hint)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"project": None}, f"the setting 'project' has no value ({GIVEN})"),
        ({"meta": {"a": "b"}}, "the setting 'meta' is not valid JSON: "),
    ],
)
def test_what_python_gives_as_no_text_is_named(
    tmp_path: Path, given: dict[str, object], words: str
) -> None:
    """Types say so, but not everybody asks them."""
    error = refused(tmp_path, overrides=given)

    assert error.message.startswith(words)
    assert GIVEN in error.message


def test_text_that_must_be_json_is_named(tmp_path: Path) -> None:
    """A mapping that is no JSON is refused with the variable's name."""
    error = refused(tmp_path, environ={"LONGSHORE_TINY_META": "x"})

    assert error.message.startswith("the setting 'meta' is not valid JSON")
    assert "the variable LONGSHORE_TINY_META" in error.message


def test_a_wrong_value_is_traced_to_its_source(tmp_path: Path) -> None:
    """The file's table, the variable or the entry of a nested table stands in the message."""
    path = write(tmp_path, "[targets.tiny]\ntimeout = true\n[targets.other.names]\ninclusive = 7")

    assert f"({path}: [targets.tiny])" in refused(tmp_path).message
    assert f"({path}: [targets.other])" in refused(tmp_path, "other").message
    environ = {"LONGSHORE_TINY_TIMEOUT": "1", "LONGSHORE_TINY_NAMES_INCLUSIVE": "x"}
    error = refused(tmp_path, environ=environ)
    assert "'names.inclusive'" in error.message
    assert "(the variable LONGSHORE_TINY_NAMES_INCLUSIVE)" in error.message


def test_variables_of_a_longer_target_name_are_left_alone(tmp_path: Path) -> None:
    """LONGSHORE_TINY_TWO_PROJECT belongs to target tiny-two, not to tiny."""
    write(tmp_path, '[targets.tiny-two]\nprovider = "tiny"')
    environ = {"LONGSHORE_TINY_TWO_PROJECT": "p"}

    assert settings(resolve(tmp_path, environ=environ)).project is None
    assert settings(resolve(tmp_path, "tiny-two", environ=environ)).project == "p"


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    """A missing key names the variable and the place in the file; a complete target passes."""
    with pytest.raises(ConfigurationError) as caught:
        require(resolve(tmp_path, "small-one"))
    assert caught.value.message == "no API key for target 'small-one'"
    assert caught.value.hint == (
        "set LONGSHORE_SMALL_ONE_API_KEY, or api_key under [targets.small-one] in longshore.toml"
        " (none was found)"
    )

    require(resolve(tmp_path, overrides={"api_key": "k"}))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_are_read_before_there_is_a_run(tmp_path: Path, content: str | None) -> None:
    """A missing file and one without certificates are told by their path; a folder may be empty."""
    bundle = tmp_path / "ours.pem"
    if content is not None:
        bundle.write_text(content)
    given = {"api_key": "k", "ca_bundle": str(bundle)}

    with pytest.raises(ConfigurationError, match=r"ca_bundle .*ours\.pem: .*'tiny'") as caught:
        require(resolve(tmp_path, overrides=given))
    assert "PEM" in caught.value.hint

    with pytest.raises(ConfigurationError, match="null byte"):
        require(resolve(tmp_path, overrides={**given, "ca_bundle": "a\0b"}))

    require(resolve(tmp_path, overrides={**given, "verify": "false"}))
    for good in (certifi.where(), str(tmp_path)):
        require(resolve(tmp_path, overrides={**given, "ca_bundle": good}))


def test_a_missing_setting_is_told_though_a_provider_refuses_others_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would do in its place is found by trying, which no provider need expect."""

    def missing(given: TinySettings) -> tuple[str, ...]:
        regions = {"north": ("api_key",)}
        return regions[given.project or "north"]

    monkeypatch.setattr(TinySettings, "missing", missing)
    with pytest.raises(ConfigurationError, match="no API key for target 'tiny'"):
        require(resolve(tmp_path))


def test_a_mistake_in_account_is_the_providers_unless_a_setting_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it counts on may be what is missing: then that is told."""

    def account(provider: Tiny) -> str:
        key = provider.settings.api_key
        return key.get_secret_value().split("/")[1]  # type: ignore[union-attr]

    monkeypatch.setattr(Tiny, "account", account)
    with pytest.raises(ConfigurationError, match="no API key"):
        require(resolve(tmp_path))
    with pytest.raises(PluginError, match="account broke off: IndexError") as caught:
        resolve(tmp_path, overrides={"api_key": "k"})

    assert caught.value.hint == "this is a fault in the provider 'tiny': its author can mend it"


def test_a_misspelt_variable_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not those of a target of a longer name, nor one that some secret reference names."""
    others = """
        [targets.other]
        provider = "tiny"
        api_key = "env:LONGSHORE_TINY_APY_KEY"
        [webhooks.tiny]
        secret = ["env:LONGSHORE_TINY_PROJEC"]
    """
    write(tmp_path, '[targets.tiny]\napi_key = "env:LONGSHORE_TINY_KEY"\n' + others)
    environ = {
        "LONGSHORE_TINY_PROJEKT": "p",
        "LONGSHORE_TINY_APIKEY": "k",
        "LONGSHORE_TINY_TWO_PROJECT": "p",
        "LONGSHORE_TINY_KEY": "k",
        "LONGSHORE_TINY_META_A": "entry",
        "LONGSHORE_TINY_TWO_META_A": "entry",
        "LONGSHORE_TINY_SERVICE_HOST": "10.0.0.1",
        "LONGSHORE_TINY_VERSION": "3",
        "LONGSHORE_TINY_API_KEY": "env:LONGSHORE_TINY_API_KEE",
        "LONGSHORE_TINY_API_KEE": "k",
        "LONGSHORE_TINY_APY_KEY": "k",
        "LONGSHORE_TINY_PROJEC": "p",
    }
    resolve(tmp_path, environ=environ)

    assert [message.removeprefix("the variable LONGSHORE_") for message in caplog.messages] == [
        "TINY_PROJEKT is ignored: there is no setting 'projekt'; did you mean project?",
        "TINY_APIKEY is ignored: there is no setting 'apikey'; did you mean api_key?",
    ]
