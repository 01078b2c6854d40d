"""The hardware trial as numbers: what one trial leaves, how slip is judged, and the table over many. Free of ROS."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import ConfigError

Array = NDArray[np.float64]

OFFSETS = ((0.0, 0.0), (5.0, 0.0), (0.0, 5.0), (5.0, 5.0))
"""Offsets of the object on the pegboard [mm] of the published protocol."""
LIFT_HEIGHT = 0.04
LIFT_TIME = 3.0
HOLD_TIME = 2.0
MOST_SLIP = 0.02
"""Displacement of the object in the hand [m] from which on it counts as lost."""
RECORDS = "trials.jsonl"


@dataclass(frozen=True)
class HardwareTrial:
    """What one trial leaves.

    Attributes:
        object_name, method: Of the trial.
        offset: Of the object on the pegboard (2,) [mm].
        robot: ``robot`` or ``emulated``: on what it ran.
        steps: Decision steps until the fingers stopped.
        time: From the first step to the last [s].
        epsilon_hat: Grasp quality from touch at the end; NaN = not known.
        contacts: Fingers in contact at the end.
        p_fail: Predicted failure probability at the end; NaN = not computed.
        stop_reason: Rule that stopped the fingers.
        slip: Displacements of the object in the hand during lift and hold [m], one per reading of its pose.
        success: It was seen all the while, and stayed within 2 cm.
        error: What ended the trial early, for people; empty if nothing did.
    """

    object_name: str
    method: str
    offset: tuple[float, float]
    robot: str
    steps: int = 0
    time: float = math.nan
    epsilon_hat: float = math.nan
    contacts: int = 0
    p_fail: float = math.nan
    stop_reason: str = ""
    slip: tuple[float, ...] = ()
    success: bool = False
    error: str = ""

    @property
    def max_slip(self) -> float:
        """Largest displacement [m]; NaN if the object was never seen."""
        return max(self.slip, default=math.nan)

    @property
    def mean_slip(self) -> float:
        """Mean displacement [m]; NaN if the object was never seen."""
        return float(np.mean(self.slip)) if self.slip else math.nan


def displacements(T_world_hand: Sequence[Array], T_world_object: Sequence[Array]) -> tuple[float, ...]:
    """Return how far the object's centre has moved in the hand since the first reading [m], per reading."""
    places = [(np.linalg.inv(hand) @ seen)[:3, 3] for hand, seen in zip(T_world_hand, T_world_object, strict=True)]
    return tuple(float(np.linalg.norm(place - places[0])) for place in places)


def judged(slip: Sequence[float]) -> bool:
    """Return whether the object stayed: seen at least twice and never 2 cm away."""
    return len(slip) > 1 and max(slip) < MOST_SLIP


# --- records --------------------------------------------------------------------------------------------------------


def append(folder: Path, trial: HardwareTrial) -> None:
    """Add a trial to the folder's records."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RECORDS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(trial)) + "\n")


def load(folder: Path) -> tuple[HardwareTrial, ...]:
    """Return the folder's trials.

    Raises:
        ConfigError: If a line is no trial.
    """
    path = folder / RECORDS
    if not path.exists():
        return ()
    trials = []
    names = {item.name for item in fields(HardwareTrial)}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values: dict[str, Any] = json.loads(line)
            known = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            given: dict[str, Any] = {key: value for key, value in known.items() if key in names}
            trials.append(HardwareTrial(**given))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}, line {number} is no trial: {error}; mend or remove it") from error
    return tuple(trials)


# --- the table ------------------------------------------------------------------------------------------------------

Row = tuple[str, Callable[[HardwareTrial], float], str]

ROWS: tuple[Row, ...] = (
    ("Steps", lambda t: float(t.steps), "{:.0f}"),
    ("Time (s)", lambda t: t.time, "{:.1f}"),
    ("epsilon-hat at the end (x 1e-3)", lambda t: 1e3 * t.epsilon_hat, "{:.1f}"),
    ("Contacts", lambda t: float(t.contacts), "{:.0f}"),
    ("Max slip (mm)", lambda t: 1e3 * t.max_slip, "{:.1f}"),
    ("Mean slip (mm)", lambda t: 1e3 * t.mean_slip, "{:.1f}"),
)
"""Rows of the table: name, value of a trial, format."""


@dataclass(frozen=True)
class Spread:
    """Median, quartiles and coefficient of variation (sample standard deviation over mean) of some numbers."""

    median: float
    low: float
    high: float
    variation: float


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of the finite ones among values; NaN where there are none, or too few."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return Spread(math.nan, math.nan, math.nan, math.nan)
    low, median, high = np.quantile(finite, [0.25, 0.5, 0.75]).tolist()
    mean = float(finite.mean())
    variation = float(finite.std(ddof=1)) / mean if len(finite) > 1 and mean else math.nan
    return Spread(median, low, high, variation)


def table(trials: Sequence[HardwareTrial]) -> str:
    """Return the table over trials in Markdown: one pair of columns per method, then how many succeeded.

    Trials that an error ended count as failures, and are left out of the other rows.
    """
    methods = sorted({trial.method for trial in trials})
    lines = ["| metric | " + " | ".join(f"{m}: median [IQR] | {m}: CoV" for m in methods) + " |"]
    lines.append("|---|" + "---|---|" * len(methods))
    done = {m: [t for t in trials if t.method == m and not t.error] for m in methods}
    for name, value, form in ROWS:
        cells = [cell for m in methods for cell in _cells(spread(value(t) for t in done[m]), form)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    counts = []
    for m in methods:
        of = [t for t in trials if t.method == m]
        counts += [f"{sum(t.success for t in of)} of {len(of)}", ""]
    lines.append("| Success | " + " | ".join(counts) + " |")
    return "\n".join(lines) + "\n"


def _cells(numbers: Spread, form: str) -> tuple[str, str]:
    if math.isnan(numbers.median):
        return "-", "-"
    text = f"{form.format(numbers.median)} [{form.format(numbers.low)} to {form.format(numbers.high)}]"
    return text, "-" if math.isnan(numbers.variation) else f"{numbers.variation:.2f}"


def report(trials: Sequence[HardwareTrial], command: str) -> str:
    """Return the report of a folder's trials in Markdown."""
    where = sorted({trial.robot for trial in trials})
    objects = sorted({trial.object_name for trial in trials})
    lines = [
        "# Hardware trials",
        "",
        f"{len(trials)} trials of {', '.join(objects)}, on: {', '.join(where)}. Last command: `{command}`",
        "",
        f"Lift {1e3 * LIFT_HEIGHT:.0f} mm in {LIFT_TIME:.0f} s, hold {HOLD_TIME:.0f} s; the object must stay within "
        f"{1e3 * MOST_SLIP:.0f} mm in the hand.",
        "Slip is what the camera sees of the object against where the arm says that the hand is.",
        "",
        table(trials),
        "| object | method | offset (mm) | steps | time (s) | stopped by | max slip (mm) | success |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for t in trials:
        offset = ", ".join(f"{value:g}" for value in t.offset)
        slip = "-" if math.isnan(t.max_slip) else f"{1e3 * t.max_slip:.1f}"
        ended = t.error or t.stop_reason
        lines.append(
            f"| {t.object_name} | {t.method} | {offset} | {t.steps} | {t.time:.1f} | {ended} | {slip} | "
            f"{'yes' if t.success else 'no'} |"
        )
    return "\n".join(lines) + "\n"
