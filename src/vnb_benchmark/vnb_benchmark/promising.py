"""What the pre-grasps of the library promise, measured with a method's own closing on the calibration split.

The search for pre-grasps closes by a script of its own, and what came first in it is the best of many candidates: its
shares of robust grasps are those of another closing, and too good. Here every pre-grasp is closed from by the method,
in fresh cases, so that what it promises is what it does.

The same cases tell what touch says of friction after closing from it (:mod:`vnb_belief.touch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import linregress

from vnb_belief.touch import FrictionReading
from vnb_benchmark.methods.registry import AT
from vnb_benchmark.outcome import Outcome
from vnb_benchmark.statistics.rows import robust
from vnb_grasp.errors import ConfigError
from vnb_planner.failure import EVIDENCE, TOUCH
from vnb_sim_bridge.pregrasp.library import FRICTIONS, PreGrasp

Array = NDArray[np.float64]

WIDTH = 0.25
"""Width in log friction over which neighbouring cases count."""
PRIOR_CASES = 1.0
"""Cases at the share of all of the pre-grasp's that every friction starts with."""
RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Ridge penalties of the reading of friction, on standardised quantities."""
LEAST_READINGS = 16
"""Cases below which friction is not read."""
LEAST_SEEDS = 4
"""Seeds below which it is not."""
_P_VALUE = 0.01
"""Of the relation between left-out readings and friction, above which there is none."""
_LEAST_SPREAD = 0.02
"""Least spread by which a quantity is divided: what hardly varies in these cases must not decide elsewhere."""


@dataclass(frozen=True)
class Promised:
    """A pre-grasp with its new shares.

    Attributes:
        pregrasp: Entry of the library.
        cases: Cases in which it was closed from.
        robust: How many of them held.
        explained: Share of the variance of log friction that left-out readings of touch explain.
    """

    pregrasp: PreGrasp
    cases: int
    robust: int
    explained: float = 0.0


def measure_promises(
    rows: Sequence[Outcome], method: str, library: Sequence[PreGrasp], friction: Sequence[float]
) -> list[Promised]:
    """Return an object's pre-grasps with the shares of robust grasps that ``method`` had from them, best first.

    A share is smoothed over log friction, and drawn towards the mean of its pre-grasp by ``PRIOR_CASES``. Cases
    without a verdict, such as those out of reach, count as failed. Pre-grasps that were not measured keep their shares
    and come last.

    Args:
        rows: Outcomes of ``METHOD@INDEX``, or of ``METHOD`` wherever it began, on the object.
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
            (mu, row)
            for mu, row in zip(friction, rows, strict=True)
            if row.method == f"{method}{AT}{entry.index}" or (row.method == method and row.pregrasp == entry.index)
        ]
        if not own:
            left.append(Promised(entry, 0, 0))
            continue
        mus, held = np.array([mu for mu, _ in own]), np.array([robust(row) for _, row in own], dtype=np.float64)
        shares = tuple(round(float(s), 3) for s in _smooth(mus, held))
        felt = [(mu, row.evidence, row.seed) for mu, row in own if len(row.evidence) == len(EVIDENCE)]
        reading, explained = fit_reading(
            np.array([mu for mu, _, _ in felt]), np.array([of for _, of, _ in felt]), [seed for _, _, seed in felt]
        )
        row = () if reading is None else reading.row()
        measured.append(Promised(replace(entry, robust=shares, touch=row), len(own), int(held.sum()), explained))
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


def fit_reading(friction: Array, evidence: Array, seeds: Sequence[int]) -> tuple[FrictionReading | None, float]:
    """Return how to read log friction from touch, and the share of its variance that left-out readings explain.

    A ridge regression makes the reading; offset, slope and noise are those of its predictions of seeds that were left
    out of it. Cases of one seed share all but their friction, so that leaving out single ones would show the reading
    the very pose error and mass that it is tried on.

    Args:
        friction: Effective friction of each case (n,).
        evidence: Evidence at the end of closing (n, len(EVIDENCE)).
        seeds: Seed of each case (n,).

    Returns:
        None where there are too few cases or friction does not show.
    """
    groups = np.unique(np.asarray(seeds), return_inverse=True)[1]
    if len(friction) < LEAST_READINGS or groups.max() + 1 < LEAST_SEEDS:
        return None, 0.0
    target = np.log(friction)
    sensed = evidence[:, [EVIDENCE.index(name) for name in TOUCH]]
    centre, scale = sensed.mean(0), np.maximum(sensed.std(0), _LEAST_SPREAD)
    standard, about = (sensed - centre) / scale, target - target.mean()
    left_out, weights = min(
        (_ridge(standard, about, groups, penalty) for penalty in RIDGES),
        key=lambda fit: float(((fit[0] - about) ** 2).sum()),
    )
    line = linregress(about, left_out)
    explained = 1.0 - float(((left_out - about) ** 2).sum() / (about**2).sum())
    if not (line.slope > 0.0 and line.pvalue < _P_VALUE and explained > 0.0):
        return None, explained
    residual = left_out - line.intercept - line.slope * about
    raw = weights / scale
    # The reading of raw quantities lacks the means that were taken off: of the quantities, and of log friction.
    offset = line.intercept + float(raw @ centre) - line.slope * target.mean()
    noise = float(np.sqrt((residual**2).sum() / (len(about) - 2)))
    rounded = (round(float(x), 6) for x in (offset, line.slope, noise, *raw))
    return FrictionReading.of(tuple(rounded)), explained


def _ridge(standard: Array, about: Array, groups: NDArray[np.int64], penalty: float) -> tuple[Array, Array]:
    """Return left-out predictions (n,), group by group, and the weights of all cases."""
    left_out = np.empty(len(about))
    for group in np.unique(groups):
        out = groups == group
        weights, constant = _solve(standard[~out], about[~out], penalty)
        left_out[out] = standard[out] @ weights + constant
    return left_out, _solve(standard, about, penalty)[0]


def _solve(standard: Array, about: Array, penalty: float) -> tuple[Array, float]:
    """Return weights and constant of a ridge regression, whose constant is not penalised."""
    centre, mean = standard.mean(0), float(about.mean())
    x = standard - centre
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (about - mean))
    return weights, mean - float(centre @ weights)
