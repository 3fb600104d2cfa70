"""Reading a cassette as a careful reviewer would."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from longshore.redaction import HIDDEN, forms_of, redact_headers, redact_json, redact_text
from longshore.testing.cassettes._scrub import BIG
from longshore.testing.cassettes._tape import Header, load

__all__ = ["LARGEST", "problems_of"]

LARGEST = 64 * 1024
"""Bytes of a cassette at most: it is to be read by people."""

_LOCAL = ("localhost", "127.0.0.1", "::1", "testserver")
# What keys of well-known services look like, whatever they stand beside.
_KEYS = re.compile(
    r"\b(sk|pk|rk)_(live|test)_\w{8,}|\bAKIA[0-9A-Z]{12,}|\bgh[pousr]_\w{20,}|\bxox[abp]-[\w-]{10,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def problems_of(path: Path, *, hosts: Collection[str], secrets: Collection[str] = ()) -> list[str]:
    """Return what is wrong with a cassette; nothing, if it may be committed.

    Args:
        path: of the cassette.
        hosts: where the vendor really is, its storage included.
        secrets: values that must not be in it.
    """
    raw = path.read_bytes()
    problems = [f"it has {len(raw)} bytes; {LARGEST} is the most"] if len(raw) > LARGEST else []
    try:
        text = raw.decode()
        whole = load(text)
        Header.model_validate(whole["about"])
        interactions = list(whole["interactions"])
    except (ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        return [*problems, f"it is no cassette: {error}"]
    problems += [
        f"it holds a secret: {secret[:3]}..."
        for secret in secrets
        if any(form in text for form in forms_of(secret))
    ]
    problems += [f"it holds what looks like a key: {m[0][:8]}..." for m in _KEYS.finditer(text)]
    if not interactions:
        problems.append("it holds no interaction")
    for number, interaction in enumerate(interactions, 1):
        try:
            problems += [f"{number}: {what}" for what in _interaction(interaction, hosts)]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problems.append(f"{number}: it is no interaction: {error!r}")
    return problems


def _interaction(interaction: dict[str, Any], hosts: Collection[str]) -> Iterator[str]:
    request, reply = interaction["request"], interaction["response"]
    host = urlsplit(request["uri"]).hostname or ""
    if host in _LOCAL or host not in hosts:
        yield f"{host} is not the vendor's host"
    if redact_text(request["uri"]) != request["uri"]:
        yield "the URL holds credentials"
    yield from _headers(request["headers"])
    yield from _headers(reply["headers"])
    yield from _body(request.get("body"))
    yield from _body(reply["body"].get("string"))


def _headers(headers: dict[str, list[str]]) -> Iterator[str]:
    for name, values in headers.items():
        if any(redact_headers({name: value})[name] != value for value in values):
            yield f"the header {name} holds a credential"


def _body(body: object) -> Iterator[str]:
    if body is None:
        return
    if not isinstance(body, str):
        yield "a body is binary"
        return
    if len(body) > 4 * BIG:
        yield f"a body has {len(body)} characters"
    try:
        value = json.loads(body)
    except ValueError:
        if redact_text(body) != body:
            yield "a body holds credentials"
        return
    if _without_placeholders(redact_json(value)) != _without_placeholders(value):
        yield "a JSON body holds credentials"


def _without_placeholders(value: Any) -> Any:
    """Take all placeholders for one: redaction does not know their numbers."""
    if isinstance(value, dict):
        return {key: _without_placeholders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_placeholders(item) for item in value]
    placeholder = isinstance(value, str) and re.fullmatch(rf"{HIDDEN}(-\d+)?", value)
    return HIDDEN if placeholder else value
