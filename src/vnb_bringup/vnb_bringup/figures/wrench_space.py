"""Grasp wrench spaces before and after the sideways push (the paper's Fig. 1)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Circle, Polygon
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from vnb_benchmark.report.content import Figure
from vnb_benchmark.report.plots import PALETTE
from vnb_bringup.figures.rerun import Moment
from vnb_bringup.figures.sources import Sources, Trial
from vnb_bringup.figures.style import PAGE, STYLE, bare, save

Array = NDArray[np.float64]

PLANES = (("force", 1, 2, "$f_y$", "$f_z$"), ("torque", 3, 5, r"$\tau_x/\ell$", r"$\tau_z/\ell$"))
"""Planes that the hulls are projected onto: the push is along y."""

CAPTION = (
    "Grasp wrench space of the true contacts after the lift and after the last sideways pulse of {force:g} N: its "
    "projection onto the plane of the push (force) and onto the torques about the horizontal and the vertical axis, "
    "unit normal forces, torques over {length:g} mm. The dotted circle is the projected ball of radius ε about the "
    "origin; the grey outline is the hull before the push."
)


def draw(sources: Sources) -> list[Figure]:
    """Draw one row per trial."""
    from vnb_sim_bridge.bridge import TORQUE_LENGTH
    from vnb_sim_bridge.stress.battery import PULSE_FORCES

    trials = sources.require_trials()
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(PAGE, 1.65 * len(trials) + 0.35), layout="constrained")
        grid = drawing.subplots(len(trials), 5, squeeze=False, width_ratios=(1.2, 1, 1, 1, 1))
        for panels, trial in zip(grid, trials, strict=True):
            _row(panels, trial)
        for axes, title in zip(grid[0][1:], ("lifted", "pushed", "lifted", "pushed"), strict=True):
            axes.set_title(title)
        return [save(drawing, "wrench_space", CAPTION.format(force=PULSE_FORCES[-1], length=1e3 * TORQUE_LENGTH))]


def _row(panels: NDArray, trial: Trial) -> None:
    picture = trial.picture("lifted")
    bare(panels[0])
    if picture is not None:
        panels[0].imshow(mpl.image.imread(picture))
    panels[0].set_title(f"{trial.method}\n{trial.case}", fontsize=6.5)
    before, pulses = trial.holding.before, trial.holding.pulses
    after = pulses[-1] if pulses else None
    for k, (name, i, j, horizontal, vertical) in enumerate(PLANES):
        left, right = panels[1 + 2 * k : 3 + 2 * k]
        extent = 1.3 * max(0.2, float(np.abs(before.wrenches[:, [i, j]]).max(initial=0.0)), _reach(after, i, j))
        for axes, shown in ((left, before), (right, after)):
            axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xticks=[], yticks=[])
            axes.axhline(0, color="#E4E4E4", linewidth=0.6, zorder=0)
            axes.axvline(0, color="#E4E4E4", linewidth=0.6, zorder=0)
            axes.set_xlabel(horizontal, labelpad=1)
            if shown is not None:
                _hull(axes, shown, i, j, PALETTE[k])
        left.set_ylabel(f"{name}  {vertical}", labelpad=1)
        if after is None:
            right.text(0.5, 0.5, "not lifted,\nnot pushed", transform=right.transAxes, ha="center", va="center")
        else:
            _outline(right, before.wrenches[:, [i, j]])


def _reach(moment: Moment | None, i: int, j: int) -> float:
    return 0.0 if moment is None else float(np.abs(moment.wrenches[:, [i, j]]).max(initial=0.0))


def hull_polygon(points: Array) -> Array | None:
    """Return the corners (n, 2) of the convex hull of points (m, 2) in order; None if it has no area."""
    try:
        return points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # too few points, or all on one line
        return None


def _hull(axes: Axes, moment: Moment, i: int, j: int, colour: str) -> None:
    points = moment.wrenches[:, [i, j]]
    corners = hull_polygon(points)
    if corners is not None:
        axes.add_patch(Polygon(corners, facecolor=colour, alpha=0.28, linewidth=0))
        axes.add_patch(Polygon(corners, facecolor="none", edgecolor=colour, linewidth=1.0))
    elif len(points):
        axes.plot(points[:, 0], points[:, 1], ".", color=colour, markersize=2)
    axes.plot(0, 0, ".", color="black", markersize=2)
    if moment.epsilon > 0.0:
        axes.add_patch(Circle((0, 0), moment.epsilon, fill=False, linestyle=":", linewidth=1.0))
    text = f"$\\varepsilon$ = {moment.epsilon:.3f}" if moment.contacts else "no contact"
    axes.text(0.98, 0.02, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=6.5)


def _outline(axes: Axes, points: Array) -> None:
    corners = hull_polygon(points)
    if corners is not None:
        axes.add_patch(Polygon(corners, facecolor="none", edgecolor="#999999", linewidth=0.7, linestyle="--"))
