"""The suite: what each check is asked about, as plain pytest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import product
from typing import Any, ClassVar, Literal

import pytest

from longshore.provider import Retry
from longshore.testing.conformance._afterwards import AfterwardsChecks
from longshore.testing.conformance._breaks import TROUBLES, BreakChecks
from longshore.testing.conformance._contract import ContractChecks
from longshore.testing.conformance._credentials import CredentialChecks
from longshore.testing.conformance._errors import STATUSES, ErrorChecks
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._limits import NAMES, LimitChecks
from longshore.testing.conformance._mutate import BODIES, json_of
from longshore.testing.conformance._replies import ReplyChecks
from longshore.testing.conformance._retries import RetryChecks
from longshore.testing.conformance._secrets import SecretChecks
from longshore.testing.conformance._story import Spot, request_at, spots
from longshore.testing.conformance._uploads import UploadChecks

__all__ = ["Checked", "ProviderConformance", "run_checks"]


class ProviderConformance(
    ContractChecks,
    CredentialChecks,
    LimitChecks,
    UploadChecks,
    ReplyChecks,
    ErrorChecks,
    RetryChecks,
    BreakChecks,
    AfterwardsChecks,
    SecretChecks,
):
    """What any provider must satisfy. Subclass it as ``class TestAcme(ProviderConformance)``.

    A check that does not fit a vendor is overridden, and its docstring says why.

    Attributes:
        kit: which provider, which sandbox, which settings and documents.
    """

    kit: ClassVar[Kit]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Ask each check about every mode, request, status, ... of the kit."""
        assert metafunc.cls is not None
        for name, (values, ids) in axes(metafunc.cls.kit, metafunc.fixturenames).items():
            left_out = name in _REQUESTS and values == [None]
            marks = [pytest.mark.skip(reason=_NOTHING_LEFT)] if left_out else []
            metafunc.parametrize(name, [pytest.param(v, marks=marks) for v in values], ids=ids)


def _cassettes(kit: Kit) -> Sequence[Any]:
    return sorted(kit.cassettes.rglob("*.yaml")) if kit.cassettes else ()


def _spots_of(kit: Kit, retry: Retry) -> Sequence[Spot]:
    return [spot for spot in spots(kit) if request_at(kit, spot)[0].request.retry is retry]


def _asks(kit: Kit, spot: Spot) -> bool:
    return callable(request_at(kit, spot)[0].request.lost)


def _is_json(kit: Kit, spot: Spot) -> bool:
    return json_of(request_at(kit, spot)[1]) is not None


_AXES: Mapping[str, tuple[Callable[[Kit], Sequence[Any]], Callable[[Any], str]]] = {
    "mode": (lambda kit: kit.modes, lambda mode: mode.name),
    "spot": (spots, str),
    "safe": (lambda kit: _spots_of(kit, Retry.SAFE), str),
    "idempotent": (lambda kit: _spots_of(kit, Retry.IDEMPOTENT), str),
    "keyed": (lambda kit: _spots_of(kit, Retry.KEYED), str),
    "once": (lambda kit: _spots_of(kit, Retry.ONCE), str),
    "asked": (lambda kit: [s for s in spots(kit) if _asks(kit, s)], str),
    "json_reply": (lambda kit: [s for s in spots(kit) if _is_json(kit, s)], str),
    "status": (lambda _: STATUSES, str),
    "trouble": (lambda _: tuple(TROUBLES), str),
    "body": (lambda _: tuple(BODIES), str),
    "odd_name": (
        lambda _: tuple(NAMES.values()),
        lambda n: next(k for k in NAMES if NAMES[k] == n),
    ),
    "known_word": (lambda kit: tuple(kit.words.items()), lambda word: word[0]),
    "known_refusal": (lambda kit: kit.refusals, lambda known: f"{known.status} {known.body}"[:60]),
    "cassette": (_cassettes, lambda path: path.stem),
}


_REQUESTS = frozenset({"spot", "json_reply"})
_NOTHING_LEFT = "no such request was answered: see test_the_upload_succeeds"


def axes(kit: Kit, names: Sequence[str]) -> dict[str, tuple[list[Any], list[str]]]:
    """Return the values (and their ids) that a check is asked about, by the argument's name.

    Where there is nothing to ask about, the check gets None, and says why it is left out.
    """
    wanted: dict[str, tuple[list[Any], list[str]]] = {}
    for name in (name for name in names if name in _AXES):
        give, show = _AXES[name]
        values = list(give(kit))
        wanted[name] = (values, [show(v) for v in values]) if values else ([None], ["none"])
    return wanted


# ------------------------------------------------------------------------ without pytest


@dataclass(frozen=True)
class Checked:
    """How one check ended.

    Attributes:
        name: of the check, without what it was asked about.
        about: what it was asked about.
        outcome: in a word.
        message: why.
    """

    name: str
    about: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


def run_checks(
    kit: Kit,
    suite: type[ProviderConformance] = ProviderConformance,
    *,
    without: Collection[str] = (),
) -> Iterator[Checked]:
    """Run the checks here and now, without collecting anything.

    Args:
        kit: which provider.
        suite: whose checks.
        without: names of checks that are left out.
    """
    checks = type("Checks", (suite,), {"kit": kit})()
    for name in dir(suite):
        if not name.startswith("test_") or name in without:
            continue
        check = getattr(checks, name)
        wanted = axes(kit, list(signature(check).parameters))
        combinations = product(*(zip(*pair, strict=True) for pair in wanted.values()))
        for combination in combinations:
            arguments = dict(zip(wanted, (value for value, _ in combination), strict=True))
            about = ", ".join(id for _, id in combination)
            if any(arguments[axis] is None for axis in _REQUESTS & arguments.keys()):
                yield Checked(name, about, "skipped", _NOTHING_LEFT)
                continue
            yield _run(name, about, check, arguments)


def _run(name: str, about: str, check: Callable[..., None], arguments: dict[str, Any]) -> Checked:
    try:
        check(**arguments)
    except pytest.skip.Exception as skipped:
        return Checked(name, about, "skipped", str(skipped))
    except Exception as wrong:  # noqa: BLE001 - a check that falls over has failed
        return Checked(name, about, "failed", f"{type(wrong).__name__}: {wrong}")
    return Checked(name, about, "passed")
