"""Plots of the curves, as SVG; log-log ones each with its fitted exponent."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks._result import Curve

__all__ = ["draw", "exponent"]


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Fit y = a * x ** n by least squares of the logarithms, and return n.

    Only the last three points count: what a run costs at least hides the growth below them.
    """
    known = sorted((math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0)[-3:]
    if len(known) < 2:
        return None
    x_mean = sum(x for x, _ in known) / len(known)
    y_mean = sum(y for _, y in known) / len(known)
    spread = sum((x - x_mean) ** 2 for x, _ in known)
    return sum((x - x_mean) * (y - y_mean) for x, y in known) / spread if spread else None


def draw(curves: Sequence[Curve], folder: Path) -> dict[str, Path]:
    """Draw one picture for each plot; returns their files."""
    if not curves:
        return {}
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "longshore"
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for plot in dict.fromkeys(curve.plot for curve in curves):
        figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
        shown = [curve for curve in curves if curve.plot == plot]
        for curve in shown:
            grows = exponent(curve.points) if curve.log else None
            label = curve.label if grows is None else f"{curve.label} (~ x^{grows:.2f})"
            marker = "o" if curve.log else None
            axes.plot(*zip(*curve.points, strict=True), marker=marker, markersize=3, label=label)
        axes.set(title=plot)
        if shown[0].log:
            axes.set(xscale="log", yscale="log")
        axes.set(xlabel=shown[0].x_label, ylabel=shown[0].y_label)
        axes.grid(visible=True, which="major", color="#dddddd")
        axes.legend(frameon=False, fontsize="small")
        files[plot] = folder / f"{re.sub(r'[^a-z0-9]+', '-', plot.lower()).strip('-')}.svg"
        figure.savefig(files[plot], metadata={"Date": None})
        plt.close(figure)
    return files
