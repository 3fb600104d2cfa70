"""Everything that can go wrong, by name, and where it can.

A point is a line of text: ``request once POST https://... file``: a request is about to leave,
with what its word says about a lost answer; ``answer ...``: the vendor has acted; ``before
commit ...``, ``after commit ...``, ``before take``, ``after take``: the journal.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["CORE", "EVERYWHERE", "FAULTS", "LOSSES", "WEAK", "faults_at"]

CORE = frozenset({"crash", "lost"})
"""What the shortest enumeration plays: a crash anywhere, a lost request or answer."""

WEAK = frozenset({"late/hour"})
"""Class B: the request reaches the vendor when its answer was given up and asked about.

Only a key can help then; where the vendor has none, a second job is beyond anyone's means.
"""

LOSSES = frozenset({"lost", "late", "late/hour", "truncated", "408", "500", "502", "503", "504"})
"""Those after which nobody knows by itself whether the vendor acted; with ``!`` it did."""

_CRASHES = {
    "crash": "the process ends, and is started again after a second",
    "crash/hour": "... after two hours: signed URLs have expired",
    "crash/days": "... after the time for which the vendor knows a key",
    "crash/settings": "... with other settings",
    "crash/upgrade": "... with another version of the plugin, then with the old one again",
}
_ANYWHERE = {
    "stop": "Ctrl-C: what runs may end, nothing new begins; then it is resumed",
    "jump": "our clock jumps two hours ahead",
    "back": "our clock jumps 30 seconds back",
    "rival": "a second executor takes the batches over while the first one goes on",
}
_REQUEST = {
    "refused": "no connection",
    "lost": "the connection ends before the vendor has the request",
    "401": "the key is refused, once",
    "408": "",
    "429": "without Retry-After",
    "429/2": "with Retry-After: 2",
    "429/date": "with a date half a minute from now",
    "429/absurd": "with a Retry-After of years",
    "500": "",
    "502": "",
    "503": "",
    "503/2": "",
    "503/junk": "with a Retry-After that is neither seconds nor a date",
    "504": "",
    "redirect": "to another host",
}
_UNSAFE_REQUEST = {
    "late": "no answer; the request reaches the vendor before the time-out has passed",
    "late/hour": "... an hour later",
    "gone": "404: the vendor knows nothing of it",
}
_FILE_REQUEST = {
    "changed": "the file is overwritten while it is sent",
    "cut": "the file is truncated while it is sent",
    "deleted": "the file is deleted while it is sent",
}
_ANSWER = {
    "lost": "the vendor acted, its answer never comes",
    "truncated": "the connection ends within the answer",
    "json": "the answer is no JSON",
    "html": "the answer is a web page",
    "408!": "the vendor acted, and a proxy answers",
    "500!": "",
    "502!": "",
    "503!": "",
    "504!": "",
}

FAULTS = {
    **_CRASHES,
    **_ANYWHERE,
    **_REQUEST,
    **_UNSAFE_REQUEST,
    **_FILE_REQUEST,
    "expired": "the storage's clock is a week ahead: the signed URL has expired",
    **_ANSWER,
    "429!": "the vendor acted and still says 429: only where twice is as good as once",
    "twice": "the request is delivered twice: only where twice is as good as once",
    "etag": "the storage answers with a wrong ETag",
    "full": "the journal cannot be written: the disk is full",
}
"""Every fault, and what it means."""

EVERYWHERE = (*_CRASHES, *_ANYWHERE)
"""What can happen at every point."""


@lru_cache(maxsize=4096)
def faults_at(what: str) -> tuple[str, ...]:
    """Return what can go wrong at a point, the commonest first."""
    kind, *words = what.split(" ")
    found = list(EVERYWHERE)
    if kind == "before":
        found.append("full")
    elif kind == "request":
        found += [f for f in _REQUEST if f != "401" or "signed" not in words[3:]]
        found += () if words[0] == "safe" else _UNSAFE_REQUEST
        found += _FILE_REQUEST if "file" in words[3:] else ()
        found += ("expired",) if "signed" in words[3:] else ()
        found += () if words[0] == "once" else ("twice",)
    elif kind == "answer":
        found += _ANSWER
        found += () if words[0] == "once" else ("429!",)
        found += ("etag",) if "etag" in words[3:] else ()
    return tuple(found)
