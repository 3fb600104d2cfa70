"""A world in which a flow that looks at the clock, rolls dice or opens a file is caught."""

from __future__ import annotations

import builtins
import datetime as dt
import io
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["ForbiddenUse", "poisoned"]

_FORBIDDEN: tuple[tuple[ModuleType, str], ...] = (
    *((time, name) for name in ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
    *((time, name) for name in ("gmtime", "localtime")),
    *(
        (random, name)
        for name in ("random", "randint", "randrange", "choice", "choices", "uniform")
    ),
    *((random, name) for name in ("getrandbits", "shuffle", "sample", "randbytes", "SystemRandom")),
    *((secrets, name) for name in ("token_hex", "token_bytes", "token_urlsafe", "choice")),
    *((uuid, name) for name in ("uuid1", "uuid4")),
    *((os, name) for name in ("urandom", "getenv", "open", "stat", "listdir", "getpid")),
    *((socket, name) for name in ("socket", "create_connection", "getaddrinfo")),
    (builtins, "open"),
    (io, "open"),
    (subprocess, "Popen"),
    (threading, "Thread"),
)


class ForbiddenUse(Exception):
    """A flow did something itself."""


class _NoNow(type):
    """``datetime`` without the present: whatever else it can do it still does."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, dt.date if cls.__name__ == "date" else dt.datetime)


def _without_now(kind: type[dt.date], found: list[str]) -> type:
    def refuse(*_: object, **__: object) -> NoReturn:
        found.append(f"{kind.__name__}.now() or .today()")
        raise ForbiddenUse(found[-1])

    members: dict[str, Any] = dict.fromkeys(("now", "utcnow", "today"), staticmethod(refuse))
    return _NoNow(kind.__name__, (kind,), members)


@contextmanager
def poisoned(provider: type[Any], found: list[str]) -> Iterator[None]:
    """Forbid clock, randomness, environment, files, network and threads to the code within.

    Names that a provider's modules imported for themselves are covered too.

    Args:
        provider: whose modules to look at.
        found: what was used all the same; a flow may swallow the exception.
    """
    replaced: dict[int, Any] = {
        id(dt.datetime): _without_now(dt.datetime, found),
        id(dt.date): _without_now(dt.date, found),
    }
    modules = _modules_of(provider)
    before: list[tuple[ModuleType, str, Any]] = []

    def put(module: ModuleType, name: str, value: Any) -> None:
        before.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    try:
        for module, name in _FORBIDDEN:
            original = getattr(module, name)
            replaced[id(original)] = _trap(f"{module.__name__}.{name}", original, found)
            put(module, name, replaced[id(original)])
        for module in modules:
            for name, value in list(vars(module).items()):
                if id(value) in replaced:
                    put(module, name, replaced[id(value)])
                elif value is dt:
                    put(module, name, _module(replaced))
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)


def _trap(name: str, original: Any, found: list[str]) -> Any:
    """Refuse a function to the code within; threads that have nothing to do with it go on.

    So does pydantic, which looks at a variable of its own when it builds a model at its first use.
    """
    ours = threading.get_ident()

    def refuse(*arguments: Any, **named: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))  # noqa: SLF001
        if threading.get_ident() != ours or caller.startswith("pydantic."):
            return original(*arguments, **named)
        found.append(name)
        raise ForbiddenUse(name)

    return refuse


def _module(replaced: dict[int, Any]) -> ModuleType:
    """``import datetime`` instead of ``from datetime import datetime``."""
    double = ModuleType("datetime")
    vars(double).update(vars(dt))
    for name in ("datetime", "date"):
        setattr(double, name, replaced[id(getattr(dt, name))])
    return double


def _modules_of(provider: type[Any]) -> list[ModuleType]:
    """Return the modules of the provider's package, the framework's own left out."""
    owners = {kind.__module__ for kind in provider.__mro__}
    tops = {name.rpartition(".")[0] or name for name in owners}
    tops -= {name for name in tops if name.partition(".")[0] in ("longshore", "typing", "builtins")}
    below = tuple(f"{top}." for top in tops)
    loaded = list(sys.modules.items())
    return [module for name, module in loaded if name in tops or name.startswith(below)]
