"""Secrets out: at every exit (logs, events, errors, exports, cassettes) text passes here.

Three nets: header fields and JSON keys that are known to hold secrets, the query of signed URLs,
and the secret values themselves once they are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import JsonValue

__all__ = ["HIDDEN", "Redactor", "excerpt", "redact_headers", "redact_json", "redact_text"]

HIDDEN = "REDACTED"

_HEADERS = frozenset({
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key",
    "x-amz-security-token", "www-authenticate",
})  # fmt: skip
_QUERY = frozenset({
    "x-amz-signature", "x-amz-credential", "x-goog-signature", "x-goog-credential", "policy",
    "key-pair-id", "x-amz-security-token", "signature", "sig",
    "awsaccesskeyid", "token", "key", "api_key", "api-key", "apikey", "access_token",
})  # fmt: skip
_JSON_KEY = re.compile(r"token|secret|api[_-]?key|password|signature|credential|^key$", re.I)
_URL = re.compile(r"https?://[^\s\"'<>\\]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}")
_EXCERPT = 200


def _redact_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL after all; whatever it is, its query is not shown
        return url.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    shown = [(name, HIDDEN if name.lower() in _QUERY else value) for name, value in pairs]
    return urlunsplit(parts._replace(netloc=host, query=urlencode(shown)))


def redact_text(text: str) -> str:
    """Hide the credentials inside the URLs and bearer words of a text."""
    hidden = _URL.sub(lambda match: _redact_url(match[0]), text)
    return _BEARER.sub(lambda match: f"{match[1]} {HIDDEN}", hidden)


def redact_json(value: JsonValue) -> JsonValue:
    """Hide the values under keys that name a secret, and credentials inside URLs."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if _JSON_KEY.search(key) and isinstance(item, str) else redact_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact_json(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Hide the header fields that carry credentials."""
    return {
        name: HIDDEN if name.lower() in _HEADERS else redact_text(value)
        for name, value in headers.items()
    }


def excerpt(body: bytes) -> str:
    """Show the beginning of a reply in one line, redacted, for an error message."""
    text = body[: _EXCERPT * 20].decode("utf-8", "replace")
    try:
        text = json.dumps(redact_json(json.loads(body)), ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        text = redact_text(text)
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"


class Redactor:
    """Hides secrets that are known by value, wherever they turn up."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Know more secrets; values under 6 characters would hide ordinary words."""
        self._secrets.update(secret for secret in secrets if len(secret) >= 6)

    def text(self, text: str) -> str:
        """Return the text without any secret."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return redact_text(text)

    def json(self, value: JsonValue) -> JsonValue:
        """Return the JSON value without any secret."""
        if isinstance(value, dict):
            shown = redact_json(value)
            assert isinstance(shown, dict)
            return {key: self.json(item) for key, item in shown.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return self.text(value) if isinstance(value, str) else value
