"""``webhooks serve``: take deliveries of vendors; each wakes the run that waits for it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from longshore.cli._command import EPILOG, command
from longshore.cli._terminal import Terminal
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.webhooks import Receiver

__all__ = ["webhooks"]

PORT = 8710

webhooks = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Take deliveries of vendors; each brings the next poll forward.",
)


@command(
    "longshore webhooks serve --public-url https://hooks.example.com",
    "longshore webhooks serve --host 0.0.0.0 --port 9000 --json",
)
def serve(
    terminal: Terminal,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="To listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="To listen on; 0: any.")
    ] = PORT,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url", metavar="URL", help="How vendors reach this port, through your proxy."
        ),
    ] = None,
) -> int:
    """Take deliveries until Ctrl-C; uploads with the same journal poll as soon as one comes.

    Prints the settings that tell each vendor where to deliver. What a delivery says is not
    believed: the vendor is asked.
    """
    from longshore.targets import load_config
    from longshore.webhooks import Receiver, Result, signatures_of
    from longshore.webhooks import serve as run

    base = _checked(public_url)
    config = load_config(terminal.config, cwd=Path.cwd(), environ=os.environ)
    signatures = signatures_of(config)

    def told(result: Result, run_id: str, batch_id: str) -> None:
        if batch_id:
            terminal.line({
                "event": "delivery",
                "result": str(result),
                "run_id": run_id,
                "batch_id": batch_id,
            })  # fmt: skip
            terminal.say(f"{result}: batch {batch_id} of run {run_id}")

    receiver = Receiver(terminal.journal, signatures, told=told)
    try:
        run(
            receiver,
            host=host,
            port=port,
            ready=lambda url: _ready(terminal, url, base or url, sorted(signatures)),
        )
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}", hint="--port 0 takes a free one"
        ) from None
    _count(terminal, receiver)
    return 0


def _checked(url: str | None) -> str | None:
    if url is None:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(
            f"--public-url {url}: no address", hint="for example https://hooks.example.com"
        )
    return url.rstrip("/")


def _ready(terminal: Terminal, url: str, base: str, signed: list[str]) -> None:
    from longshore.plugins import load_plugins
    from longshore.targets import variable

    settings = {
        variable(name, info.type.webhook_setting): f"{base}/{{token}}"
        for name, info in load_plugins().providers().items()
        if info.type.webhook_setting
    }
    terminal.line({"event": "webhooks", "url": url, "variables": settings, "signed": signed})
    for name, value in settings.items():
        terminal.say(f"export {name}={shlex.quote(value)}")
    terminal.note(f"longshore: taking deliveries at {url} until Ctrl-C")
    for target in signed:
        terminal.note(f"longshore: deliveries for {target} must be signed")
    if urlsplit(base).scheme != "https":
        terminal.note("longshore: vendors may want https: put a proxy before it, see --public-url")


def _count(terminal: Terminal, receiver: Receiver) -> None:
    counts = {str(result): count for result, count in sorted(receiver.counts.items())}
    terminal.line({"event": "webhooks_end", "deliveries": counts})
    words = ", ".join(f"{count} {result}" for result, count in counts.items())
    terminal.note(f"longshore: deliveries: {words or 'none'}")


webhooks.command("serve", epilog=getattr(serve, EPILOG, None))(serve)


@webhooks.callback()
def _webhooks() -> None:
    """Take deliveries of vendors; each brings the next poll forward."""
