"""Secrets out: at every exit (logs, events, errors, exports, cassettes) text passes here.

Three nets: header fields and JSON keys that are known to hold secrets, the query of signed URLs,
and the secret values themselves once they are known.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

from pydantic import JsonValue

__all__ = [
    "CUT", "HIDDEN", "Redactor", "cut", "excerpt", "forms_of", "names_secret", "redact_headers",
    "redact_json", "redact_text",
]  # fmt: skip

HIDDEN = "REDACTED"

CUT = "…"
"""What stands where a text was cut, also in ``errors``: half a secret may stand before it."""

_HEADERS = frozenset({"cookie", "set-cookie", "www-authenticate"})
_NAME = (  # of a header, a query field or a JSON key that holds a secret
    r"[\w.-]{0,40}(?:token|secret|passw|passphrase|signature|credential|authorization"
    r"|(?:api|access|private|session|subscription|account|shared|signing|auth)[_-]?key)[\w.-]{0,40}"
    r"|key|sig|policy|key-pair-id|auth|jwt|hmac|pwd"
)
_SECRET_NAME = re.compile(_NAME, re.I)
# A plain URL, one inside a URL, and one whose "&" was escaped by a JSON or XML writer.
_FIELD = re.compile(
    rf"((?:(?<![\w.-])|(?<=u0026)|(?<=%26)|(?<=%3F))(?:{_NAME}))"
    r"(?:(=)[^&\s\"'<>\\]+|(%3D)(?:(?!%26)[^&\s\"'<>\\])+)",
    re.I,
)
_USER = re.compile(r"(://)[^\s/?#\"'<>]*@")
# Header fields as httpcore logs them: pairs of bytes.
_PAIR = re.compile(
    rf"(b[\"'](?:{_NAME}|(?:set-)?cookie|www-authenticate)[\"'], b)(\"[^\"]*\"|'[^']*')", re.I
)
# XML: a storage repeats the signature that it refuses. Its <Key> is the name of an object.
_ELEMENT = re.compile(rf"(<(?!key>)(?:{_NAME})>)[^<]+", re.I)
# JSON that cannot be parsed: cut off, or inside other text.
_MEMBER = re.compile(rf"(\\?[\"'](?:{_NAME})\\?[\"']\s*:\s*\\?[\"'])(?:\\/|[^\"'\\])+", re.I)
# "Basic Constraints" is OpenSSL's: an authority whose certificate is not as it should be.
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+(?!(?:auth\w*|tokens?|constraints)\b)[\w.~+/=-]{4,}")
# The address that a vendor is told to call ends with one: a batch id, or a target, and its HMAC.
_HOOK = re.compile(r"\b(?:[0-9a-f]{16}|to-[a-z0-9-]{1,80})\.[A-Za-z0-9_-]{43}(?![\w-])")
# A link that is good for one download, such as .../artifact-downloads/..., ends with its token.
# A path that is no URL may be a file's: what has an ending is one.
_DOWNLOAD = re.compile(
    r"(://[^\s\"'<>\\]{0,300}-downloads/)[^\s\"'<>\\?#/]+"
    r"|(-downloads/)[\w~%-]{16,}(?![\w.~%/-])"
)
# An id, a word, a moment: too short, or without what every pattern above needs.
_PLAIN = re.compile(r"[\w.:+-]{0,42}")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
_LONGEST_KEY = 64
_LEAST = 6  # letters of a secret
_EXCERPT = 200
_READ = 1 << 20


def redact_text(text: str) -> str:
    """Hide the credentials in a text: inside URLs, after bearer words, beside secret names."""
    if _PLAIN.fullmatch(text):
        return text
    hidden = text  # a net whose mark is not there finds nothing, and takes its time
    if "@" in hidden:
        hidden = _USER.sub(r"\1", hidden)
    if "=" in hidden or "%3" in hidden:
        hidden = _FIELD.sub(lambda match: f"{match[1]}{match[2] or match[3]}{HIDDEN}", hidden)
    if '"' in hidden or "'" in hidden:
        hidden = _MEMBER.sub(rf"\1{HIDDEN}", hidden)
    if "<" in hidden:
        hidden = _ELEMENT.sub(rf"\1{HIDDEN}", hidden)
    if ", b" in hidden:
        hidden = _PAIR.sub(rf"\1'{HIDDEN}'", hidden)
    hidden = _HOOK.sub(HIDDEN, hidden)
    if "-downloads/" in hidden:
        hidden = _DOWNLOAD.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", hidden)
    return _BEARER.sub(rf"\1 {HIDDEN}", hidden)


def redact_json(value: JsonValue, text: Callable[[str], str] = redact_text) -> JsonValue:
    """Hide the texts under keys that name a secret, at any depth, and what ``text`` hides."""
    if isinstance(value, dict):
        return {
            text(key): _hide(item, text) if names_secret(key) else redact_json(item, text)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact_json(item, text) for item in value]
    return text(value) if isinstance(value, str) else value


def names_secret(key: str) -> bool:
    """Tell whether a JSON key says that a secret stands under it."""
    return _is_known_secret(key) if len(key) <= _LONGEST_KEY else bool(_SECRET_NAME.fullmatch(key))


@lru_cache(maxsize=4096)
def _is_known_secret(key: str) -> bool:
    """Replies have the same few keys over and over."""
    return bool(_SECRET_NAME.fullmatch(key))


def _hide(value: JsonValue, text: Callable[[str], str]) -> JsonValue:
    """Hide every text in a value; numbers stay: ``tokens`` may be a count."""
    if isinstance(value, dict):
        return {text(key): _hide(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item, text) for item in value]
    return HIDDEN if isinstance(value, str) else value


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Hide the header fields that carry credentials."""
    return {
        name: HIDDEN if _holds_secret(name) else redact_text(value)
        for name, value in headers.items()
    }


