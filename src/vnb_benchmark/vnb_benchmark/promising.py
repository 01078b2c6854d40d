"""What the pre-grasps of the library promise, measured with a method's own closing on the calibration split.

The search for pre-grasps closes by a script of its own, and what came first in it is the best of many candidates: its
shares of robust grasps are those of another closing, and too good. Here every pre-grasp is closed from by the method,
in fresh cases, so that what it promises is what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.methods.registry import AT
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.statistics.rows import robust
from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.pregrasp.library import FRICTIONS, PreGrasp

Array = NDArray[np.float64]

WIDTH = 0.25
"""Width in log friction over which neighbouring cases count."""
PRIOR_CASES = 1.0
"""Cases at the share of all of the pre-grasp's that every friction starts with."""


@dataclass(frozen=True)
class Promised:
    """A pre-grasp with its new shares.

    Attributes:
        pregrasp: Entry of the library.
        cases: Cases in which it was closed from.
        robust: How many of them held.
    """

    pregrasp: PreGrasp
    cases: int
    robust: int


def measure_promises(
    rows: Sequence[Outcome], method: str, library: Sequence[PreGrasp], friction: Sequence[float]
) -> list[Promised]:
    """Return an object's pre-grasps with the shares of robust grasps that ``method`` had from them, best first.

    A share is smoothed over log friction, and drawn towards the mean of its pre-grasp by ``PRIOR_CASES``. Cases
    without a verdict, such as those out of reach, count as failed. Pre-grasps that were not measured keep their shares
    and come last.

    Args:
        rows: Outcomes of ``METHOD@INDEX`` on the object.
        method: Name of the method.
        library: The object's pre-grasps.
        friction: Effective friction of each row's case.

    Raises:
        ConfigError: If a row is not of the calibration split, or none is of the method.
    """
    if any(row.split != "calibration" for row in rows):
        raise ConfigError("promises: got outcomes of other splits, expected calibration only; bench --preset promises")
    measured, left = [], []
    for entry in library:
        own = [
            (mu, robust(row))
            for mu, row in zip(friction, rows, strict=True)
            if row.method == f"{method}{AT}{entry.index}"
        ]
        if not own:
            left.append(Promised(entry, 0, 0))
            continue
        held = sum(success for _, success in own)
        shares = _smooth(np.array([mu for mu, _ in own]), np.array([success for _, success in own], dtype=np.float64))
        measured.append(Promised(replace(entry, robust=tuple(round(float(s), 3) for s in shares)), len(own), held))
    if not measured:
        raise ConfigError(
            f"promises: got no outcome of {method}{AT}INDEX, expected one per case and pre-grasp; "
            f"run ./vnb bench --preset promises --method {method}{AT}0 ..."
        )
    ordered = sorted(measured, key=lambda found: (-float(np.mean(found.pregrasp.robust)), found.pregrasp.index)) + left
    return [replace(found, pregrasp=replace(found.pregrasp, index=i)) for i, found in enumerate(ordered)]


def _smooth(friction: Array, success: Array) -> Array:
    """Return the shares (6,) of successes (n,) at the library's frictions."""
    apart = np.log(np.asarray(FRICTIONS))[:, None] - np.log(friction)
    weights = np.exp(-0.5 * (apart / WIDTH) ** 2)
    mean = (success.sum() + 1.0) / (len(success) + 2.0)  # under a flat prior
    return np.asarray((weights @ success + PRIOR_CASES * mean) / (weights.sum(-1) + PRIOR_CASES))
