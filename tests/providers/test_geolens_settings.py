"""What a GeoLens target takes: settings, limits, plans, plugin hooks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

import longshore_geolens
from longshore.documents import Document
from longshore.planning import Group, Refusal, group, reasons_against
from longshore.provider import Request
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.sandbox import GeoLensSandbox

MIB = 2**20


def provider(**settings: Any) -> GeoLens:
    known = {"base_url": "https://geo.example/api", "api_key": "k"} | settings
    return GeoLens(GeoLensSettings.model_validate(known))


def document(name: str, size: int = 1) -> Document:
    return Document(id=name, name=name, size=size)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, ("api_key", "base_url")),
        ({"api_key": "k"}, ("base_url",)),
        ({"token": "t"}, ("base_url",)),
        ({"base_url": "https://geo.example"}, ("api_key",)),
        ({"base_url": "https://geo.example", "token": "t"}, ()),
    ],
)
def test_an_address_and_one_credential_are_needed(
    settings: dict[str, Any], missing: tuple[str, ...]
) -> None:
    """A token does instead of a key."""
    assert GeoLensSettings.model_validate(settings).missing() == missing


@pytest.mark.parametrize(
    "settings", [{"title": ""}, {"title": "x" * 501}, {"visibility": "secret"}, {"titel": "x"}]
)
def test_settings_that_the_vendor_would_refuse(settings: dict[str, Any]) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(ValidationError):
        GeoLensSettings.model_validate(settings)


def test_a_key_wins_over_a_token() -> None:
    """As it does at the vendor: only the key goes out."""
    signed = provider(token="t").sign(Request.get("/jobs/1"), 0.0)

    assert dict(signed.headers) == {"X-Api-Key": "k"}


@pytest.mark.parametrize(
    ("name", "size", "reasons"),
    [
        ("a.tif", 1, 0),
        ("A.TIF", 500 * MIB, 0),
        ("a.tif", 500 * MIB + 1, 1),
        ("a.tif", 0, 1),
        ("a.vrt", 1, 1),
        ("a.pdf", 0, 2),
        ("x" * 251 + ".tif", 1, 0),
        ("x" * 252 + ".tif", 1, 1),
    ],
)
def test_what_does_not_fit_is_refused_by_the_plan(name: str, size: int, reasons: int) -> None:
    """With every reason at once."""
    assert len(reasons_against(document(name, size), provider().capabilities())) == reasons


def test_every_document_is_a_batch() -> None:
    """One vendor job each."""
    plan = list(group([document("a.tif"), document("b.csv")], provider().capabilities()))

    assert [len(item.documents) for item in plan if isinstance(item, Group)] == [1, 1]
    assert not any(isinstance(item, Refusal) for item in plan)


def test_the_vendor_chooses_the_part_size() -> None:
    """`--part-size` changes nothing here."""
    rule = provider().capabilities().parts

    assert rule is not None
    assert (rule.chosen_by, rule.above, rule.default) == ("vendor", 100 * MIB, 10 * MIB)


def test_optional_verbs() -> None:
    """There is a retry and a result, and no way to renew, abort or cancel."""
    offered = {
        verb for verb in ("renew", "abort", "cancel", "act", "results") if provider().offers(verb)
    }

    assert offered == {"act", "results"}


def test_the_package_is_a_plugin() -> None:
    """It registers its provider, and makes its own sandbox only."""
    (registered,) = longshore_geolens.longshore_providers()
    sandbox = longshore_geolens.longshore_sandbox("geolens", {"rate": "60"})

    assert (registered.name, registered.aliases) == ("geolens", ("presigned-s3",))
    assert isinstance(sandbox, GeoLensSandbox)
    assert longshore_geolens.longshore_sandbox("other", {}) is None
