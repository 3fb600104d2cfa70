"""The report: one HTML file, made by a template that escapes whatever a vendor or a file says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from longshore.errors import UsageError
from longshore.evaluate import _plots
from longshore.evaluate._agreement import Share
from longshore.evaluate._comparison import Comparison
from longshore.evaluate._details import Detail
from longshore.evaluate._figures import Spread
from longshore.evaluate._rows import Row
from longshore.provider import Artifact, Place
from longshore.redaction import redact_text
from longshore.units import format_bytes, format_seconds

__all__ = ["check_extra", "render"]

MOST_DIFFERENCES = 5000
"""Differences in the report; the rest is counted."""


def check_extra() -> None:
    """Make sure that a report can be written, before anything is sent.

    Raises:
        UsageError: the extra is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"a report needs {' and '.join(missing)}", hint="pip install 'longshore[report]'"
        )


def render(comparison: Comparison) -> str:
    """Return the report as one HTML document.

    Raises:
        UsageError: the extra is not installed.
    """
    check_extra()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("longshore.evaluate", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bytes": lambda value: "" if value is None else format_bytes(value),
        "seconds": _seconds,
        "percent": lambda value: "" if value is None else f"{100 * value:.1f} %",
        "moment": _moment,
        "number": lambda value: "" if value is None else f"{value:,.10g}".replace(",", "\u202f"),
    }
    loader = environment.loader
    assert loader is not None

    def part(name: str) -> Markup:  # our own files: nothing in them is to be escaped
        return Markup(loader.get_source(environment, name)[0])  # noqa: S704

    return environment.get_template("page.html").render(
        c=comparison,
        command=redact_text(comparison.command),
        style=part("page.css"),
        script=part("page.js"),
        data=Markup(_script_json(_data(comparison))),  # noqa: S704
        plots=[(title, words, Markup(svg)) for title, words, svg in _drawings(comparison)],  # noqa: S704
        highlights=list(_highlights(comparison)),
        pairs=_pairs(comparison),
        kinds=_plots.TROUBLE_WORDS,
        states=_plots.OUTCOMES,
        settings=_settings(comparison),
        most_differences=MOST_DIFFERENCES,
        shares=sorted(comparison.agreement.fields.items(), key=_most_apart),
    )


def _most_apart(item: tuple[str, Share]) -> tuple[float, int, str]:
    return (item[1].rate or 0.0, -item[1].shared, item[0])


