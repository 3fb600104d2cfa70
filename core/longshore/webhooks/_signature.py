"""How a vendor signs its deliveries: told by the user, where the vendor documents it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from longshore._closest import closest
from longshore._model import Frozen
from longshore.errors import ConfigurationError
from longshore.plugins import Plugins
from longshore.targets import Config, check_known, follow
from longshore.units import Seconds

__all__ = ["SESSION", "Signature", "signatures_of"]

SESSION = "session:"
"""Begins a reference to a secret that the vendor gave with the job."""

_MOST_HEADER = 4096


class Signature(Frozen):
    """A signature that a delivery must carry.

    Attributes:
        header: the header field that holds it.
        secret: one or several; during a rotation the old and the new one. ``session:NAME`` is the
            secret of this name that the vendor gave when the batch's session was opened.
        algorithm: of the HMAC; ``plain``: the header holds the secret itself.
        encoding: of the signature.
        prefix: what stands before it: ``sha256=``, ``v1=``, ``Bearer ``. A header may hold several
            entries, separated by commas; those that begin otherwise are left out.
        signed: what is signed: ``{body}``, or with the time: ``{timestamp}.{body}``.
        timestamp_header: the field that holds the time, in seconds since the epoch; the one of the
            signature if it is not given.
        timestamp_prefix: what stands before the time: ``t=``.
        tolerance: seconds that the time may be off.
    """

    header: str = Field(min_length=1)
    secret: tuple[SecretStr, ...] = Field(min_length=1)
    algorithm: Literal["sha256", "sha512", "sha1", "plain"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str = ""
    timestamp_prefix: str = ""
    tolerance: Seconds = 300.0

    @field_validator("secret", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str | SecretStr) else value

    @model_validator(mode="after")
    def _whole(self) -> Signature:
        if "{body}" not in self.signed:
            raise ValueError("signed: {body} must be in it")
        timed = bool(self.timestamp_header or self.timestamp_prefix)
        if timed != ("{timestamp}" in self.signed):
            raise ValueError("a time protects only if it is signed: put {timestamp} into signed")
        if not all(secret.get_secret_value() for secret in self.secret):
            raise ValueError("secret: an empty one protects nothing")
        return self

    def names_session_secrets(self) -> bool:
        """Tell whether a secret is to be taken from the batch's session."""
        return any(secret.get_secret_value().startswith(SESSION) for secret in self.secret)

    def fits(
        self,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        *,
        now: float,
        session: Mapping[str, str] | None = None,
    ) -> bool:
        """Tell whether a delivery is signed with one of the secrets, and recently.

        Args:
            headers: of the delivery.
            body: as it came.
            now: seconds since the epoch.
            session: the secrets of the batch's session.
        """
        fields = [(name.lower(), value[:_MOST_HEADER]) for name, value in headers]
        given = [
            entry.removeprefix(self.prefix)
            for entry in _entries(fields, self.header)
            if entry.startswith(self.prefix)
        ]
        stamp = self._stamp(fields)
        if stamp is not None and not self._recent(stamp, now):
            return False
        text = self._signed(stamp or "", body)
        right = [
            _matches(self, secret, text, candidate)
            for secret in self._secrets(session or {})
            for candidate in given[:8]
        ]
        return any(right)

    def _stamp(self, fields: list[tuple[str, str]]) -> str | None:
        if "{timestamp}" not in self.signed:
            return None
        for entry in _entries(fields, self.timestamp_header or self.header):
            if entry.startswith(self.timestamp_prefix):
                return entry.removeprefix(self.timestamp_prefix)
        return ""

    def _recent(self, stamp: str, now: float) -> bool:
        at = int(stamp) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 16 else 0
        return abs(now - at) <= self.tolerance

    def _signed(self, stamp: str, body: bytes) -> bytes:
        before, _, after = self.signed.replace("{timestamp}", stamp).partition("{body}")
        return before.encode() + body + after.encode()

    def _secrets(self, session: Mapping[str, str]) -> Iterator[bytes]:
        for secret in self.secret:
            value = secret.get_secret_value()
            if value.startswith(SESSION):
                value = session.get(value.removeprefix(SESSION), "")
            if value:
                yield value.encode()


def _entries(fields: list[tuple[str, str]], header: str) -> Iterator[str]:
    for name, value in fields:
        if name == header.lower():
            yield from (entry.strip() for entry in value.split(","))


def _matches(how: Signature, secret: bytes, text: bytes, given: str) -> bool:
    """Compare in constant time."""
    if how.algorithm == "plain":
        return hmac.compare_digest(secret, given.encode("utf-8", "replace"))
    wanted = hmac.digest(secret, text, how.algorithm)
    try:
        came = bytes.fromhex(given) if how.encoding == "hex" else base64.b64decode(given)
    except (ValueError, binascii.Error):
        came = b""
    return hmac.compare_digest(wanted, came)


def signatures_of(
    config: Config, *, environ: Mapping[str, str] | None = None, plugins: Plugins | None = None
) -> dict[str, Signature]:
    """Read ``[webhooks.TARGET]`` of a configuration, and follow its references to secrets.

    Args:
        config: the configuration.
        environ: by default this process's environment.
        plugins: by default the installed ones.

    Raises:
        UnknownTarget: a table is named after no target: nothing would be checked by it.
        ConfigurationError: a table cannot be used; secrets are never quoted.
    """
    found: dict[str, Signature] = {}
    for target, table in config.webhooks.items():
        where = f"{config.path}: [webhooks.{target}]"
        check_known(target, config, f"{where}: ", plugins=plugins)
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where} is no table")
        folder = config.path.parent if config.path else Path()
        found[target] = _read(table, where, folder, os.environ if environ is None else environ)
    return found


def _read(table: dict[str, Any], where: str, folder: Path, environ: Mapping[str, str]) -> Signature:
    given = dict(table)
    if "secret" in given:
        given["secret"] = follow(given["secret"], folder=folder, environ=environ, where=where)
    try:
        return Signature(**given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        strange = [wrong for wrong in found if wrong["type"] == "extra_forbidden"]
        wrong = (strange or found)[0]  # what is missing may be what is misspelt
        name = ".".join(str(part) for part in wrong["loc"][:1])
        if strange:
            raise ConfigurationError(
                f"{where}: there is no setting {name!r}",
                hint=closest(name, Signature.model_fields)
                or f"there are: {', '.join(Signature.model_fields)}",
            ) from None
        words = wrong["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{where} {name}: {words}".replace(" :", ":")) from None
