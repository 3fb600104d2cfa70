"""What can be told of a request, an answer or a flow by itself; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, TypeVar

from longshore.errors import (
    AccountError,
    LongshoreError,
    PluginError,
    ProtocolError,
    RequestRefused,
    ResumeMismatch,
    SessionLost,
    UnknownOutcome,
)
from longshore.lifecycle import Job, Receipt, Session, Setup, Status
from longshore.pipeline._unit import Unit
from longshore.provider import (
    Abandon,
    Flow,
    Multipart,
    Provider,
    ProviderSettings,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Wait,
    refusal_of,
)

__all__ = [
    "RETURNS", "UNKNOWN_HINT", "begin", "check_returned", "check_same", "digest_of", "is_dear",
    "key_of", "makes_work", "move", "read_refusal", "unusable",
]  # fmt: skip

UNKNOWN_HINT = "look at the vendor's own pages; going on with the run asks again"

T = TypeVar("T")


def makes_work(request: Request) -> bool:
    """Tell whether a request makes the vendor work: it cannot simply be given up."""
    harmless = isinstance(request.lost, Abandon) or request.lost is Remedy.RESTART
    return request.retry in (Retry.KEYED, Retry.ONCE) and not harmless


def is_dear(request: Request, flow: str) -> bool:
    """Tell whether it costs when a request seems to have left, but has not.

    Nobody could tell, or all parts would be sent again.
    """
    if request.retry is not Retry.ONCE or callable(request.lost):
        return False
    return request.lost is Remedy.HOLD or flow.startswith("send/")


def begin(flow: Callable[..., Flow[T]], *arguments: Any) -> Flow[T]:
    """Begin a flow, which may fail at once where it is no generator by itself."""
    try:
        made = flow(*arguments)
    except LongshoreError:
        raise
    except Exception as error:
        raise _broken(error) from error
    if not isinstance(made, GeneratorType | Generator):  # the first is the quick one
        raise PluginError(f"a flow is a generator, not {type(made).__name__}")
    return made


RETURNS: dict[str, type] = {
    "prepare": Setup,
    "start": Session,
    "send": Receipt,
    "complete": Job,
    "poll": Status,
    "cancel": Status,
    "act": Status,
}


def check_returned(verb: str, value: object) -> None:
    """Look whether a flow returns what its verb asks for.

    Raises:
        PluginError: it does not.
    """
    kind = RETURNS.get(verb, object)
    if not isinstance(value, kind):
        raise PluginError(f"{verb} returns {type(value).__name__}, and not {kind.__name__}")


def _broken(error: Exception) -> PluginError:
    words = " ".join(str(error).split())
    return PluginError(f"the provider's flow broke off: {type(error).__name__}: {words}")


def move(step: Callable[..., Request | Wait], *arguments: Any) -> Request | Wait:
    """Move a flow on; what it raises by mistake is its provider's fault, not its documents'."""
    try:
        item = step(*arguments)
    except AccountError as error:  # as if the refusal that told it had not been caught
        # Not so an answer below 300: the vendor may have acted, whatever its words are.
        raise Refused(Response(0), error) from error
    except (StopIteration, LongshoreError, Refused):
        raise
    except Exception as error:
        raise _broken(error) from error
    if not isinstance(item, Request | Wait):
        raise PluginError(f"a flow yields requests and waits, not {type(item).__name__}")
    return item


def check_same(request: Request, before: str) -> None:
    """Make sure that a request is the one that was recorded, or is open, under its step.

    Raises:
        ResumeMismatch: it is another one.
    """
    if before != digest_of(request):
        raise ResumeMismatch(
            f"step {request.step!r} would send another request than before the interruption",
            hint="settings or files changed: restore them and go on with the run",
        )


def read_refusal(
    provider: Provider[ProviderSettings], request: Request, response: Response
) -> LongshoreError | None:
    """Say what a refusal means; None for an answer that is none.

    Raises:
        PluginError: the provider cannot read it.
    """
    if response.status < 300:
        return None
    if request.absolute:
        return _storage_refusal(response)
    try:
        error = provider.refusal(response)
    except Exception as mistake:
        words = f"{type(mistake).__name__}: {mistake}"
        raise PluginError(f"the provider cannot read a refusal: {words}") from mistake
    if not isinstance(error, LongshoreError | None):
        raise PluginError(f"refusal returns {type(error).__name__}, and no LongshoreError")
    return error or refusal_of(response)


def unusable(error: ProtocolError) -> UnknownOutcome:
    """Say what it means that a reply cannot be used to what made the vendor work: no failure."""
    return UnknownOutcome(f"the vendor may be at work: {error.message}", hint=UNKNOWN_HINT)


def _storage_refusal(response: Response) -> LongshoreError:
    """Say what a refusal of the vendor's storage means."""
    error = refusal_of(response)
    if response.status in (403, 404, 410):
        return SessionLost(f"the signed URL: {error.message}", status=response.status)
    if isinstance(error, AccountError):  # the storage knows nothing of the vendor's account
        return RequestRefused(error.message, status=response.status)
    return error


def digest_of(request: Request) -> str:
    """Return what tells one request from another: its method, URL and body."""
    return hashlib.sha256(repr((request.method, request.url, request.body)).encode()).hexdigest()


def key_of(unit: Unit, flow: str, request: Request) -> str:
    """Make the idempotency key of a request, also the boundary of its form; "" if it has neither.

    It is the same in every process and for every try.
    """
    if not request.key_header and not isinstance(request.body, Multipart):
        return ""
    step = "" if request.retry is Retry.SAFE else request.step
    text = f"{unit.id}/{unit.record.attempt}/{flow}/{step}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
