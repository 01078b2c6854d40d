"""The report's charts as SVG whose colours are CSS variables, so that they follow the page's light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vnb_bringup.report.belief_summary import BeliefSummary, summarise
from vnb_bringup.report.record import StepRecord, TrialRecord

Array = NDArray[np.float64]

FINGERS = ("thumb", "index", "middle", "ring", "pinky")

# Stand-ins that matplotlib draws with; the page replaces them by its variables.
INK, MUTED, GRID, TRUTH = "#010203", "#040506", "#070809", "#0a0b0c"
SERIES = ("#110001", "#110002", "#110003", "#110004", "#110005")
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "line", TRUTH: "truth"} | {c: f"c{i}" for i, c in enumerate(SERIES, 1)}

_STYLE: Any = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.4,
}


@dataclass(frozen=True)
class Chart:
    """One chart: its title, one explaining line, and the SVG."""

    title: str
    caption: str
    svg: str


def charts(record: TrialRecord, force_cap: float) -> dict[str, list[Chart]]:
    """Return the charts of a trial by section: ``friction``, ``belief``, ``risk``, ``touch``, ``time``.

    A section is empty where the trial has no such figures.
    """
    steps = record.steps
    if not steps:
        return {name: [] for name in ("friction", "belief", "risk", "touch", "time")}
    with mpl.rc_context(_STYLE):
        summary = summarise(steps)
        return {
            "friction": _friction(summary, record.scenario.friction_effective) if summary else [],
            "belief": [*(_pose(summary) if summary else []), *_entropy(steps)],
            "risk": _risk(steps),
            "touch": [*_forces(steps, force_cap), _quality(steps)],
            "time": _planning_time(steps),
        }


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.6, 2.1), layout="constrained")
    axes = figure.add_subplot()
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure, axes


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "vnb"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' width="[\d.]+pt"| height="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def _column(steps: Sequence[StepRecord], name: str) -> Array:
    return np.array([getattr(step, name) for step in steps], dtype=float)


def _friction(summary: BeliefSummary, truth: float) -> list[Chart]:
    top = float(np.clip(1.1 * max(np.median(summary.mu_high), truth), 0.6, 2.0))
    result = []
    for i, finger in enumerate(FINGERS):
        figure, axes = _figure()
        axes.fill_between(
            summary.steps, summary.mu_low[:, i], summary.mu_high[:, i], color=SERIES[i], alpha=0.22, linewidth=0
        )
        axes.plot(summary.steps, summary.mu_mean[:, i], color=SERIES[i])
        axes.axhline(truth, color=TRUTH, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_ylim(0.0, top)
        result.append(Chart(finger.capitalize(), "", _svg(figure)))
    return result


def _pose(summary: BeliefSummary) -> list[Chart]:
    result = []
    for title, values, unit in (
        ("Where the object is", 1e3 * summary.position_std, "mm"),
        ("How it is turned", np.degrees(summary.rotation_std), "deg"),
    ):
        figure, axes = _figure()
        for i, axis in enumerate("xyz"):
            axes.plot(summary.steps, values[:, i], color=SERIES[i], label=axis)
        axes.set_ylim(0.0, 1.3 * float(values.max()))
        axes.legend(ncols=3, loc="upper right")
        result.append(Chart(title, f"standard deviation along the hand's axes [{unit}]", _svg(figure)))
    return result


def _line_chart(
    steps: Sequence[StepRecord], names: dict[str, str], title: str, caption: str, *, share: bool = False
) -> list[Chart]:
    x, columns = _column(steps, "step"), {label: _column(steps, name) for name, label in names.items()}
    columns = {label: column for label, column in columns.items() if np.isfinite(column).any()}
    if not columns:
        return []
    figure, axes = _figure()
    for colour, (label, column) in zip(SERIES, columns.items(), strict=False):
        axes.plot(x, column, color=colour, label=label)
    if share:
        axes.set_ylim(-0.02, 1.02)
    if len(columns) > 1:
        axes.legend(loc="best")
    return [Chart(title, caption, _svg(figure))]


def _entropy(steps: Sequence[StepRecord]) -> list[Chart]:
    return _line_chart(steps, {"entropy": "entropy"}, "Entropy of the belief", "of the whole latent state [nats]")


def _risk(steps: Sequence[StepRecord]) -> list[Chart]:
    return [
        *_line_chart(
            steps,
            {"cvar": "CVaR", "expected_cost": "expected"},
            "Cost of the chosen action",
            "over the belief: on average, and in its worst tail",
        ),
        *_line_chart(
            steps, {"p_fail": "P(fail)"}, "Failure probability", "that the belief gives the chosen action", share=True
        ),
    ]


def _quality(steps: Sequence[StepRecord]) -> Chart:
    figure, axes = _figure()
    x = _column(steps, "step")
    axes.plot(x, _column(steps, "epsilon_true"), color=TRUTH, linewidth=1.2, linestyle=(0, (4, 3)), label="true")
    axes.plot(x, _column(steps, "epsilon_hat"), color=SERIES[0], label="from touch")
    axes.set_ylim(0.0, 1.35 * max(float(axes.dataLim.y1), 0.02))
    axes.legend(ncols=2, loc="upper right")
    return Chart("Grasp quality ε", "Ferrari–Canny, as felt and as it is", _svg(figure))


def _forces(steps: Sequence[StepRecord], force_cap: float) -> list[Chart]:
    x, sensed, true = _column(steps, "step"), _column(steps, "force_sensed"), _column(steps, "force_true")
    top = 1.35 * max(force_cap, float(sensed.max()), float(true.max()))
    result = []
    for title, forces in (("Sensed forces", sensed), ("True forces", true)):
        figure, axes = _figure()
        for i, finger in enumerate(FINGERS):
            axes.plot(x, forces[:, i], color=SERIES[i], label=finger, linewidth=1.4)
        axes.axhline(force_cap, color=TRUTH, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_ylim(0.0, top)
        axes.legend(ncols=5, loc="upper center", columnspacing=0.8, handlelength=0.9, handletextpad=0.4)
        result.append(Chart(title, "normal force [N], cap dashed", _svg(figure)))
    return result


def _planning_time(steps: Sequence[StepRecord]) -> list[Chart]:
    figure, axes = _figure()
    milliseconds = 1e3 * _column(steps, "planning_time")
    axes.bar(_column(steps, "step"), milliseconds, width=0.8, color=SERIES[0], alpha=0.75, linewidth=0)
    axes.axhline(float(np.median(milliseconds)), color=TRUTH, linewidth=1.2, linestyle=(0, (4, 3)))
    return [Chart("Planning time", "per decision [ms], median dashed", _svg(figure))]
