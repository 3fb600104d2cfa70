"""What can be told of a provider before it sends anything."""

from __future__ import annotations

import inspect
import re
from types import GeneratorType
from typing import Any, ClassVar, cast

from longshore.capabilities import Capabilities
from longshore.documents import Document
from longshore.lifecycle import Action, Batch, Job, Receipt, Session, Setup, Transfer
from longshore.provider import Provider, ProviderSettings
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._poison import ForbiddenUse, poisoned
from longshore.testing.conformance._say import as_stored, expect
from longshore.testing.conformance._story import calm

__all__ = ["ContractChecks"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REQUIRED = ("prepare", "start", "send", "complete", "poll")
_OPTIONAL = ("renew", "abort", "cancel", "act", "results", "inventory", "authorize")
_OTHERS = ("sign", "refusal", "capabilities", "account")


class ContractChecks:
    """Names, settings, capabilities; that nothing is done before it is asked for."""

    kit: ClassVar[Kit]

    # ------------------------------------------------------------------ names

    def test_the_name_is_fit(self) -> None:
        """The name is lower case with hyphens: it is typed, stored, and part of variable names."""
        name = getattr(self.kit.provider, "name", None)
        expect(
            isinstance(name, str) and _NAME.fullmatch(name),
            f"name is {name!r}",
            "Provider.name is letters, digits and hyphens, lower case; it is stored with every run",
        )

    def test_the_aliases_are_fit(self) -> None:
        """Each alias is a name of its own."""
        provider = self.kit.provider
        names = [provider.name, *provider.aliases]
        expect(
            isinstance(provider.aliases, tuple)
            and all(_NAME.fullmatch(name) for name in provider.aliases)
            and len(set(names)) == len(names),
            f"aliases are {provider.aliases!r}",
            "Provider.aliases is a tuple of names that differ from each other and from name",
        )

    def test_the_state_version_counts_from_one(self) -> None:
        """The version of what is stored is a whole number from 1."""
        version = self.kit.provider.state_version
        expect(
            type(version) is int and version >= 1,
            f"state_version is {version!r}",
            "a whole number from 1, raised when a step name or the meaning of data changes",
        )

    def test_people_can_read_about_it(self) -> None:
        """There is a name for people and an address to read on."""
        title, pages = self.kit.provider.title, self.kit.provider.documentation
        expect(
            title.strip() and pages.startswith(("https://", "http://")),
            f"title is {title!r}, documentation is {pages!r}",
            "both are shown by `longshore providers show`",
        )

    def test_what_is_required_is_there(self) -> None:
        """``send`` and ``poll`` are written."""
        missing = [v for v in ("send", "poll") if not self.kit.offers(v)]
        expect(not missing, f"not overridden: {missing}", "send and poll are required")

    def test_the_verbs_take_what_the_contract_gives(self) -> None:
        """Every overridden method has the parameters of the one that it overrides."""
        for verb in (*_REQUIRED, *_OPTIONAL, *_OTHERS):
            own, base = getattr(self.kit.provider, verb), getattr(Provider, verb)
            expect(
                len(inspect.signature(own).parameters) == len(inspect.signature(base).parameters),
                f"{verb}{inspect.signature(own)}",
                f"the engine calls {verb}{inspect.signature(base)}",
            )

    # ------------------------------------------------------------------ settings

    def test_the_settings_are_settings(self) -> None:
        """``Settings`` is a frozen ``ProviderSettings`` that refuses what it has not."""
        kind = self.kit.provider.Settings
        config = getattr(kind, "model_config", {})
        expect(
            issubclass(kind, ProviderSettings)
            and config.get("frozen")
            and config.get("extra") == "forbid",
            f"Settings is {kind.__name__} with {config}",
            "a misspelt setting must be an error, and none may change while a run goes on",
        )

    def test_every_setting_is_explained(self) -> None:
        """Each own setting stands in the docstring or has a description."""
        kind = self.kit.provider.Settings
        text = "\n".join(owner.__doc__ or "" for owner in kind.__mro__)
        bare = [
            name
            for name, field in kind.model_fields.items()
            if not field.description and not re.search(rf"^\s*`*{name}`*:", text, re.M)
        ]
        expect(not bare, f"unexplained settings: {bare}", "a user must know what each one means")

    def test_missing_settings_are_named(self) -> None:
        """``missing`` names settings that exist: some of them, or nothing when all is given."""
        kind, given = self.kit.provider.Settings, self.kit.adapter().settings
        named = kind().missing()
        expect(
            named and set(named) <= set(kind.model_fields) and not given.missing(),
            f"with nothing given {named}, with the kit's settings {given.missing()}",
            "missing() names the fields without which the vendor cannot be talked to",
        )

    def test_the_sandbox_fits(self) -> None:
        """The sandbox bears the provider's name, and its demo settings are valid ones."""
        vendor = self.kit.vendor()
        given = {**vendor.demo_settings, "base_url": vendor.base_url}
        missing = self.kit.provider.Settings.model_validate(given).missing()
        expect(
            vendor.name == self.kit.provider.name and not missing,
            f"the sandbox is {vendor.name!r}; missing for a demo: {missing}",
            "`longshore sandbox` and `longshore demo` find it by that name",
        )

    # ------------------------------------------------------------------ purity

    def test_it_is_made_without_doing_anything(self) -> None:
        """To make a provider opens no file, no connection, and asks no clock."""
        found: list[str] = []
        settings = self.kit.adapter().settings
        try:
            with poisoned(self.kit.provider, found):
                self.kit.provider(settings)
        except ForbiddenUse:
            pass
        expect(not found, f"its constructor uses {found}", "a provider describes, it does nothing")

    def test_the_capabilities_are_pure(self) -> None:
        """``capabilities`` says the same each time, of each instance, and asks nobody."""
        found: list[str] = []
        one, other = self.kit.adapter(), self.kit.adapter()
        try:
            with poisoned(self.kit.provider, found):
                told = [one.capabilities(), one.capabilities(), other.capabilities()]
        except ForbiddenUse:
            told = []
        expect(
            told
            and not found
            and isinstance(told[0], Capabilities)
            and told[0] == told[1] == told[2],
            f"they differ, are no Capabilities, or need {found}",
            "capabilities() is pure: what holds without asking the vendor (prepare may ask)",
        )

    def test_the_capabilities_can_be_stored(self) -> None:
        """The capabilities survive the way to the journal and back."""
        own = self.kit.adapter().capabilities()
        expect(as_stored(own) == own, f"{own}", "what prepare found is kept as JSON")

    def test_the_account_is_named_the_same_each_time(self) -> None:
        """``account`` is stable, says whose it is, and holds no credential."""
        one, other = self.kit.adapter().account(), self.kit.adapter().account()
        expect(
            one == other
            and one.startswith(self.kit.provider.name)
            and not any(secret in one for secret in self.kit.secrets),
            f"account() is {one!r}, then {other!r}",
            "job ids are claimed under this name; it is stored and shown",
        )

    def test_a_verb_does_nothing_before_it_is_driven(self) -> None:
        """Every verb returns a generator at once, without any I/O."""
        provider, found = self.kit.adapter(), list[str]()
        batch, session, receipts, job = self._uploaded()
        calls: dict[str, tuple[Any, ...]] = {
            "prepare": (),
            "start": (batch,),
            "send": (batch, session, session.transfers[0]),
            "complete": (batch, session, receipts),
            "poll": (job,),
            "renew": (batch, session, session.transfers),
            "abort": (session,),
            "cancel": (job,),
            "act": (job, Action(name="x")),
            "results": (job,),
            "inventory": (batch.setup,),
            "authorize": (),
        }
        for verb, arguments in calls.items():
            if verb in _OPTIONAL and not provider.offers(verb):
                continue
            with poisoned(self.kit.provider, found):
                flow = cast("Any", getattr(provider, verb))(*arguments)
            expect(
                isinstance(flow, GeneratorType) and not found,
                f"{verb} returns {type(flow).__name__} and uses {found}",
                "a flow is a generator that describes requests and is driven by somebody else",
            )
            flow.close()

    def _uploaded(self) -> tuple[Batch, Session, tuple[Receipt, ...], Job]:
        """Return what an upload came to, for a verb may look into it; else something like it."""
        story = calm(self.kit, self.kit.modes[0])
        if story.error is None:
            return story.planned, story.opened, story.receipts, story.accepted
        document = Document(id="d", name="a.pdf", size=1)
        batch = Batch(id="b", documents=(document,), setup=story.setup or Setup())
        transfer = Transfer.whole(batch)
        return batch, Session(transfers=(transfer,)), (transfer.receipt("j"),), Job(id="j")
