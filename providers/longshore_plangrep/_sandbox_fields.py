"""A strict check of JSON fields: what is needed, of which type, how long, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from longshore.sandbox import BadCall

__all__ = ["CLASSIFICATION", "SHA256", "checked"]

CLASSIFICATION = re.compile("plans|specifications|documents|addenda|mixed|other")
SHA256 = re.compile("[0-9a-f]{64}")


def checked(value: Any, spec: Mapping[str, Any], where: str, *, strict: bool) -> dict[str, Any]:
    """Return `value` if it is an object that fits.

    Args:
        value: what came.
        spec: field name, with `!` if it is required -> a type, `(str, least, most)` characters,
            or a pattern.
        where: how messages call the object.
        strict: refuse fields that the specification does not name.

    Raises:
        BadCall: it does not fit; the message says why.
    """
    if not isinstance(value, dict):
        raise BadCall(f"{where} must be an object")
    known = {name.rstrip("!"): rule for name, rule in spec.items()}
    unknown = sorted(set(value) - set(known))
    if strict and unknown:
        raise BadCall(f"{where}: unknown fields {', '.join(unknown)}")
    for name in spec:
        if name.endswith("!") and name[:-1] not in value:
            raise BadCall(f"{where}: {name[:-1]} is required")
    for name, rule in known.items():
        if name in value and not _fits(value[name], rule):
            raise BadCall(f"{where}: {name} has a wrong type or value")
    return value


def _fits(value: Any, rule: Any) -> bool:
    if isinstance(rule, re.Pattern):
        return isinstance(value, str) and rule.fullmatch(value) is not None
    if isinstance(rule, tuple):
        kind, least, most = rule
        return isinstance(value, kind) and least <= len(value) <= most
    return isinstance(value, rule) and not isinstance(value, bool)
