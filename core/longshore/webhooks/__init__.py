"""Deliveries of vendors: hints that bring the next poll forward. The poll tells the truth.

``app()`` is an ASGI application, ``serve()`` runs it. A delivery finds its batch by the token that
Longshore put into the address, whatever the vendor's payload may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import TYPE_CHECKING

from longshore.errors import PluginError
from longshore.journal import Journal
from longshore.pipeline import hook_key, token_of
from longshore.webhooks._receiver import OF_TARGET, Receiver, Result
from longshore.webhooks._signature import Signature, signatures_of

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = [
    "Receiver", "Result", "Signature", "address_of", "app", "serve", "signatures_of",
]  # fmt: skip

_MOST = 256 << 10
"""Bytes of a delivery at most."""


def address_of(journal: Journal, target: str, public_url: str) -> str:
    """Return the one address of a target, for vendors where it is typed into their own pages.

    A delivery there wakes the batches whose job ids stand anywhere in its JSON. The address is a
    secret: whoever has it can cause polls, no more.

    Raises:
        JournalError: the key cannot be made or read.
    """
    token = token_of(hook_key(journal), f"{OF_TARGET}{target}")
    return f"{public_url.rstrip('/')}/{token}"


_EXTRA = "pip install 'longshore[webhooks]'"


def app(
    journal: str | PathLike[str] | None = None,
    *,
    signatures: Mapping[str, Signature] | None = None,
    receiver: Receiver | None = None,
    most: int = _MOST,
) -> Starlette:
    """Make the ASGI application that takes deliveries; mount it wherever you like.

    It answers every POST alike and at once, with 204 and nothing else, whether or not the token is
    known and the signature is right: who calls learns nothing.

    Args:
        journal: the journal file; None: the usual place. The runs must be in it.
        signatures: target name -> how its vendor signs; a delivery for a target that is not named
            here is taken on its token alone.
        receiver: what deals with deliveries, instead of the two above.
        most: bytes of a body; a larger one is answered with 413.

    Raises:
        PluginError: Starlette is not installed.
    """
    try:
        from longshore.webhooks._app import make
    except ImportError as error:
        raise PluginError(str(error), hint=_EXTRA) from None
    return make(receiver or Receiver(journal, signatures or {}), most)


def serve(
    receiver: Receiver,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve the application until SIGINT or SIGTERM.

    Args:
        receiver: what deals with deliveries.
        host: to bind.
        port: to bind; 0 is any free one.
        ready: called with the address once connections are taken.

    Raises:
        PluginError: Starlette or uvicorn is not installed.
        JournalError: the journal cannot be used.
        OSError: the port cannot be used.
    """
    try:
        from longshore.webhooks._serve import run
    except ImportError as error:
        raise PluginError(str(error), hint=_EXTRA) from None
    run(app(receiver=receiver), host=host, port=port, opens=receiver.open, ready=ready)