def _holds_secret(header: str) -> bool:
    return header.lower() in _HEADERS or _SECRET_NAME.fullmatch(header) is not None


def cut(text: str, most: int) -> str:
    """Cut a text after so many characters, and mark the cut; whoever shows it redacts it first."""
    return text if len(text) <= most else text[:most] + CUT


def excerpt(body: bytes) -> str:
    """Show the beginning of a reply in one line, redacted, for an error message."""
    text = body[: _EXCERPT * 20].decode("utf-8", "replace")
    try:
        # A reply that is too large to be read for one line of it is text like any other.
        value = json.loads(body if len(body) <= _READ else "")
        text = json.dumps(redact_json(value), ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        text = redact_text(text)
    line = " ".join(text.split())
    # Neither the terminal nor the journal gets what cannot be printed, such as half a surrogate.
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in cut(line, _EXCERPT)
    )


class Redactor:
    """Hides secrets that are known by value, wherever they turn up."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._counts: dict[str, int] = {}  # how often each was learned
        self._secrets: tuple[str, ...] = ()
        self._ordered: tuple[tuple[str, ...], list[str]] = ((), [])
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Know more secrets; values under six characters would hide ordinary words."""
        self._change(secrets, 1)

    def forget(self, secrets: Iterable[str]) -> None:
        """Know secrets no more that are of no use any more, unless they were learned twice."""
        self._change(secrets, -1)

    def _change(self, secrets: Iterable[str], count: int) -> None:
        counts, changed = self._counts, False
        long = [secret for secret in secrets if len(secret) >= _LEAST]
        for form in [form for secret in long for form in forms_of(secret)]:
            before = counts.get(form, 0)
            counts[form] = before + count
            if counts[form] <= 0:
                del counts[form]
            changed |= (form in counts) != (before > 0)
        if changed:
            # Longest first: one that begins another must not uncover the other's end. One write:
            # the log filter reads in any thread.
            self._secrets = tuple(sorted(counts, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return the text without any secret."""
        return redact_text(self._without(text))

    def json(self, value: JsonValue) -> JsonValue:
        """Return the JSON value without any secret."""
        return redact_json(value, self.text)

    def _without(self, text: str) -> str:
        secrets = self._secrets
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        if CUT not in text or not secrets:
            return text
        known = self._ordered
        if known[0] is not secrets:
            known = self._ordered = (secrets, sorted(secrets))
        *cut, rest = text.split(CUT)
        return CUT.join([*(_without_beginning(part, *known) for part in cut), rest])


def _without_beginning(text: str, secrets: Sequence[str], ordered: Sequence[str]) -> str:
    """Hide what is left of a secret at the end of a text that was cut there.

    Args:
        text: up to the cut.
        secrets: longest first.
        ordered: the same by the alphabet, so that each place is looked up, not searched for: a
            vendor's text may have thousands of cuts.
    """
    for at in range(max(len(text) - len(secrets[0]), 0), len(text) - _LEAST + 1):
        left = text[at:]
        place = bisect_left(ordered, left)
        if place < len(ordered) and ordered[place].startswith(left):
            return text[:at] + HIDDEN
    return text


def forms_of(secret: str) -> set[str]:
    """Return a secret as it stands in text, in a URL and in JSON, as different writers put it."""
    if _UNRESERVED.fullmatch(secret):  # most are the same everywhere
        return {secret}
    quoted = {quote(secret, safe=safe, errors="replace") for safe in ("", "/")}
    lower = {_ESCAPE.sub(lambda match: match[0].lower(), text) for text in quoted}
    written = json.dumps(secret)[1:-1]
    return {secret, *quoted, *lower, written, written.replace("/", "\\/")}
