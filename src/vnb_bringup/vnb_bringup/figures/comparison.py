"""The same objects in the hands of several methods after the lift (the paper's Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

from vnb_benchmark.report.content import Figure
from vnb_bringup.figures.sources import MissingSource, Sources, Trial
from vnb_bringup.figures.style import PAGE, STYLE, bare, save
from vnb_grasp.errors import ConfigError

CAPTION = "Grasps after the lift, methods in rows; ε of the true contacts at the end of closing."


def draw(sources: Sources) -> list[Figure]:
    """Draw a picture per trial: methods in rows, what they grasped in columns."""
    trials = sources.require_trials(2, ", to compare grasps")
    without = [str(trial.folder) for trial in trials if trial.picture("lifted") is None]
    if without:
        raise MissingSource(f"{', '.join(without)}: no lifted.png; run ./vnb trial without --no-pictures")
    _refuse_doubles(trials)
    methods = list(dict.fromkeys(trial.method for trial in trials))
    cases = list(dict.fromkeys(trial.case for trial in trials))
    with mpl.rc_context(STYLE):
        width = PAGE / max(len(cases), 2)
        drawing = Drawing(figsize=(width * len(cases), (0.78 * width + 0.25) * len(methods)), layout="constrained")
        grid = drawing.subplots(len(methods), len(cases), squeeze=False)
        for axes in grid.ravel():
            bare(axes)
        given = {(trial.method, trial.case) for trial in trials}
        for line, method in zip(grid, methods, strict=True):
            for axes, case in zip(line, cases, strict=True):
                if (method, case) not in given:
                    axes.text(0.5, 0.5, "no trial given", transform=axes.transAxes, ha="center", color="0.5")
        for trial in trials:
            axes = grid[methods.index(trial.method), cases.index(trial.case)]
            picture = trial.picture("lifted")
            assert picture is not None
            axes.imshow(mpl.image.imread(picture))
            axes.set_xlabel(words(trial))
        for line, method in zip(grid, methods, strict=True):
            line[0].set_ylabel(method)
        for axes, case in zip(grid[0], cases, strict=True):
            axes.set_title(case)
        return [save(drawing, "comparison", CAPTION)]


def _refuse_doubles(trials: Sequence[Trial]) -> None:
    """Raise :class:`ConfigError` if trials would be drawn over one another."""
    first: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        other = first.setdefault((trial.method, trial.case), trial)
        if other is not trial:
            raise ConfigError(
                f"{other.folder} and {trial.folder}: got two trials of {trial.method} on {trial.case}, expected one "
                "for each panel; leave one out"
            )


def words(trial: Trial) -> str:
    """Return quality and outcome of a trial in a few words."""
    summary, verdict = trial.document["summary"], trial.document["verdict"]
    epsilon = "" if summary["epsilon_true"] is None else f"$\\varepsilon$ = {summary['epsilon_true']:.3f}: "
    if verdict is None:
        return epsilon + "ended by an error"
    if not verdict["lifted"]:
        return epsilon + "not lifted"
    held = "held" if summary["success"] else "slipped under the pulses"
    return f"{epsilon}lifted {1e3 * verdict['lift_height']:.0f} mm, {held}"
