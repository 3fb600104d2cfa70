"""What can be told of a request, an answer or a flow by itself; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from longshore.errors import (
    AccountError,
    LongshoreError,
    PluginError,
    RequestRefused,
    SessionLost,
)
from longshore.pipeline._unit import Unit
from longshore.provider import (
    Abandon,
    Multipart,
    Refused,
    Remedy,
    Request,
    Response,
    Retry,
    Wait,
    refusal_of,
)

__all__ = ["digest_of", "is_dear", "key_of", "makes_work", "move", "storage_refusal"]


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


def move(step: Callable[..., Request | Wait], *arguments: Any) -> Request | Wait:
    """Move a flow on; what it raises by mistake is its provider's fault, not its documents'."""
    try:
        item = step(*arguments)
    except (StopIteration, LongshoreError, Refused):
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        raise PluginError(f"the provider's flow broke off: {words}") from error
    if not isinstance(item, Request | Wait):
        raise PluginError(f"a flow yields requests and waits, not {type(item).__name__}")
    return item


def storage_refusal(response: Response) -> LongshoreError:
    """Say what a refusal of the vendor's storage means."""
    error = refusal_of(response)
    if response.status in (403, 404, 410):
        return SessionLost(
            f"the signed URL was refused ({response.status}): {error.message}",
            status=response.status,
        )
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
