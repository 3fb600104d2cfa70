"""``webhooks serve``: take deliveries of vendors; each wakes the run that waits for it."""

from __future__ import annotations

import errno
import shlex
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from longshore.cli._command import EPILOG, calls_another, command
from longshore.cli._terminal import Terminal
from longshore.errors import UsageError

if TYPE_CHECKING:
    from longshore.webhooks import Receiver

__all__ = ["webhooks"]

PORT = 8710

_TAKEN = (errno.EADDRINUSE, errno.EACCES)

webhooks = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Take deliveries of vendors; each brings the next poll forward.",
)


@command("longshore webhooks", "longshore webhooks serve --public-url https://hooks.example.com")
def _list(terminal: Terminal, ctx: typer.Context) -> int | None:
    """List the vendors that can be told where to deliver; serve, and print addresses."""
    if calls_another(ctx):
        return None
    for name, setting in _settings().items():
        terminal.line({"event": "webhook_setting", "provider": name, "variable": setting})
        terminal.say(f"{name:<24}  {setting}")
    terminal.note(
        "longshore: others that call at all are told in their own pages, by an address: "
        "longshore webhooks address --help"
    )
    return 0


def _settings() -> dict[str, str]:
    """Return the variable that tells a vendor where to deliver, by its name."""
    from longshore.plugins import load_plugins
    from longshore.targets import variable

    return {
        name: variable(name, info.type.webhook_setting)
        for name, info in load_plugins().providers().items()
        if info.type.webhook_setting
    }


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

    base = _checked(public_url) if public_url is not None else None
    config = load_config(terminal.config)
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
    except BrokenPipeError:  # nobody reads the variables: the port is all right
        raise
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}",
            hint="--port 0 takes a free one" if error.errno in _TAKEN else "check --host",
        ) from None
    _count(terminal, receiver)
    return 0


def _checked(url: str) -> str:
    if not _is_address(url):
        raise UsageError(
            f"--public-url {url}: no address", hint="for example https://hooks.example.com"
        )
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    """Tell whether a path may follow."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # such as a port of six digits
        return False
    return bool(known) and not any(mark in url for mark in "?#{ ")  # {token} is ours to add


def _ready(terminal: Terminal, url: str, base: str, signed: list[str]) -> None:
    settings = dict.fromkeys(_settings().values(), f"{base}/{{token}}")
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


@command("longshore webhooks address my-target --public-url https://hooks.example.com")
async def address(
    terminal: Terminal,
    *,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Whose vendor is told.")],
    public_url: Annotated[
        str, typer.Option("--public-url", metavar="URL", help="How the vendor reaches the server.")
    ],
) -> int:
    """Print the address of a target, to be typed into its vendor's own pages.

    A delivery there wakes the batches whose job ids stand in it. Keep the address to yourself.
    """
    from longshore.journal import open_journal
    from longshore.targets import resolve_target
    from longshore.webhooks import address_of

    base = _checked(public_url)
    name = resolve_target(target, config_file=terminal.config).name
    async with open_journal(terminal.journal) as journal:
        url = address_of(journal, name, base)
    terminal.line({"event": "address", "target": name, "url": url})
    terminal.say(url)
    return 0


webhooks.callback(epilog=getattr(_list, EPILOG))(_list)
webhooks.command(
    "address",
    short_help="Print where a vendor is to deliver.",
    epilog=getattr(address, EPILOG),
)(address)
webhooks.command(
    "serve", short_help="Take deliveries until Ctrl-C.", epilog=getattr(serve, EPILOG)
)(serve)
