"""Statuses of 400 and more, at each request."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from longshore.errors import (
    AccountError,
    Forbidden,
    LongshoreError,
    PaymentRequired,
    PluginError,
    Unauthorized,
    UnknownOutcome,
    VendorUnavailable,
)
from longshore.provider import Headers, Response, Retry, refusal_of
from longshore.testing._carry import GivenUp
from longshore.testing.conformance._kit import Kit, KnownRefusal
from longshore.testing.conformance._poison import ForbiddenUse, poisoned
from longshore.testing.conformance._say import expect, in_tree, skip, told
from longshore.testing.conformance._story import Spot, Story, disturb, request_at

__all__ = ["STATUSES", "ErrorChecks"]

STATUSES = (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503)

_ACCOUNT: dict[int, type[AccountError]] = {401: Unauthorized, 402: PaymentRequired, 403: Forbidden}
_REFUSED = frozenset({400, 413, 422})
"""After which nothing can have arrived; 409, for instance, may say that it is there already."""

_SECRET = "s3cr3t-in-the-reply"  # noqa: S105 - it is to be hidden
_BODIES: tuple[bytes, ...] = (
    b"",
    b"<html><body>\n<h1>Error</h1>\n</body></html>",
    b'"just words"',
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    json.dumps({"error": {"message": ["a", 1]}, "code": {"x": 1}}).encode(),
    json.dumps({"message": "two\nlines", "detail": "two\r\nlines", "error": "two\nlines"}).encode(),
    json.dumps({"message": None, "error": None, "detail": [{"msg": None}]}).encode(),
)


class ErrorChecks:
    """What becomes of refusals and outages."""

    kit: ClassVar[Kit]

    def test_refused_requests_end_well(self, spot: Spot, status: int) -> None:
        """Whatever status a request gets, what follows is an error of the right family."""
        sent, _ = request_at(self.kit, spot)
        reply = Response(status, Headers(_headers(status)), b'{"message": "no"}')
        story = disturb(self.kit, spot, lambda _deliver: reply)
        what = f"{status} at {spot}: {told(story.error)}"
        expect(in_tree(story.error), what, "only errors of Longshore's tree leave a flow")
        expect(
            not story.shows_secret(),
            f"{status} at {spot}: the message shows a secret",
            "messages are stored and shown: no session secret, no signed URL",
        )
        request = sent.request
        if status in _ACCOUNT and not request.absolute:
            expect(
                isinstance(story.error, AccountError),
                what,
                "401, 402 and 403 stop the account, not the document",
            )
        elif (status == 429 or status >= 500) and status not in request.final:
            kinds: tuple[type[Exception], ...] = (VendorUnavailable,)
            if request.retry is Retry.ONCE and status != 429 and status not in request.not_acted:
                kinds = (GivenUp, UnknownOutcome, AccountError)
            expect(
                isinstance(story.error, kinds),
                what,
                "an outage is no refusal: it is tried again as the retry word allows",
            )
        self._no_false_receipt(story, spot, status)
        self._no_false_success(story, spot, status)

    def _no_false_receipt(self, story: Story, spot: Spot, status: int) -> None:
        """A transfer whose only request was refused has not arrived."""
        alone = spot.verb == "send" and all(spot.is_of(sent) for sent, _ in story.of("send"))
        taken = [r for r in story.receipts if not any(entry.error for entry in r.documents)]
        expect(
            status not in _REFUSED or not alone or not taken,
            f"{status} at {spot}, all that it sends, and there is a receipt: {taken}",
            "a receipt is the proof that a transfer arrived: let Refused pass",
        )

    def _no_false_success(self, story: Story, spot: Spot, status: int) -> None:
        """A request that never acted must not count as done."""
        if story.error is not None or not story.statuses or spot.script != "upload":
            return
        if story.statuses[-1].state is not self.kit.ends_as:
            return
        expect(
            spot.verb != "poll" or len({sent.label for sent, _ in story.of("poll")}) > 1,
            f"{status} at {spot}, all that it asks, and it is reported as {self.kit.ends_as}",
            "a poll that is refused knows nothing: let Refused pass, but for what you expect",
        )
        working = {j["id"] for j in story.state()["jobs"] if j["state"] not in self.kit.idle}
        held = [d for d in story.state()["documents"] if d["job"] in working]
        expect(
            len(held) >= len(story.mode.documents),
            f"{status} at {spot}, and it is reported as {self.kit.ends_as}",
            "a refusal is never taken for success",
        )

    # ------------------------------------------------------------------ error bodies

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

    def test_any_error_body_is_read(self, status: int) -> None:
        """``refusal`` makes an error of the tree out of any body, in one line."""
        provider = self.kit.adapter()
        for body in _BODIES:
            error = _error(provider, Response(status, Headers(), body))
            what = f"{status} with {body[:40]!r}: {error!r}"
            expect(isinstance(error, LongshoreError) and in_tree(error), what, "never falls over")
            expect(
                isinstance(error, LongshoreError)
                and "\n" not in error.message
                and "\r" not in error.message
                and error.message,
                what,
                "a message is one line: pass the vendor's words through excerpt()",
            )

    def test_the_family_follows_the_status(self, status: int) -> None:
        """401, 402 and 403 are the account's; the error remembers its status."""
        error = _error(self.kit.adapter(), Response.of({"message": "no"}, status))
        kind = _ACCOUNT.get(status, LongshoreError)
        expect(
            isinstance(error, kind) and getattr(error, "status", None) == status,
            f"{status} becomes {error!r} with status {getattr(error, 'status', None)}",
            f"{kind.__name__} with status={status}; refusal_of() makes it",
        )

    def test_a_person_is_told_what_to_do(self) -> None:
        """A wrong key comes with a hint."""
        error = _error(self.kit.adapter(), Response.of({"message": "no"}, 401))
        expect(getattr(error, "hint", ""), f"{error!r} has no hint", "a hint is the next step")

    def test_errors_hide_secrets(self, status: int) -> None:
        """What an error reply names as a secret is not repeated."""
        body = {"apiKey": _SECRET, "url": f"https://x.example/?X-Amz-Signature={_SECRET}"}
        error = _error(
            self.kit.adapter(), Response.of({**body, "message": f"token={_SECRET}"}, status)
        )
        expect(
            _SECRET not in f"{error} {getattr(error, 'hint', '')}",
            f"{error}",
            "pass what the vendor said through excerpt(): it hides what is named as a secret",
        )

    def test_documented_errors_are_known(self, known_refusal: KnownRefusal | None) -> None:
        """Each error reply that the vendor documents becomes what the author says."""
        if known_refusal is None:
            skip("the kit was given no documented refusals")
        reply = Response.of(known_refusal.body, known_refusal.status)
        error = _error(self.kit.adapter(), reply)
        expect(
            isinstance(error, known_refusal.error)
            and known_refusal.hint in getattr(error, "hint", ""),
            f"{known_refusal.status} {known_refusal.body} becomes {error!r}",
            f"{known_refusal.error.__name__} with a hint about {known_refusal.hint!r}",
        )


def _error(provider: Any, reply: Response) -> Exception:
    try:
        error = provider.refusal(reply) or refusal_of(reply)
    except Exception as wrong:  # noqa: BLE001 - whatever it is: a check will say so
        return wrong
    if not isinstance(error, Exception):
        return PluginError(f"refusal returns an error or None, not {type(error).__name__}")
    return error


def _headers(status: int) -> dict[str, str]:
    return {"Retry-After": "7"} if status == 429 else {}
