"""What the five tactile pads feel at one step (the paper's Fig. 9)."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from vnb_benchmark.report.content import Figure
from vnb_bringup.figures.sources import Sources, Trial
from vnb_bringup.figures.style import PAGE, STYLE, bare, save
from vnb_grasp.description import FINGERS, load_hand
from vnb_grasp.errors import ConfigError

CAPTION = (
    "Raw readings of the tactile pads, of which 255 is the most, fingertips up; below each the normal force that "
    "is estimated from it."
)


def draw(sources: Sources) -> list[Figure]:
    """Draw one row of pads per trial, and the hand beside it where there is a picture."""
    trials = sources.require_trials()
    shown = [_step(trial, sources.step) for trial in trials]
    pads = [pad_images(trial, step) for trial, step in zip(trials, shown, strict=True)]
    top = max(int(max(image.max() for images in pads for image in images)), 1)
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(PAGE, 1.75 * len(trials) + 0.3), layout="constrained")
        grid = drawing.subplots(len(trials), 6, squeeze=False, width_ratios=(2.4, 1, 1, 1, 1, 1))
        for panels, trial, step, images in zip(grid, trials, shown, pads, strict=True):
            for axes in panels:
                bare(axes)
            last = step is trial.steps[-1] or step["step"] == trial.steps[-1]["step"]
            picture = trial.picture("closed") if last else None  # it is of the end of closing
            if picture is not None:
                panels[0].imshow(mpl.image.imread(picture))
            panels[0].set_title(f"{trial.method}, step {step['step']}\n{trial.case}", fontsize=6.5, pad=3)
            for axes, image, force in zip(panels[1:], images, step["force_sensed"], strict=True):
                drawn = axes.imshow(image, cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
                axes.set_xlabel("–" if force is None else f"{force:.1f} N")
        for axes, finger in zip(grid[0][1:], FINGERS, strict=True):
            axes.set_title(finger)
        drawing.colorbar(drawn, ax=grid[:, 1:].ravel().tolist(), label="reading (most: 255)", shrink=0.8, pad=0.02)
        return [save(drawing, "tactile", CAPTION)]


def _step(trial: Trial, number: int | None) -> dict[str, Any]:
    if number is None:
        return trial.steps[-1]
    found = next((step for step in trial.steps if step["step"] == number), None)
    if found is None:
        last = max(step["step"] for step in trial.steps)
        raise ConfigError(
            f"{trial.folder}: got step {number}, expected one from 0 to {last}; choose another with --step"
        )
    return found


def pad_images(trial: Trial, step: dict[str, Any]) -> list[NDArray[np.uint8]]:
    """Return the bytes of the five pads, each (rows, columns), row 0 at the tip; raises :class:`ConfigError`."""
    images = []
    for pad, values in zip(load_hand(trial.document["hand"]).pads, step["taxels"], strict=True):
        if len(values) != pad.rows * pad.columns:
            raise ConfigError(
                f"{trial.folder}: the pad of the {pad.finger} has {len(values)} values, expected "
                f"{pad.rows} x {pad.columns}; the file is damaged, run the trial again"
            )
        images.append(np.array(values, dtype=np.uint8).reshape(pad.rows, pad.columns))
    return images
