"""Acme with one fault each in what can be told before anything is sent; see ``broken``."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from pydantic import ConfigDict, SecretStr

from longshore.provider import (
    Batch,
    Capabilities,
    Flow,
    LongshoreError,
    PartRule,
    Receipt,
    Request,
    Response,
    Session,
    Setup,
    Transfer,
    refusal_of,
)
from tests.conformance.acme import Acme, AcmeSettings
from tests.conformance.faults import changed, fails

COUNT = itertools.count()


@fails("the_aliases_are_fit")
class WildAlias(Acme):
    aliases = ("Acme Corp!",)


@fails("people_can_read_about_it")
class Nameless(Acme):
    title = ""


@fails("a_part_size_that_prepare_tells_is_the_vendors")
class Late(Acme):
    """It cuts by what was planned, whatever the account says."""

    def prepare(self) -> Flow[Setup]:
        setup = yield from super().prepare()
        told = self.capabilities().model_copy(update={"parts": PartRule(default=20)})
        return setup.model_copy(update={"capabilities": told})


class LooseSettings(AcmeSettings):
    """Takes anything."""

    model_config = ConfigDict(extra="ignore")


@fails("the_settings_are_settings")
class Loose(Acme):
    Settings = LooseSettings


class MoreSettings(AcmeSettings):
    """Says nothing about what it adds."""

    harbour: str = ""


@fails("every_setting_is_explained")
class Unexplained(Acme):
    Settings = MoreSettings


class EasySettings(AcmeSettings):
    """Needs nothing."""

    def missing(self) -> tuple[str, ...]:
        return ()


@fails("missing_settings_are_named")
class Easy(Acme):
    Settings = EasySettings


class PlainSettings(AcmeSettings):
    """Shows its secret."""

    webhook_secret: str | None = None  # type: ignore[assignment]


@fails("secret_settings_hide_their_value")
class Plain(Acme):
    Settings = PlainSettings  # type: ignore[assignment]


@fails("it_is_made_without_doing_anything")
class Busy(Acme):
    def __init__(self, settings: AcmeSettings) -> None:
        super().__init__(settings)
        with Path(__file__).open(encoding="utf-8") as own:
            self.first = own.readline()


@fails("the_capabilities_are_pure")
class Moody(Acme):
    def capabilities(self) -> Capabilities:
        return super().capabilities().model_copy(update={"behaviours": (f"{next(COUNT)}",)})


@fails("the_limits_make_sense")
class Absurd(Acme):
    def capabilities(self) -> Capabilities:
        own = super().capabilities()
        assert own.parts is not None
        return own.model_copy(update={"parts": own.parts.model_copy(update={"default": 30})})


@fails("every_listed_ending_goes")
class Choosy(Acme):
    def capabilities(self) -> Capabilities:
        own = super().capabilities()
        only = frozenset({"application/pdf"})
        return own.model_copy(
            update={"limits": own.limits.model_copy(update={"media_types": only})}
        )


@fails("the_flows_leave_the_credential_to_sign")
class Generous(Acme):
    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        assert isinstance(self.settings.api_key, SecretStr)
        key = self.settings.api_key.get_secret_value()
        flow = super().send(batch, session, transfer)
        return (yield from changed(flow, lambda request: request.with_header("X-Key", key)))


@fails("the_name_is_fit", "the_sandbox_fits")
class Loud(Acme):
    name = "Acme Corp"


@fails("the_state_version_counts_from_one")
class Versionless(Acme):
    state_version = 0


@fails("the_account_is_named_the_same_each_time")
class Keyring(Acme):
    def account(self) -> str:
        assert isinstance(self.settings.api_key, SecretStr)
        return f"acme/{self.settings.api_key.get_secret_value()}"


@fails("the_verbs_take_what_the_contract_gives")
class Demanding(Acme):
    def abort(self, session: Session, hard: bool = False) -> Flow[None]:
        return (yield from super().abort(session))


@fails("signing_is_pure")
class Stamping(Acme):
    def sign(self, request: Request, now: float) -> Request:
        return super().sign(request, now).with_header("X-Time", str(time.time()))


@fails("signing_changes_nothing_else")
class Rebuilding(Acme):
    """It writes the request anew, and forgets what it does not know of."""

    def sign(self, request: Request, now: float) -> Request:
        signed = super().sign(request, now)
        return Request(
            signed.method,
            signed.url,
            signed.body,
            signed.headers,
            signed.step,
            signed.retry,
            signed.key_header,
            signed.lost,
        )


@fails("the_text_form_hides_the_settings")
class Boasting(Acme):
    def __repr__(self) -> str:
        assert isinstance(self.settings.api_key, SecretStr)
        return f"Acme({self.settings.api_key.get_secret_value()})"


@fails("refusals_of_nothing_are_read")
class Dated(Acme):
    def refusal(self, response: Response) -> LongshoreError | None:
        return refusal_of(response, f"refused at {time.time()}")


@fails("the_largest_document_goes")
class Boundless(Acme):
    def capabilities(self) -> Capabilities:
        own = super().capabilities()
        more = {"bytes_per_document": 5000}
        return own.model_copy(update={"limits": own.limits.model_copy(update=more)})
