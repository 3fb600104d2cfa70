"""The contract that a vendor's adapter fulfils."""

from __future__ import annotations

from typing import Any, ClassVar, Generic
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from typing_extensions import TypeVar

from longshore.capabilities import Capabilities
from longshore.errors import (
    Forbidden,
    LongshoreError,
    PaymentRequired,
    ProtocolError,
    RequestRefused,
    Unauthorized,
)
from longshore.lifecycle import Action, Batch, Job, Receipt, Session, Setup, Status, Transfer
from longshore.provider._card import Card
from longshore.provider._flows import Flow, Request, immediately
from longshore.provider._inventory import Inventory
from longshore.provider._responses import Response
from longshore.provider._results import Results
from longshore.provider._token import Token
from longshore.provider._words import said_by
from longshore.redaction import excerpt, redact_text
from longshore.units import Seconds

__all__ = ["Provider", "ProviderSettings", "refusal_of"]


_STORED = 10_000_000  # bytes a second, at least


class ProviderSettings(BaseModel):
    """The settings that every provider has; a provider adds its own in a subclass.

    Attributes:
        api_key: the credential; also as ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``.
        base_url: where the vendor's API is, with its path prefix if there is one.
        poll_interval: seconds; replaces every poll pace of this target.
        poll_timeout: seconds after which a job that still runs is left alone.
        max_concurrency: requests in flight.
        requests_per_minute: replaces the documented rate.
        timeout: seconds to wait for an answer after the last byte of a request.
        verify: check TLS certificates; only ``false`` itself turns it off.
        ca_bundle: a file of certificates to trust instead of the usual ones.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    api_key: SecretStr | None = None
    base_url: str = ""
    poll_interval: Seconds | None = None
    poll_timeout: Seconds | None = None
    max_concurrency: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    timeout: Seconds = Field(default=60.0, gt=0)
    verify: bool = True
    ca_bundle: str | None = Field(default=None, min_length=1)

    def timeout_for(self, size: int) -> float:
        """Return the time-out of a request that carries or joins so many bytes.

        ``timeout``, and a second more for each 10 MB: the vendor stores them before it answers.
        That rate is an assumption; it suits vendors where a late answer is dear.
        """
        return self.timeout + size / _STORED

    @field_validator("verify", mode="before")
    @classmethod
    def _off_on_purpose(cls, value: object) -> bool:
        """Take no ``""``, ``0``, ``no`` or ``n`` for it: one of those may be an accident."""
        word = value.strip().lower() if isinstance(value, str) else value
        if word is False or word == "false":
            return False
        if word is True or word in ("true", "1", "yes", "on"):
            return True
        raise ValueError("write true or false; false turns the check of certificates off")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        printable = url.isascii() and url.isprintable() and not set(url) & set(' \\<>"')
        if parts.scheme not in ("http", "https") or not parts.hostname or not printable:
            raise ValueError("an address like https://api.example.com is needed")
        if {"?", "#"} & set(url) or "@" in parts.netloc:
            raise ValueError("no query, fragment or password may be in it")
        if parts.port == 0:  # a port that is no number is a ValueError of its own
            raise ValueError("nothing can listen on port 0")
        return url.rstrip("/")

    def missing(self) -> tuple[str, ...]:
        """Return the names of the settings without which the vendor cannot be talked to."""
        wanted = {"api_key": self.api_key, "base_url": self.base_url}
        return tuple(name for name, value in wanted.items() if not value)


S_co = TypeVar("S_co", bound=ProviderSettings, default=ProviderSettings, covariant=True)


class Provider(Generic[S_co]):
    """The adapter to one vendor's API: flows without I/O.

    A flow is re-run from the top, never resumed: it uses no clock, no randomness and no globals,
    and names each request that is not safe with a ``step``. ``send`` and ``poll`` are required;
    overriding one of the optional verbs declares that the vendor offers it.

    Attributes:
        name: what is stored with every run; never rename it.
        aliases: other names that a user may type.
        state_version: raise it when a step name or the meaning of ``Session.data`` changes.
        title: the vendor's name for people.
        documentation: the vendor's own pages.
        webhook_setting: the setting that holds the address at which the vendor is to report; ""
            where it reports nowhere. ``{token}`` in it becomes the batch's own token, and
            ``batch.callback`` is the address to register.
        Settings: the settings class.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    state_version: ClassVar[int] = 1
    title: ClassVar[str] = ""
    documentation: ClassVar[str] = ""
    webhook_setting: ClassVar[str] = ""
    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings

    token: str | None = None
    """What ``authorize`` last got; kept by the driver, for ``sign``."""

    def __init_subclass__(cls, card: Card | None = None, **more: Any) -> None:
        """Take from a card what stands on it: ``class Tiny(Provider, card=CARD)``."""
        super().__init_subclass__(**more)
        if card is not None:
            cls.name, cls.aliases = card.name, card.aliases
            cls.title, cls.documentation = card.title, card.documentation

    def __init__(self, settings: S_co) -> None:
        self.settings = settings

    def account(self) -> str:
        """Name the account within which the vendor's job ids are unique."""
        return f"{self.name}@{self.settings.base_url}"

    def capabilities(self) -> Capabilities:
        """What holds for these settings, known without asking the vendor."""
        return Capabilities()

    # ------------------------------------------------------------------ the upload itself

    def prepare(self) -> Flow[Setup]:
        """Once per run and target, before everything else: a project, the server's limits."""
        return immediately(Setup())

    def start(self, batch: Batch) -> Flow[Session]:
        """Open a session; by default one transfer that holds every document of the batch."""
        return immediately(Session(transfers=(Transfer.whole(batch),)))

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        """Carry one transfer."""
        raise NotImplementedError(f"{type(self).__name__} has no send: every provider needs one")

    def complete(self, batch: Batch, session: Session, receipts: tuple[Receipt, ...]) -> Flow[Job]:
        """Say that all has been sent; by default the one send made the job."""
        if len(receipts) != 1:
            raise NotImplementedError(
                f"{type(self).__name__} has no complete: without one there is a single transfer, "
                "and the token of its receipt is the job's id"
            )
        (receipt,) = receipts
        if not receipt.token:
            raise ProtocolError("nothing tells the job's id: the upload's receipt has no token")
        return immediately(Job(id=receipt.token, data=receipt.data, documents=receipt.documents))

    def poll(self, job: Job) -> Flow[Status]:
        """Ask how the job stands."""
        raise NotImplementedError(f"{type(self).__name__} has no poll: every provider needs one")

    # ------------------------------------------------------------------ optional verbs

    def renew(
        self, batch: Batch, session: Session, transfers: tuple[Transfer, ...]
    ) -> Flow[tuple[Transfer, ...]]:
        """Get fresh URLs for transfers that expired; the same ids, other receipts stay valid."""
        raise NotImplementedError

    def abort(self, session: Session) -> Flow[None]:
        """Give an unfinished session back to the vendor."""
        raise NotImplementedError

    def cancel(self, job: Job) -> Flow[Status]:
        """Ask the vendor to stop the job."""
        raise NotImplementedError

    def act(self, job: Job, action: Action) -> Flow[Status]:
        """Do what a status offered: ``resume``, ``complete``, ``discard``, ``retry``."""
        raise NotImplementedError

    def results(self, job: Job) -> Flow[Results]:
        """Fetch what the vendor read out of the documents."""
        raise NotImplementedError

    def inventory(self, setup: Setup) -> Flow[Inventory]:
        """List what the vendor holds; only GETs, and only where a list is documented."""
        raise NotImplementedError

    @classmethod
    def offers(cls, verb: str) -> bool:
        """Tell whether an optional verb is overridden, that is: offered."""
        return getattr(cls, verb) is not getattr(Provider, verb)

    # ------------------------------------------------------------------ credentials, errors

    def sign(self, request: Request, now: float) -> Request:
        """Add the credentials; called right before each try, for relative URLs only."""
        token, key = self.token, self.settings.api_key
        if token is None and key is not None:
            token = key.get_secret_value()
        if token is None:
            return request
        return request.with_header("Authorization", f"Bearer {token}")

    def authorize(self) -> Flow[Token]:
        """Get a credential that expires, such as an access token of OAuth 2.

        Asked before the first request, before the token expires, and once after a 401. Its
        requests are ``SAFE`` and bring their own credentials: ``sign`` does not see them.
        """
        raise NotImplementedError

    def refusal(self, response: Response) -> LongshoreError | None:
        """Turn the vendor's error body into an exception; None: judge by the status alone."""
        return None


