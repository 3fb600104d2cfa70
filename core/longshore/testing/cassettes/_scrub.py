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

from longshore.redaction import HIDDEN, redact_headers, redact_json, redact_text

__all__ = ["BIG", "DIGEST", "Scrubber", "Shown"]

BIG = 4096
"""Bytes; a longer text is stored as its digest."""

DIGEST = re.compile(r"sha256=[0-9a-f]{64} size=\d+")

_TEXTS = ("application/json", "application/problem+json", "application/x-www-form-urlencoded")
_NOT_OURS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "host", "user-agent",
})  # fmt: skip
_NOT_THEIRS = frozenset({"connection", "content-length", "keep-alive", "server"})
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
        self._names = {secret: HIDDEN for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        self._learned = 0

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
            lines = head.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
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
        body = bytes(reply["body"]["string"])
        with suppress(ValueError):
            self._learn(json.loads(body))
        try:
            text = self.json_or_text(body.decode())
        except UnicodeDecodeError:
            raise ValueError("a cassette holds no binary replies") from None
        headers = {
            name.lower(): [self._header(name, value) for value in values]
            for name, values in sorted(reply["headers"].items())
            if name.lower() not in _NOT_THEIRS
        }
        return {**reply, "headers": headers, "body": {"string": text.encode()}}

    def _header(self, name: str, value: str) -> str:
        return redact_headers({name: self._known(value)})[name]

    def _learn(self, value: JsonValue) -> None:
        """Remember what stands under the keys that name secrets."""
        self._compare(value, redact_json(value))

    def _compare(self, value: JsonValue, shown: JsonValue) -> None:
        if isinstance(value, dict) and isinstance(shown, dict):
            for key in value:
                self._compare(value[key], shown[key])
        elif isinstance(value, list) and isinstance(shown, list):
            for one, other in zip(value, shown, strict=True):
                self._compare(one, other)
        elif isinstance(value, str) and shown == HIDDEN and not value.startswith(HIDDEN):
            self._name(value)

    def _name(self, secret: str) -> None:
        if len(secret) >= _SHORTEST_SECRET and secret not in self._names:
            self._learned += 1
            self._names[secret] = f"{HIDDEN}-{self._learned}"

    # ------------------------------------------------------------------ texts

    def json_or_text(self, text: str) -> str:
        """Return a text without secrets; one that has none keeps every character."""
        try:
            value = json.loads(text)
        except ValueError:
            return self.text(text)
        shown = self._json(value, redact_json(value))
        if shown == value:
            return text
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

    def _json(self, value: JsonValue, shown: JsonValue) -> JsonValue:
        if isinstance(value, dict) and isinstance(shown, dict):
            return {key: self._json(value[key], shown[key]) for key in value}
        if isinstance(value, list) and isinstance(shown, list):
            return [self._json(one, other) for one, other in zip(value, shown, strict=True)]
        if not isinstance(value, str):
            return value
        if shown != HIDDEN or value.startswith(HIDDEN):
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


def digest(data: bytes) -> str:
    """Stand in for bytes that a cassette does not hold."""
    return f"sha256={hashlib.sha256(data).hexdigest()} size={len(data)}"