def _script_json(value: Any) -> str:
    """Write JSON that cannot end the script it stands in, whatever a document is called."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair is no character


# ------------------------------------------------------------------------------- the pieces


def _drawings(comparison: Comparison) -> Iterable[tuple[str, str, str]]:
    fair = comparison.common if comparison.shared_documents else comparison.figures
    whose = (
        f"over the documents that every target takes: {len(comparison.shared_documents)}"
        if comparison.shared_documents
        else "over each one's own documents, since none is taken by every target"
    )
    box = "Line: from the least to 95 %. Box: the middle half. Mark: the median."
    sure = (
        "where the share would lie over many more such documents, in 95 of 100 cases, if they are "
        "independent of each other; those of one submission are not."
    )
    drawn = [
        ("Time to done", f"From the first request to the end of the job; {whose}. {box}",
         _plots.times(fair, lambda f: f.to_done, "Time to done")),
        ("Time to accepted", f"From the first request until the vendor had a job; {whose}. {box}",
         _plots.times(fair, lambda f: f.to_accepted, "Time to accepted")),
        ("Processing, as the vendor tells", f"From begin to end by the vendor's own clock. {box}",
         _plots.times(fair, lambda f: f.vendor_processing, "Processing by the vendor's clock")),
        ("Succeeded", f"Line: {sure}", _plots.success(comparison.figures)),
        ("Outcomes", "Documents that a target does not take are left out.",
         _plots.outcomes(comparison.figures)),
        ("Errors on the way", "Tries that did not go well. Outcomes tell what became of it.",
         _plots.troubles(comparison.figures)),
        ("Credits", "As the vendors tell; a vendor that tells none has no bar.",
         _plots.cost(comparison.figures, lambda f: f.credits, "Credits debited")),
        ("Pages", "As the vendors count for their bill.",
         _plots.cost(comparison.figures, lambda f: f.pages, "Pages counted")),
        ("Rounds", "How far the repeats lie apart.", _plots.rounds(comparison.figures)),
    ]  # fmt: skip
    return [(title, words, svg) for title, words, svg in drawn if svg]


def _highlights(comparison: Comparison) -> Iterable[str]:
    """Say in a sentence each what a reader wants to know first."""
    fair = comparison.common
    count = len(comparison.shared_documents)
    quick = [(f.to_done.median, name) for name, f in fair.items() if f.to_done]
    if len(quick) > 1:
        (best, name), *_, (worst, last) = sorted(quick)
        yield (
            f"{name} was the quickest on what every target takes ({count} documents): "
            f"{_seconds(best)} in the middle; {last} took {_seconds(worst)}."
        )
    sure = [
        (f.succeeded, name) for name, f in comparison.figures.items() if f.succeeded is not None
    ]
    if sure:
        top = max(share for share, _ in sure)
        names = ", ".join(name for share, name in sure if share == top)
        yield (
            f"The largest share of documents succeeded at {names}: {100 * top:.1f} %."
            if top
            else "No document succeeded at any target."
        )
    kept_out = {name: f.refused for name, f in comparison.figures.items() if f.refused}
    if kept_out:
        told = ", ".join(f"{name} {count}" for name, count in kept_out.items())
        yield f"Documents not taken (times rounds), and in no other figure: {told}."
    pairs = comparison.agreement.pairs.items()
    rates = [(s.rate, s.shared, pair) for pair, s in pairs if s.rate is not None]
    if rates:
        rate, shared, (one, other) = max(rates)
        if rate > 0:
            yield (
                f"{one} and {other} agree most: on {100 * rate:.1f} % of the {shared} fields "
                "that they share, counted document by document."
            )
        else:
            yield "No two targets agree on any field that they share."
    else:
        yield "No two targets read a field of the same name: there is no agreement to show."
    for name, f in comparison.figures.items():
        if f.outcomes["succeeded"] and not f.results:
            notes = Counter(r.results_note for r in comparison.rows if r.target == name)
            del notes[None]
            why = f": {redact_text(str(notes.most_common(1)[0][0]))}" if notes else ""
            yield f"There are no results of {name}{why}."
    for side in comparison.sides:
        if side.trouble:
            yield f"{side.target} could not go on: {side.trouble}."


def _pairs(comparison: Comparison) -> dict[str, dict[str, Share | None]]:
    """Return the agreement as a square: target -> target -> what they share."""
    names = comparison.targets
    found: dict[str, dict[str, Share | None]] = {n: dict.fromkeys(names) for n in names}
    for (one, other), share in comparison.agreement.pairs.items():
        found[one][other] = found[other][one] = share
    for name, share in comparison.agreement.repeats.items():
        found[name][name] = share
    return found


def _settings(comparison: Comparison) -> list[tuple[str, dict[str, str]]]:
    """Return every setting of any target: name -> target -> value."""
    table: dict[str, dict[str, str]] = {}
    for side in comparison.sides:
        for name, value in {**side.behaviour, **side.settings}.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            table.setdefault(name, {})[side.target] = redact_text(text)
    return sorted(table.items(), key=lambda item: " " not in item[0])


# ------------------------------------------------------------------------- data of the script

_CELL = (
    "outcome", "vendor_status", "error_kind", "error_message", "seconds_to_accepted",
    "seconds_to_done", "seconds_waiting", "seconds_sending", "vendor_seconds_queued",
    "vendor_seconds_processing", "bytes_per_second", "bytes_sent", "parts", "requests", "retries",
    "throttled", "client_errors", "server_errors", "not_sent", "lost_answers", "interrupted",
    "batch_documents", "vendor_job_id", "vendor_document_id", "run_id", "results", "results_note",
    "result_bytes", "pages", "fields", "texts", "characters", "tables", "artifacts", "warnings",
    "usage_pages", "usage_credits", "usage",
)  # fmt: skip


def _data(comparison: Comparison) -> dict[str, Any]:
    """Return all that the script shows; rows are lists, so that names are not repeated."""
    targets = comparison.targets
    cells = [
        [row.document, targets.index(row.target), row.round, *(_plain(row, n) for n in _CELL)]
        for row in comparison.rows
    ]
    return {
        "targets": targets,
        "repeat": comparison.repeat,
        "documents": [[d.document, d.path, d.name, d.size, d.sha256] for d in comparison.documents],
        "columns": ["document", "target", "round", *_CELL],
        "cells": cells,
        "details": {
            f"{document}/{targets.index(target)}/{round}": _detail(detail)
            for (target, round, document), detail in comparison.details.items()
        },
        "differences": [
            [d.document, d.field, [", ".join(d.values.get(name, ())) for name in targets]]
            for d in comparison.agreement.differences[:MOST_DIFFERENCES]
        ],
    }


_FREE = frozenset({"vendor_status", "error_message", "results_note", "usage"})
"""Where a vendor's own words stand."""


def _plain(row: Row, name: str) -> Any:
    value = getattr(row, name)
    return redact_text(value) if value and name in _FREE else value


def _detail(detail: Detail) -> dict[str, Any]:
    result = detail.result
    return {
        "whole": detail.whole,
        "fields": [[f.name, _text(f.value), f.confidence, _where(f.place)] for f in result.fields],
        "texts": [[t.kind, t.text, _where(t.place)] for t in result.texts],
        "tables": [[list(row) for row in table.rows] for table in result.tables],
        "artifacts": [[a.name, a.kind, _how(a)] for a in result.artifacts],
        "warnings": [*result.warnings, *detail.warnings],
        "raw": detail.raw,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _where(place: Place | None) -> str:
    if place is None:
        return ""
    page = f"page {place.page}" if place.page is not None else ""
    if place.box is None:
        return page
    left, top, right, bottom = (f"{edge:g}" for edge in place.box)
    return f"{page} [{left}, {top}, {right}, {bottom}] {place.unit}".strip()


def _how(artifact: Artifact) -> str:
    """Say how to fetch an artifact; a link that opens it by itself is not written out."""
    if not artifact.signed:
        return f"GET {redact_text(artifact.url)} (with the API key)"
    address = redact_text(artifact.url.partition("?")[0])
    until = f", good until {_moment(artifact.expires_at)}" if artifact.expires_at else ""
    return f"GET {address} (signed link{until}; results() gives a fresh one)"


# ----------------------------------------------------------------------------------- words


def _seconds(value: Spread | float | None) -> str:
    if value is None:
        return ""
    number = value.median if isinstance(value, Spread) else value
    return f"{number:.2f} s" if number < 10 else format_seconds(number)


def _moment(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""