_HINTS = {
    401: "check the API key: it is missing, wrong, revoked or expired",
    402: "add credits to the vendor account, then resume the run",
    403: "this key may not do this: check its scopes and the project's settings",
    404: "check base_url and the ids in the settings",
    413: "send smaller documents, or fewer of them together (--batch-size)",
}


def refusal_of(
    response: Response, message: str = "", *, code: str = "", hint: str = ""
) -> LongshoreError:
    """Turn a status of 300 or more into the exception that the driver acts upon.

    Args:
        response: what came.
        message: the vendor's own words; without them the usual places are looked at: JSON, the
            XML of an S3 storage, the headline of a web page.
        code: the vendor's own error code.
        hint: the next step, if the provider knows better than the status does.
    """
    status = response.status
    if 300 <= status < 400:
        place = redact_text(response.headers.get("location", ""))
        return ProtocolError(
            f"the vendor answered with a redirect ({status})",
            hint="redirects are not followed" + (f"; base_url may be {place}" if place else ""),
            status=status,
        )
    words = excerpt(message.encode(errors="replace")) or said_by(response) or "without a reason"
    kinds: dict[int, type[LongshoreError]] = {
        401: Unauthorized,
        402: PaymentRequired,
        403: Forbidden,
    }
    kind = kinds.get(status, RequestRefused)
    return kind(
        f"the vendor refused ({status}): {words}",
        hint=hint or _HINTS.get(status, ""),
        status=status,
        code=code,
    )
