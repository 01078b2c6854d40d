"""Grasp quality over the decision steps with shaded phases (the paper's Fig. 5): averaged, and of single trials."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from vnb_benchmark.report.content import Figure
from vnb_benchmark.report.plots import PALETTE, Styles, quality_over_steps
from vnb_benchmark.statistics import rows as of
from vnb_bringup.figures.sources import MissingSource, Sources, Trial
from vnb_bringup.figures.style import DPI, FONTS, PAGE, SHADES, STYLE, save

CAPTION = (
    "Grasp quality of single trials over decision steps. Grey: fewer than two fingers touch; blue: from there to the "
    "end of closing; orange: after the lift, the quality of the true contacts after each sideways pulse."
)


def draw(sources: Sources) -> list[Figure]:
    """Draw the store's average, the trials' own curves, or both."""
    figures = []
    if sources.outcomes:
        with mpl.rc_context(FONTS):
            found = quality_over_steps(sources.outcomes, Styles(of.methods_of(sources.outcomes)), dpi=DPI)
        figures += [] if found is None else [found]
    if sources.trials:
        figures.append(_trials(sources.trials))
    if not figures:
        raise MissingSource("got no trial and no store with episodes that took a step, expected either")
    return figures


def _trials(trials: tuple[Trial, ...]) -> Figure:
    columns = min(len(trials), 2)
    lines = -(-len(trials) // columns)
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(PAGE * columns / 2, 2.1 * lines + 0.5), layout="constrained")
        panels = drawing.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        for axes in panels[len(trials) :]:
            axes.set_visible(False)
        for axes, trial in zip(panels, trials, strict=False):
            _panel(axes, trial)
        phases = [Patch(color=colour, label=name) for name, colour in SHADES.items()]
        handles, _ = panels[0].get_legend_handles_labels()
        drawing.legend(handles=[*handles, *phases], loc="outside lower center", ncols=5 if columns > 1 else 3)
        return save(drawing, "quality_trials", CAPTION)


def first_grip(trial: Trial) -> int:
    """Return the first step in which two fingers touch; the number of steps if there is none."""
    return next((i for i, step in enumerate(trial.steps) if sum(step["contact"]) >= 2), len(trial.steps))


def _panel(axes: Axes, trial: Trial) -> None:
    steps, pulses = trial.steps, trial.holding.pulses
    x = np.arange(len(steps))
    end, start = len(steps) - 1, min(first_grip(trial), len(steps) - 1)
    spacing = max(1.0, len(steps) / 16)
    after = end + spacing * np.arange(1, len(pulses) + 1)
    axes.axvspan(0, start, color=SHADES["approach"], linewidth=0)
    axes.axvspan(start, end, color=SHADES["consolidation"], linewidth=0)
    felt, true = (np.array([step[name] for step in steps], dtype=float) for name in ("epsilon_hat", "epsilon_true"))
    axes.plot(x, felt, color=PALETTE[0], label="from touch")
    axes.plot(x, true, color=PALETTE[1], label="true contacts")
    ticks = MaxNLocator(4, integer=True).tick_values(0, max(end, 1))
    axes.set_xticks([tick for tick in ticks if tick <= max(end, 1)])
    if pulses:
        axes.axvspan(end, after[-1] + spacing, color=SHADES["maintenance"], linewidth=0)
        held = [trial.holding.before.epsilon, *(pulse.epsilon for pulse in pulses)]
        axes.plot([end, *after], held, color=PALETTE[1], marker="o", markersize=2.5)
        place: Any = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "top", "fontsize": 5.5}
        for position, pulse in list(zip(after, pulses, strict=True))[::2]:  # of each force one pulse goes either way
            axes.text(position + spacing / 2, 0.985, f"{pulse.force:g} N", **place)
    axes.set(title=f"{trial.method}: {trial.case}", xlabel="decision step", ylabel="grasp quality ε", ylim=(0.0, None))
