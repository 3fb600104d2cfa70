"""A small provider with every kind of setting, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from longshore.plugins import Plugins
from longshore.provider import (
    Batch,
    ByteSize,
    Flow,
    Job,
    Provider,
    ProviderSettings,
    Receipt,
    Session,
    Status,
    Transfer,
    hookimpl,
)
from longshore.targets import Target, resolve_for_resume, resolve_target


class Names(BaseModel):
    """A nested model, with a secret in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part_url: str = "url"
    parts: str = "parts"
    inclusive: bool = True
    pass_phrase: SecretStr | None = None


class TinySettings(ProviderSettings):
    """One of each."""

    base_url: str = "https://tiny.example"
    project: str | None = None
    mode: Literal["auto", "form"] = "auto"
    kinds: Literal["plans", "mixed"] | dict[str, str] | None = None
    meta: dict[str, str] = Field(default_factory=dict)
    tags: Annotated[frozenset[str], Field(max_length=3)] = frozenset()
    part_size: ByteSize = 1000
    names: Names = Names()
    token: SecretStr | None = None

    @field_validator("token")
    @classmethod
    def _prefixed(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().startswith("tok_"):
            raise ValueError(f"bad token {token.get_secret_value()}")
        return token

    @model_validator(mode="after")
    def _no_clash(self) -> TinySettings:
        if self.project == "clash":
            raise ValueError(f"clash with {self.api_key and self.api_key.get_secret_value()}")
        return self


class Tiny(Provider[TinySettings]):
    name = "tiny"
    aliases: ClassVar[tuple[str, ...]] = ("small-one",)
    Settings = TinySettings

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        raise NotImplementedError

    def poll(self, job: Job) -> Flow[Status]:
        raise NotImplementedError


class Other(Tiny):
    name = "other"
    aliases = ()


class Plugin:
    """What a plugin's module is otherwise."""

    @hookimpl
    def longshore_providers(self) -> list[type[Provider[Any]]]:
        return [Tiny, Other]


PLUGINS = Plugins.of(Plugin())


def resolve(
    cwd: Path, name: str = "tiny", *, environ: dict[str, str] | None = None, **options: Any
) -> Target:
    """Resolve a target in a folder, with nothing but the given environment."""
    environ = {"XDG_CONFIG_HOME": str(cwd / "none"), **(environ or {})}
    return resolve_target(name, environ=environ, plugins=PLUGINS, cwd=cwd, **options)


def resume(
    cwd: Path,
    stored: dict[str, Any],
    name: str = "tiny",
    *,
    environ: dict[str, str] | None = None,
    **options: Any,
) -> Target:
    """Resolve a run's target again, with nothing but the given environment."""
    environ = {"XDG_CONFIG_HOME": str(cwd / "none"), **(environ or {})}
    options.setdefault("provider_name", "tiny")
    return resolve_for_resume(name, stored, environ=environ, plugins=PLUGINS, cwd=cwd, **options)
