"""What a cassette shows of an exchange: secrets replaced, documents as digests.

The same function works on what is recorded and on what is sent at replay, so that both can be
compared. A secret that a reply hands out (a session key, a signed URL) becomes a placeholder; at
replay the placeholder is what the client gets, and what it sends back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from longshore.redaction import (
    HIDDEN,
    forms_of,
    names_secret,
    redact_headers,
    redact_text,
)
from longshore.transfer._decoded import decoded

__all__ = ["BIG", "Scrubber", "Shown"]

BIG = 4096
"""Bytes; a longer text is stored as its digest."""

_TEXTS = ("application/json", "application/problem+json", "application/x-www-form-urlencoded")
_NOT_OURS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "host", "user-agent",
})  # fmt: skip
_PACKED = "content-encoding"
_NOT_THEIRS = frozenset({"connection", _PACKED, "content-length", "keep-alive", "server"})
_MOST = 32 << 20  # bytes of a reply that is unpacked
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_SHORTEST_SECRET = 6
# What an S3 server quotes when it does not like a signature.
_XML = re.compile(
    r"<(AWSAccessKeyId|SignatureProvided|StringToSign|StringToSignBytes|CanonicalRequest"
    r"|CanonicalRequestBytes)>[^<]*</\1>"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as a cassette shows it, and as it is compared."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def place(self) -> tuple[str, str]:
        """What it is asked of; requests of one place come in their recorded order."""
        return self.method, self.url

    def difference(self, other: Shown) -> str:
        """Say where another request to the same place differs; "" if it does not."""
        for name in sorted({*self.headers, *other.headers}):
            mine, theirs = self.headers.get(name), other.headers.get(name)
            if mine != theirs:
                return f"header {name}: sent {theirs!r}, recorded {mine!r}"
        if self.body != other.body:
            return f"body differs\n  sent      {other.body!r:.400}\n  recorded  {self.body!r:.400}"
        return ""


class Scrubber:
    """Replaces secrets, always by the same placeholder.

    Args:
        secrets: values that must not be shown, such as the API key.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}  # each form of a secret -> what stands in its place
        self._learned = 0
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                self._hide(secret, HIDDEN)

    def _hide(self, secret: str, placeholder: str) -> None:
        self._names |= dict.fromkeys(forms_of(secret), placeholder)

    # ------------------------------------------------------------------ requests

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Shown:
        """Show a request."""
        kept = {n.lower(): v for n, v in headers.items() if n.lower() not in _NOT_OURS}
        kind = kept.get("content-type", "")
        if match := _BOUNDARY.search(kind):
            kept["content-type"] = kind.replace(match[0], "boundary=longshore")
            shown = "\n".join(self._parts(body, match[1].encode()))
        else:
            shown = self._body(kind, body)
        hidden = redact_headers({name: self._known(value) for name, value in kept.items()})
        return Shown(method, self.text(url), dict(sorted(hidden.items())), shown)

    def _parts(self, body: bytes, boundary: bytes) -> Iterable[str]:
        """Show a form field by field; of a file only its digest."""
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            content = content.removesuffix(b"\r\n")
            lines = self._known(head.decode("utf-8", "backslashreplace").replace("\r\n", "\n"))
            value = digest(content) if b"filename=" in head else self._short(content)
            yield f"--longshore\n{lines}\n\n{value}"
        yield "--longshore--"

    def _body(self, kind: str, body: bytes) -> str:
        if not body:
            return ""
        return self._short(body) if kind.partition(";")[0].strip() in _TEXTS else digest(body)

    def _short(self, data: bytes) -> str:
        """Show a text; one that is long or none at all becomes a digest."""
        try:
            text = self.json_or_text(data.decode())
        except UnicodeDecodeError:
            return digest(data)
        readable = all(char.isprintable() or char in "\r\n\t" for char in text)
        return text if len(text) <= BIG and readable else digest(text.encode())

    # ------------------------------------------------------------------ replies

    def reply(self, reply: Mapping[str, Any]) -> dict[str, Any]:
        """Show a reply (in vcrpy's form), and learn the secrets that it hands out."""
        body = _unpacked(reply)
        with suppress(ValueError, RecursionError):
            self._learn(json.loads(body))
        try:
            text = self.json_or_text(body.decode())
        except UnicodeDecodeError:  # nobody can read whether a secret is in it
            text = digest(body)
        headers = {
            name.lower(): [self._header(name, value) for value in values]
            for name, values in sorted(reply["headers"].items())
            if name.lower() not in _NOT_THEIRS
        }
        shown = {**reply, "headers": headers, "body": {"string": text.encode()}}
        if "status" in reply:  # its phrase is free text
            phrase = reply["status"]["message"] or ""
            shown["status"] = {**reply["status"], "message": self.text(phrase)}
        return shown

    def _header(self, name: str, value: str) -> str:
        return redact_headers({name: self._known(value)})[name]

    def _learn(self, value: JsonValue, *, secret: bool = False) -> None:
        """Remember what stands under the keys that name secrets."""
        if isinstance(value, dict):
            for key, item in value.items():
                self._learn(item, secret=secret or names_secret(key))
        elif isinstance(value, list):
            for item in value:
                self._learn(item, secret=secret)
        elif isinstance(value, str) and _is_secret(value, secret):
            self._name(value)

    def _name(self, secret: str) -> None:
        if len(secret) >= _SHORTEST_SECRET and secret not in self._names:
            self._learned += 1
            self._hide(secret, f"{HIDDEN}-{self._learned}")

    # ------------------------------------------------------------------ texts

    def json_or_text(self, text: str) -> str:
        """Return a text without secrets; one that has none keeps every character."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        shown = self._json(value)
        if shown == value:
            return text
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

    def _json(self, value: JsonValue, *, secret: bool = False) -> JsonValue:
        if isinstance(value, dict):
            return {
                self.text(key): self._json(item, secret=secret or names_secret(key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._json(item, secret=secret) for item in value]
        if not isinstance(value, str):
            return value
        if not _is_secret(value, secret):
            return self.text(value)
        return self._names.get(value, HIDDEN)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return _XML.sub(rf"<\1>{HIDDEN}</\1>", redact_text(self._known(text)))

    def _known(self, text: str) -> str:
        # The longest first: one secret may be the beginning of another.
        for secret in sorted(self._names, key=len, reverse=True):
            text = text.replace(secret, self._names[secret])
        return text


def _is_secret(text: str, under_secret: bool) -> bool:
    """Tell whether all of a text of JSON is a secret; a placeholder stays what it is."""
    return (under_secret or redact_text(text) == HIDDEN) and not text.startswith(HIDDEN)


def _unpacked(reply: Mapping[str, Any]) -> bytes:
    """Return the body of a reply as its reader sees it: packed, a secret would not be found.

    Raises:
        ProtocolError: it is packed in a way that cannot be undone; the reader fails on it, too.
    """
    packings = [v[0] for name, v in reply["headers"].items() if name.lower() == _PACKED and v]
    body = bytes(reply["body"]["string"])
    return decoded(body, packings[0], most=_MOST, status=200) if packings else body


def digest(data: bytes) -> str:
    """Stand in for bytes that a cassette does not hold."""
    return f"sha256={hashlib.sha256(data).hexdigest()} size={len(data)}"
