"""What an author tells the kit: which provider, which sandbox, which settings and documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import JsonValue, SecretStr

from longshore.capabilities import Capabilities, PartRule
from longshore.errors import LongshoreError
from longshore.lifecycle import State
from longshore.provider import Provider
from longshore.sandbox import Vendor
from longshore.testing._drive import Pier
from longshore.testing.simulation import Case

__all__ = ["Kit", "KnownRefusal", "Mode"]


@dataclass(frozen=True, eq=False)
class Mode:
    """One way in which the provider uploads: a form, signed URLs, a session.

    Attributes:
        name: for test ids.
        documents: name and content of each; they must fit into one batch. Small: the story of
            their upload is told some thousand times.
        settings: beside those of the kit.
        assumptions: for the sandbox, beside those of the kit.
        part_size: cut documents above so many bytes into parts of so many bytes, whatever the
            vendor's limits are (its sandbox must be told to accept that).
    """

    name: str
    documents: Sequence[tuple[str, bytes]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    part_size: int | None = None

    def carrying(self, *documents: tuple[str, bytes]) -> Mode:
        """Return the same mode with other documents."""
        return replace(self, documents=documents)


@dataclass(frozen=True)
class KnownRefusal:
    """An error reply that the vendor documents, and what it must become."""

    status: int
    body: JsonValue
    error: type[LongshoreError]
    hint: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Kit:
    """All that the checks need to know about one provider.

    Attributes:
        provider: the adapter's class.
        sandbox: makes the vendor's pure core from its assumptions.
        settings: without ``base_url``, which is the sandbox's own; with a credential.
        modes: at least one.
        words: each word of the vendor's for a job, as it comes, and the state that it means.
        review: a mode in which the job comes to need action; without it ``act`` is hardly tried.
        refusals: the error replies that the vendor documents.
        ends_as: the state of a job without trouble.
        assumptions: for the sandbox, in every mode.
        idle: states of jobs, in the sandbox's words, in which the vendor neither works nor bills.
        over: those of them of which nothing is left to clean up, or that expire by themselves.
        may_be_unknown: the vendor gives no means to find out whether a lost request acted.
        may_resend_parts: a repeated part is the vendor's documented way after a lost answer.
        repeatable: requests that make a job, or set one to work, and that the vendor documents to
            be the same twice as once, as ``PUT /v1/documents/{id}``; with the page that says so.
            What makes a job has a question that says ``NotDone()`` at once, for an idempotent
            request leaves no record: ``cancel`` would take a lost one as not sent.
        reads: requests that change nothing although they are no GET, as ``POST /v1/search``.
        maps: keys in replies whose members are data, such as dictated headers: nothing unknown
            can be told from what is known in there.
        cassettes: a folder of recordings to be looked through.
        hosts: where the vendor really is, its storage included; for the recordings.
    """

    provider: type[Provider[Any]]
    sandbox: Callable[[Mapping[str, Any]], Vendor]
    settings: Mapping[str, Any]
    modes: Sequence[Mode]
    words: Mapping[str, State] = field(default_factory=dict)
    review: Mode | None = None
    refusals: Sequence[KnownRefusal] = ()
    ends_as: State = State.SUCCEEDED
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    may_be_unknown: bool = False
    may_resend_parts: bool = False
    repeatable: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset({"headers"})
    cassettes: Path | None = None
    hosts: tuple[str, ...] = ()

    # ------------------------------------------------------------------ the two sides

    @cached_property
    def home(self) -> str:
        """The address under which the sandbox answers."""
        return self.vendor().base_url

    def vendor(self, mode: Mode | None = None) -> Vendor:
        """Make the vendor's side afresh."""
        return self.sandbox({**self.assumptions, **(mode.assumptions if mode else {})})

    def adapter(self, mode: Mode | None = None, **settings: Any) -> Provider[Any]:
        """Make the adapter afresh."""
        own = dict(mode.settings) if mode else {}
        given = {"base_url": self.home, **self.settings, **own, **settings}
        kind = self.provider
        if mode is not None and mode.part_size is not None:
            kind = _with_small_parts(kind, mode.part_size)
        return kind(kind.Settings.model_validate(given))

    def pier(self, mode: Mode) -> Pier[Provider[Any], Vendor]:
        """Put both sides together."""
        return Pier(self.adapter(mode), self.vendor(mode))

    def offers(self, verb: str) -> bool:
        """Tell whether the provider offers an optional verb."""
        return self.adapter().offers(verb)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The values in the settings that are never to be seen."""
        settings = self.adapter().settings
        values = (getattr(settings, name) for name in type(settings).model_fields)
        return tuple(v.get_secret_value() for v in values if isinstance(v, SecretStr))

    def case(self, mode: Mode) -> Case:
        """Return the same for the simulator."""
        return Case(
            f"{self.provider.name}/{mode.name}",
            lambda: self.adapter(mode),
            lambda: self.vendor(mode),
            mode.documents,
            idle=self.idle,
            over=self.over,
            may_be_unknown=self.may_be_unknown,
            may_resend_parts=self.may_resend_parts,
        )


def _with_small_parts(provider: type[Provider[Any]], size: int) -> type[Provider[Any]]:
    def capabilities(self: Provider[Any]) -> Capabilities:
        own = provider.capabilities(self)
        rule = own.parts or PartRule()
        small = {"above": size, "default": size, "minimum": 1}
        return own.model_copy(update={"parts": rule.model_copy(update=small)})

    return type(provider.__name__, (provider,), {"capabilities": capabilities})
