"""What can be told of a provider before it sends anything."""

from __future__ import annotations

import inspect
import re
from types import GeneratorType
from typing import Any, ClassVar, cast

from longshore.capabilities import Capabilities, Limits
from longshore.documents import Document
from longshore.lifecycle import Action, Batch, Job, Session, Setup, Transfer
from longshore.provider import Provider, ProviderSettings, Request, Response, Token
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._poison import ForbiddenUse, poisoned
from longshore.testing.conformance._say import as_stored, expect, skip
from longshore.testing.conformance._story import calm

__all__ = ["ContractChecks"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REQUIRED = ("prepare", "start", "send", "complete", "poll")
_OPTIONAL = ("renew", "abort", "cancel", "act", "results", "inventory", "authorize")
_OTHERS = ("sign", "refusal", "capabilities", "account")
_TOKEN = "access-token-123456"  # noqa: S105 - of nobody
_SECRET = re.compile(r"key|token|secret|password|credential", re.I)


class ContractChecks:
    """Names, settings, capabilities, credentials."""

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

    def test_secret_settings_hide_their_value(self) -> None:
        """A setting that is a credential is a ``SecretStr``."""
        settings = self.kit.adapter().settings
        names = [
            name
            for name in type(settings).model_fields
            if _SECRET.search(name) and isinstance(getattr(settings, name), str)
        ]
        expect(not names, f"plain text: {names}", "credentials are SecretStr")

    def test_the_credential_is_known_to_the_kit(self) -> None:
        """The kit's settings hold at least one credential, so that its leaks can be seen."""
        expect(
            any(len(secret) >= 6 for secret in self.kit.secrets),
            "no SecretStr of six characters or more in the kit's settings",
            "what is hidden can only be looked for where it is known",
        )

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

    def test_the_limits_make_sense(self) -> None:
        """No limit contradicts another one."""
        own = self.kit.adapter().capabilities()
        expect(not (wrong := _absurd(own)), "; ".join(wrong), "the planner believes the limits")

    def test_the_polls_make_sense(self) -> None:
        """The floor is not above the pause, nor the pause above the longest one."""
        polls = self.kit.adapter().capabilities().polls
        expect(
            0 <= polls.floor <= polls.longest and 0 < polls.interval <= polls.longest,
            f"{polls}",
            "floor <= longest and interval <= longest, in seconds",
        )

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
        document = Document(id="d", name="a.pdf", size=1)
        batch = Batch(id="b", documents=(document,), setup=_setup(self.kit))
        session = Session(transfers=(Transfer.whole(batch),))
        calls: dict[str, tuple[Any, ...]] = {
            "prepare": (),
            "start": (batch,),
            "send": (batch, session, session.transfers[0]),
            "complete": (batch, session, (session.transfers[0].receipt("j"),)),
            "poll": (Job(id="j"),),
            "renew": (batch, session, session.transfers),
            "abort": (session,),
            "cancel": (Job(id="j"),),
            "act": (Job(id="j"), Action(name="x")),
            "results": (Job(id="j"),),
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

    # ------------------------------------------------------------------ credentials

    def test_signing_is_pure(self) -> None:
        """``sign`` gives the same twice, leaves the request as it was and asks no clock."""
        provider, request, found = self.kit.adapter(), Request.get("/x"), list[str]()
        before = repr((request, request.headers))
        try:
            with poisoned(self.kit.provider, found):
                once, twice = provider.sign(request, 1.0), provider.sign(request, 1.0)
        except ForbiddenUse:
            once, twice = request, Request.get("/y")
        expect(
            once == twice and before == repr((request, request.headers)) and not found,
            f"two calls differ, the request was changed, or it used {found}",
            "sign(request, now) is pure: it is called before each try",
        )

    def _signed(self, request: Request) -> Request:
        provider = self.kit.adapter()
        provider.token = _TOKEN if provider.offers("authorize") else None
        signed: object = provider.sign(request, 1.0)
        expect(
            isinstance(signed, Request),
            f"sign returns {type(signed).__name__}",
            "sign returns the request with its credentials: requests are never changed",
        )
        assert isinstance(signed, Request)
        return signed

    def test_signing_adds_the_credential(self) -> None:
        """A signed request carries the credential in a header."""
        offers = self.kit.adapter().offers("authorize")  # then what it got is the credential
        secrets = (_TOKEN,) if offers else self.kit.secrets
        signed = self._signed(Request.get("/x"))
        held = " ".join(f"{name}: {value}" for name, value in signed.headers.items())
        expect(
            signed.headers and any(part in held for part in secrets),
            f"the headers are {sorted(signed.headers)}",
            "sign adds what the vendor knows us by (a signature made of it: override this check)",
        )

    def test_a_token_is_had_without_a_trace(self) -> None:
        """``authorize`` returns a ``Token`` that holds for a while and does not show itself."""
        if not self.kit.offers("authorize"):
            skip(f"{self.kit.provider.name} does not offer authorize")
        token: object = self.kit.pier(self.kit.modes[0]).authorized()
        expect(
            isinstance(token, Token)
            and token.value
            and token.value not in repr(token)
            and (token.seconds is None or token.seconds > 0),
            f"authorize returns {token!r}",
            "Token(value, seconds): how long it holds from the answer on, or None",
        )

    def test_signing_changes_nothing_else(self) -> None:
        """Method, URL, body, step and retry word stay as the flow said."""
        request = Request.post("/x", step="s")
        signed = self._signed(request)
        names = ("method", "url", "body", "step", "retry", "key_header", "lost")
        changed = [name for name in names if getattr(signed, name) != getattr(request, name)]
        expect(not changed, f"changed: {changed}", "sign adds headers and nothing else")

    def test_a_signed_request_can_be_logged(self) -> None:
        """The credential is not in the text form of a signed request."""
        shown = repr(self.kit.adapter().sign(Request.get("/x"), 1.0))
        expect(
            not any(secret in shown for secret in self.kit.secrets),
            "repr() of a signed request shows the credential",
            "credentials go into headers, which are never shown; not into the URL",
        )

    def test_the_text_form_hides_the_settings(self) -> None:
        """Neither the provider nor its settings show a credential."""
        provider = self.kit.adapter()
        shown = repr(provider) + repr(provider.settings) + str(provider.settings)
        expect(
            not any(secret in shown for secret in self.kit.secrets),
            "repr() shows a credential",
            "a traceback or a log line may hold either",
        )

    def test_the_flows_leave_the_credential_to_sign(self) -> None:
        """No request of a flow holds the credential, least of all one to another host."""
        for mode in self.kit.modes:
            for sent in calm(self.kit, mode).pier.sent:
                request = sent.request
                held = f"{request.url} {request.headers} {request.body}"
                expect(
                    not any(secret in held for secret in self.kit.secrets),
                    f"{sent.label} holds the credential",
                    "credentials are added by sign, to relative URLs only: a signed upload goes "
                    "to a storage that must not see them",
                )

    def test_refusals_of_nothing_are_read(self) -> None:
        """``refusal`` is pure: the same reply, the same error."""
        provider, found = self.kit.adapter(), list[str]()
        reply = Response.of({"message": "no"}, 422)
        try:
            with poisoned(self.kit.provider, found):
                one, two = provider.refusal(reply), provider.refusal(reply)
        except ForbiddenUse:
            one, two = None, None
        expect(
            not found and type(one) is type(two) and str(one) == str(two),
            f"{one!r}, then {two!r}; it used {found}",
            "refusal(response) is a pure function of the reply",
        )


def _setup(kit: Kit) -> Setup:
    return calm(kit, kit.modes[0]).setup or Setup()


def _absurd(own: Capabilities) -> list[str]:
    limits, parts = own.limits, own.parts
    numbers = (
        limits.documents_per_batch,
        limits.bytes_per_batch,
        limits.bytes_per_document,
        limits.name_characters,
    )
    wrong = [f"a limit of {number}" for number in numbers if number is not None and number < 1]
    wrong += [
        f"{ending!r} is no ending in lower case with its dot"
        for ending in limits.extensions or ()
        if ending != ending.lower() or not ending.startswith(".")
    ]
    wrong += [f"{kind!r} is no media type" for kind in limits.media_types or () if "/" not in kind]
    wrong += _contradictions(limits)
    if parts is not None:
        most = parts.maximum or max(parts.default, parts.minimum)
        fits = 1 <= parts.minimum <= parts.default <= most
        if parts.chosen_by == "client" and not fits:
            wrong.append(f"parts of {parts.minimum} to {parts.maximum}, usually {parts.default}")
    if own.concurrency < 1 or own.idempotency_window < 0:
        wrong.append("concurrency is at least 1, the idempotency window at least 0")
    return wrong


def _contradictions(limits: Limits) -> list[str]:
    wrong = []
    most = limits.bytes_per_document
    if most is not None and limits.min_bytes_per_document > most:
        wrong.append("the least size of a document is above the most")
    if most is not None and limits.bytes_per_batch is not None and most > limits.bytes_per_batch:
        wrong.append("a document may be larger than its batch")
    return wrong
