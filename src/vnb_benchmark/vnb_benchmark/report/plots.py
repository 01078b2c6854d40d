"""The report's figures: matplotlib without a display, colours that colour-blind readers can tell apart."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.report.content import Figure
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.intervals import Estimate
from vnb_benchmark.statistics.quality import quality_curve
from vnb_benchmark.statistics.summary import Summary
from vnb_benchmark.statistics.sweeps import SweepCurve

# Okabe and Ito's palette, without yellow, which is hard to see on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
_MARKERS = "osD^vP*X"
_SHADES = {"nothing felt yet": "#F3F3F3", "closing": "#E3EEF6", "most have ended": "#F8EDE0"}
"""Colours of the phases over the decision steps, in their order."""

_MODES = {
    "none": "#DDDDDD",
    "slip": "#56B4E9",
    "perturbation": "#0072B2",
    "lift": "#E69F00",
    "grasp": "#D55E00",
}
_STYLE: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.hashsalt": "vnb",
}


class Styles:
    """Colour and marker per method, the same in all figures of a report."""

    def __init__(self, methods: Sequence[str]) -> None:
        self._index = {method: i for i, method in enumerate(methods)}

    def colour(self, method: str) -> str:
        """Return the method's colour; with more methods than colours they repeat, and the markers differ."""
        return PALETTE[self._index[method] % len(PALETTE)]

    def marker(self, method: str) -> str:
        """Return the method's marker."""
        i = self._index[method]
        return _MARKERS[(i + i // len(PALETTE)) % len(_MARKERS)]


def regime_bars(summaries: Sequence[Summary], styles: Styles, dpi: int = 150) -> Figure | None:
    """Draw robust success and survival per regime with their intervals (the paper's Fig. 4)."""
    if not summaries:
        return None
    groups = list(dict.fromkeys(s.group for s in summaries))
    methods = list(dict.fromkeys(s.method for s in summaries))
    with mpl.rc_context(_STYLE):
        drawing, panels = _panels(2, width=max(4.0, 0.9 * len(groups) + 0.28 * len(groups) * len(methods)))
        for axes, title in zip(panels, ("robust success", "survival"), strict=True):
            for k, method in enumerate(methods):
                own = [s for s in summaries if s.method == method]
                figures = [s.robust if title == "robust success" else s.survival for s in own]
                x = [groups.index(s.group) + (k - (len(methods) - 1) / 2) * 0.8 / len(methods) for s in own]
                axes.bar(x, [f.value for f in figures], 0.74 / len(methods), color=styles.colour(method), label=method)
                _whiskers(axes, x, figures, "#333333")
            axes.set(title=title, ylim=(0, 1.02), xticks=range(len(groups)), xticklabels=groups)
            axes.grid(visible=False, axis="x")
        _legend(drawing, panels[0])
        return _save(drawing, "regimes", "Robust success and survival by regime, with 95 % intervals.", dpi)


def reliability_diagrams(summaries: Sequence[Summary], styles: Styles) -> Figure | None:
    """Draw observed against predicted failure for every method that gives a probability."""
    given = [(s, s.calibration) for s in summaries if s.calibration is not None]
    if not given:
        return None
    with mpl.rc_context(_STYLE):
        drawing, panels = _panels(len(given), width=2.6, height=2.7)
        for axes, (summary, calibration) in zip(panels, given, strict=True):
            colour = styles.colour(summary.method)
            axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--")
            x = [b.predicted for b in calibration.bins]
            _whiskers(axes, x, [b.observed for b in calibration.bins], colour)
            sizes = [12 + 90 * b.count / calibration.n for b in calibration.bins]
            axes.scatter(x, [b.observed.value for b in calibration.bins], sizes, color=colour, zorder=3)
            axes.set(title=f"{summary.method} (n = {calibration.n})", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
            axes.set(xlabel="predicted failure", ylabel="observed failure")
        caption = "Reliability: on the dashed line probabilities are right. Dots grow with the number of episodes."
        return _save(drawing, "reliability", caption)


def risk_coverage_curves(summaries: Sequence[Summary], styles: Styles) -> Figure | None:
    """Draw the share of failures among the episodes that a method thought safest."""
    given = [(s, s.calibration) for s in summaries if s.calibration is not None]
    if not given:
        return None
    with mpl.rc_context(_STYLE):
        drawing, (axes,) = _panels(1, width=4.6)
        for summary, calibration in given:
            label = f"{summary.method} (area {calibration.aurc:.2f})"
            marker = styles.marker(summary.method) if calibration.n < 30 else ""
            axes.plot(
                calibration.coverage, calibration.risk, color=styles.colour(summary.method), label=label, marker=marker
            )
        axes.set(xlabel="share of episodes attempted, safest first", ylabel="share of them failed", ylim=(-0.02, 1.02))
        axes.legend()
        return _save(drawing, "risk_coverage", "Risk and coverage: lower is better, and a rising curve is useful.")


def quality_over_steps(rows: Sequence[Outcome], styles: Styles, dpi: int = 150) -> Figure | None:
    """Draw grasp quality from touch over decision steps with shaded phases (the paper's Fig. 5)."""
    found = [(method, quality_curve([r for r in rows if r.method == method])) for method in of.methods_of(rows)]
    curves = [(method, curve) for method, curve in found if curve is not None]
    if not curves:
        return None
    with mpl.rc_context(_STYLE):
        drawing, panels = _panels(len(curves), width=2.9, share=True)
        for axes, (method, curve) in zip(panels, curves, strict=True):
            last = len(curve.mean) - 1
            start = curve.end if curve.first is None else min(curve.first, curve.end)
            spans = ((0, start), (start, curve.end), (curve.end, max(last, curve.end)))
            for (left, right), colour in zip(spans, _SHADES.values(), strict=True):
                if right > left:
                    axes.axvspan(left, right, color=colour, linewidth=0)
            steps = np.arange(last + 1)
            axes.fill_between(steps, curve.low, curve.high, color=styles.colour(method), alpha=0.25, linewidth=0)
            axes.plot(steps, curve.mean, color=styles.colour(method), marker="o" if last < 1 else "")
            axes.set(title=f"{method} (n = {curve.episodes})", xlabel="decision step", ylabel="grasp quality ε")
        _phase_legend(drawing, narrow=len(curves) == 1)
        caption = (
            "Quality from touch: mean and quartiles. Grey: closing, no quality felt in the median episode yet; "
            "blue: from there to the median end of closing; orange: more than half of the episodes have ended and "
            "count with their last value."
        )
        return _save(drawing, "quality", caption, dpi)


def _phase_legend(drawing: Drawing, *, narrow: bool) -> None:
    handles = [
        Line2D([], [], color="#555555", label="mean"),
        Patch(color="#555555", alpha=0.25, linewidth=0, label="quartiles"),
        *(Patch(color=colour, linewidth=0, label=name) for name, colour in _SHADES.items()),
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2 if narrow else 3, fontsize="small")


def failure_modes(summaries: Sequence[Summary]) -> Figure | None:
    """Draw how the episodes of each method ended."""
    if not summaries:
        return None
    modes = [m for m in _MODES if any(m in s.failure_modes for s in summaries)]
    modes += sorted({m for s in summaries for m in s.failure_modes} - set(modes))
    with mpl.rc_context(_STYLE):
        drawing, (axes,) = _panels(1, width=6.0, height=0.9 + 0.32 * len(summaries))
        left = np.zeros(len(summaries))
        for mode in modes:
            share = np.array([s.failure_modes.get(mode, 0) / s.n for s in summaries])
            # What ended without a verdict is black and white: no mode of the grasp.
            style: Any = {"color": _MODES[mode]} if mode in _MODES else {"color": "white", "hatch": "///"}
            axes.barh(range(len(summaries)), share, left=left, label=mode, edgecolor="#333333", linewidth=0.4, **style)
            left += share
        axes.set(yticks=range(len(summaries)), yticklabels=[s.method for s in summaries], xlim=(0, 1))
        axes.invert_yaxis()
        axes.grid(visible=False)
        _legend(drawing, axes)
        return _save(drawing, "failure_modes", "How episodes ended, as shares of all episodes of a method.")


def sweep_plot(curves: Sequence[SweepCurve], styles: Styles) -> Figure:
    """Draw robust success and survival against the level of one sweep; the curves are of the same one."""
    sweep = curves[0].sweep
    with mpl.rc_context(_STYLE):
        drawing, panels = _panels(2, width=4.0)
        for axes, title in zip(panels, ("robust success", "survival"), strict=True):
            for curve in curves:
                x = [p.level for p in curve.points]
                figures = [p.robust if title == "robust success" else p.survival for p in curve.points]
                colour, marker = styles.colour(curve.method), styles.marker(curve.method)
                axes.plot(x, [f.value for f in figures], color=colour, marker=marker, label=curve.method, markersize=4)
                _whiskers(axes, x, figures, colour)
            axes.set(title=title, xlabel=sweep, ylim=(-0.02, 1.02))
        _legend(drawing, panels[0])
        return _save(
            drawing,
            f"sweep_{re.sub(r'[^A-Za-z0-9_]', '_', sweep)}",
            f"Success against {sweep}, with 95 % intervals where there is one.",
        )


def _panels(count: int, width: float, height: float = 2.8, *, share: bool = False) -> tuple[Drawing, list[Axes]]:
    columns = min(count, 4)
    lines = -(-count // columns)
    drawing = Drawing(figsize=(width * columns, height * lines), layout="constrained")
    grid = drawing.subplots(lines, columns, squeeze=False, sharey=share).ravel().tolist()
    for axes in grid[count:]:
        axes.set_visible(False)
    return drawing, grid[:count]


def _whiskers(axes: Axes, x: Sequence[float], figures: Sequence[Estimate], colour: str) -> None:
    shown = [(position, f) for position, f in zip(x, figures, strict=True) if f.has_interval]
    if shown:
        middle = [f.value for _, f in shown]
        arms = [[f.value - f.low for _, f in shown], [f.high - f.value for _, f in shown]]
        axes.errorbar([p for p, _ in shown], middle, arms, fmt="none", ecolor=colour, elinewidth=1, capsize=2)


def _legend(drawing: Drawing, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6))


def _save(drawing: Drawing, name: str, caption: str, dpi: int = 150) -> Figure:
    files = {}
    for ending, options in (("png", {"dpi": dpi}), ("pdf", {}), ("svg", {})):
        buffer = io.BytesIO()
        # No dates: the same results give the same files.
        nothing: Any = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[ending]
        drawing.savefig(buffer, format=ending, metadata=nothing, **options)  # type: ignore[arg-type]
        files[ending] = buffer.getvalue()
    return Figure(name, caption, files)
