"""Plots of a comparison as inline SVG: small, sharp in print, in the colours of the page.

Drawn by matplotlib with placeholder colours, which then become the page's CSS variables: so one
drawing serves light and dark. Texts stay texts, in the page's own font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longshore.evaluate._figures import TROUBLES, Figures, Spread

__all__ = [
    "OUTCOMES", "TROUBLE_WORDS", "cost", "outcomes", "rounds", "success", "times", "troubles",
]  # fmt: skip

OUTCOMES = (
    "succeeded", "partial", "needs_action", "running", "unknown", "failed", "expired", "cancelled",
)  # fmt: skip

TROUBLE_WORDS = {
    "throttled": "429 (too many requests)",
    "client_errors": "other 4xx",
    "server_errors": "5xx",
    "not_sent": "no connection",
    "lost_answers": "answer lost",
}

_INK, _FAINT, _PAPER = "#300000", "#300001", "#300002"
_SERIES = tuple(f"#1000{number:02x}" for number in range(8))
_STATES = {name: f"#2000{number:02x}" for number, name in enumerate(OUTCOMES)}
_KINDS = {name: f"#4000{number:02x}" for number, name in enumerate(TROUBLES)}
_VARIABLES = {
    _INK: "var(--ink)",
    _FAINT: "var(--line)",
    _PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES)},
    **{colour: f"var(--{name})" for name, colour in _STATES.items()},
    **{colour: f"var(--trouble-{number})" for number, colour in enumerate(_KINDS.values())},
}
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "longshore",
    "font.size": 9,
    "font.family": ["sans-serif"],
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_WIDTH = 7.2


def times(
    figures: Mapping[str, Figures], what: Callable[[Figures], Spread | None], label: str
) -> str:
    """Draw how times are spread: a line up to 95 %, a box for the middle half, the median."""
    shown = {name: spread for name, f in figures.items() if (spread := what(f)) is not None}
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        for place, (name, spread) in enumerate(shown.items()):
            colour = _colour(figures, name)
            axes.hlines(place, spread.least, spread.p95, color=colour, linewidth=1.4)
            width = max(spread.p75 - spread.p25, 0.0)
            axes.barh(place, width, left=spread.p25, height=0.52, color=colour, alpha=0.35)
            axes.vlines(spread.median, place - 0.3, place + 0.3, color=colour, linewidth=2.6)
            axes.annotate(
                f"{spread.median:.3g} s",
                (spread.p95, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        _scale(axes, shown.values())
        axes.margins(x=0.12)
        axes.set_xlabel("seconds")

    return _drawn(draw, list(shown), label)


def success(figures: Mapping[str, Figures]) -> str:
    """Draw the share of documents that succeeded, and how sure that is."""
    shown = {name: f for name, f in figures.items() if f.succeeded is not None}
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        for place, (name, f) in enumerate(shown.items()):
            assert f.succeeded is not None
            assert f.succeeded_within is not None
            share, low, high = (100 * part for part in (f.succeeded, *f.succeeded_within))
            colour = _colour(figures, name)
            axes.errorbar(
                share, place, xerr=[[max(share - low, 0)], [max(high - share, 0)]],
                fmt="o", color=colour, elinewidth=1.8, capsize=4,
            )  # fmt: skip
            axes.annotate(
                f"{share:.1f} %", (share, place), xytext=(0, 8), textcoords="offset points",
                ha="right" if share > 50 else "left", fontsize=8,
            )  # fmt: skip
        axes.set_xlim(0, 103)
        axes.set_xlabel("% of the documents that the target takes")

    return _drawn(draw, list(shown), "Succeeded by target")


def outcomes(figures: Mapping[str, Figures]) -> str:
    """Draw what became of the documents, as shares of those that each target takes."""
    shown = {name: f for name, f in figures.items() if f.documents}
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        for outcome in OUTCOMES:
            widths = [100 * f.outcomes[outcome] / f.documents for f in shown.values()]
            if any(widths):
                left = [
                    100
                    * sum(f.outcomes[o] for o in OUTCOMES[: OUTCOMES.index(outcome)])
                    / f.documents
                    for f in shown.values()
                ]
                words = outcome.replace("_", " ")
                axes.barh(
                    range(len(shown)), widths, left=left, height=0.6, label=words,
                    color=_STATES[outcome], edgecolor=_PAPER, linewidth=0.8,
                )  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the documents that the target takes")

    return _drawn(draw, list(shown), "Outcomes by target", legend=True)


def troubles(figures: Mapping[str, Figures]) -> str:
    """Draw what went wrong on the way, by kind."""
    if not any(f.troubles for f in figures.values()):
        return ""

    def draw(axes: Any) -> None:
        left = [0] * len(figures)
        for kind, words in TROUBLE_WORDS.items():
            counts = [f.troubles[kind] for f in figures.values()]
            if any(counts):
                axes.barh(
                    range(len(figures)), counts, left=left, height=0.6, label=words,
                    color=_KINDS[kind], edgecolor=_PAPER, linewidth=0.8,
                )  # fmt: skip
                left = [one + other for one, other in zip(left, counts, strict=True)]
        axes.set_xlabel("requests")
        axes.xaxis.get_major_locator().set_params(integer=True)

    return _drawn(draw, list(figures), "Errors on the way, by kind", legend=True)


def cost(figures: Mapping[str, Figures], what: Callable[[Figures], float | None], unit: str) -> str:
    """Draw what the vendors say that they counted; a vendor that says nothing has no bar."""
    shown = {name: value for name, f in figures.items() if (value := what(f)) is not None}
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        colours = [_colour(figures, name) for name in shown]
        bars = axes.barh(range(len(shown)), list(shown.values()), height=0.6, color=colours)
        axes.bar_label(bars, fmt="%.10g", padding=4, fontsize=8)
        axes.margins(x=0.12)
        axes.set_xlabel(unit)

    return _drawn(draw, list(shown), f"{unit} by target")


def rounds(figures: Mapping[str, Figures]) -> str:
    """Draw the median time of each round, so that one sees whether they agree."""
    if not any(len(f.rounds) > 1 for f in figures.values()):
        return ""

    def draw(axes: Any) -> None:
        for place, (name, f) in enumerate(figures.items()):
            known = [seconds for seconds in f.rounds if seconds is not None]
            if known:
                axes.hlines(place, min(known), max(known), color=_FAINT, linewidth=4)
                axes.plot(known, [place] * len(known), "o", color=_colour(figures, name), alpha=0.8)
        axes.margins(x=0.12)
        axes.set_xlabel("median seconds to done, one dot a round")

    return _drawn(draw, list(figures), "Median time of each round")


# --------------------------------------------------------------------------- how it is drawn


def _colour(figures: Mapping[str, Figures], name: str) -> str:
    return _SERIES[list(figures).index(name) % len(_SERIES)]


def _scale(axes: Any, spreads: Any) -> None:
    """Use a logarithmic scale where a linear one would squeeze the quick ones together."""
    known = list(spreads)
    least, most = min(s.least for s in known), max(s.p95 for s in known)
    if least > 0 and most / least > 30:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda _value, _place: "")
    else:
        axes.set_xlim(left=0)


def _drawn(
    draw: Callable[[Any], None], names: Sequence[str], title: str, *, legend: bool = False
) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        height = 0.42 * len(names) + (0.95 if legend else 0.6)
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.set_yticks(range(len(names)), list(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        if legend:
            columns = len(axes.get_legend_handles_labels()[0])
            figure.legend(loc="outside upper left", ncols=min(columns, 5))
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _inline(file.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """Make a drawing part of a page: its own ids, the page's colours and font, a title."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"font: (?:(\d+) )?([\d.]+)px [^;\"]+", r"font-size: \2px", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    own = re.sub(r"\W+", "-", title.casefold()).strip("-")
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}-", svg)
    head, end, rest = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    head = f'<svg class="plot" role="img" aria-label="{title}" {box[0]}'
    return f"{head}{end}{rest}".replace("xlink:href", "href")
