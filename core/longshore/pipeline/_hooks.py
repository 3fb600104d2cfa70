"""The addresses that vendors are told to call: each batch has one of its own.

The token in it is an HMAC of the batch id with a key that lies beside the journal. Nothing has to
be kept for it, nobody without the key can guess it, and whoever has it learns one batch id.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from longshore.errors import JournalError
from longshore.journal import Journal
from longshore.provider import Provider, ProviderSettings

__all__ = ["Hooks", "batch_of_token", "hook_key", "hooks_of", "token_of"]

PLACE = "{token}"
"""Stands in an address where the token comes."""

_SIZE = 32
_of_memory: WeakKeyDictionary[object, bytes] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Makes the address of each batch.

    Attributes:
        template: what the setting says; without ``{token}`` all batches have this address.
        key: of the journal.
    """

    template: str
    key: bytes

    def url(self, batch_id: str) -> str:
        """Return the address at which the vendor reports about a batch."""
        return self.template.replace(PLACE, token_of(self.key, batch_id))


def hooks_of(journal: Journal, provider: Provider[ProviderSettings]) -> Hooks | None:
    """Return what makes the addresses of a target; None if its vendor calls nobody.

    Raises:
        JournalError: the key cannot be made or read.
    """
    template = getattr(provider.settings, provider.webhook_setting or "", None)
    if not template:
        return None
    return Hooks(template, hook_key(journal) if PLACE in template else b"")


def token_of(key: bytes, batch_id: str) -> str:
    """Return the token of a batch; it may stand in a URL."""
    return f"{batch_id}.{_mac(key, batch_id)}"


def batch_of_token(key: bytes, token: str) -> str | None:
    """Return the batch that a token belongs to; None for one that was not made with this key.

    Takes the same time for every token of the same length.
    """
    batch_id, _, given = token.rpartition(".")
    right = hmac.compare_digest(given.encode(), _mac(key, batch_id).encode())
    return batch_id if right else None


def _mac(key: bytes, batch_id: str) -> str:
    made = hmac.digest(key, b"longshore batch\0" + batch_id.encode("utf-8", "replace"), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


# ----------------------------------------------------------------------------------- the key


def hook_key(journal: Journal) -> bytes:
    """Return the key of a journal, made at its first use: ``journal.db-hooks``, mode 0600.

    A journal in memory has one as long as it lives.

    Raises:
        JournalError: it cannot be made or read.
    """
    path = getattr(journal, "path", None)
    if path is None:
        return _of_memory.setdefault(journal, secrets.token_bytes(_SIZE))
    file = Path(f"{path}-hooks")
    try:
        if not file.exists():
            _make(file)
        if (mode := file.stat().st_mode) & 0o077:
            file.chmod(mode & 0o700)
        key = bytes.fromhex(file.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise JournalError(f"the key {file} cannot be used: {error}") from error
    if len(key) != _SIZE:
        raise JournalError(
            f"the key {file} is damaged",
            hint="delete it; deliveries for batches that were sent before are then not recognized",
        )
    return key


def _make(file: Path) -> None:
    """Write a fresh key whole or not at all; another process may do the same at this moment."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
            out.write(secrets.token_hex(_SIZE))
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
