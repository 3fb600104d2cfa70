"""Credentials: hidden in the settings, added by ``sign``, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import ClassVar

from longshore.provider import Json, Remedy, Request, Token
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._poison import ForbiddenUse, poisoned
from longshore.testing.conformance._say import expect, skip
from longshore.testing.conformance._story import calm

__all__ = ["CredentialChecks"]

_TOKEN = "access-token-123456"  # noqa: S105 - of nobody
_SECRET = re.compile(r"key|token|secret|password|credential", re.I)


class CredentialChecks:
    """What the settings hide, and what ``sign`` and ``authorize`` do with it."""

    kit: ClassVar[Kit]

    # ------------------------------------------------------------------ settings

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

    def test_the_text_form_hides_the_settings(self) -> None:
        """Neither the provider nor its settings show a credential."""
        provider = self.kit.adapter()
        shown = repr(provider) + repr(provider.settings) + str(provider.settings)
        expect(
            not any(secret in shown for secret in self.kit.secrets),
            "repr() shows a credential",
            "a traceback or a log line may hold either",
        )

    # ------------------------------------------------------------------ signing

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

    def test_signing_changes_nothing_else(self) -> None:
        """Method, URL, body, step, retry word and all else stay as the flow said."""
        request = Request.post(
            "/x", Json({}), step="s", lost=Remedy.RESTART, not_acted={503}, final={502}, timeout=7.0
        )
        signed = self._signed(request)
        names = [field.name for field in fields(Request) if field.name != "headers"]
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

    # ------------------------------------------------------------------ tokens

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
