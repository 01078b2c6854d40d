"""How well failure probabilities agree with what happened: reliability, Brier, ECE, AUROC, risk and coverage.

The event of all of these is "not a robust success". Only the mean error |P_bel - P_emp|, the paper's figure, compares
with the share of the battery that failed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from vnb_benchmark.statistics.intervals import Estimate, wilson
from vnb_grasp.errors import ConfigError

Array = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Episodes with similar probabilities.

    Attributes:
        low, high: Limits of the bin.
        count: Episodes in it, at least 1.
        predicted: Their mean probability.
        observed: Share of them with the event, with Wilson's interval.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class Calibration:
    """All figures of one method; AUROC is NaN if all episodes ended alike.

    Attributes:
        n: Episodes with a probability.
        brier: Mean squared error against the event.
        ece, ece_mass: Expected calibration error with bins of equal width, and of equal mass.
        auroc: Chance that a failure got a higher probability than a success.
        aurc: Area under the risk-coverage curve.
        error: Mean |P_bel - P_emp|.
        bins: Of equal width, empty ones left out.
        coverage, risk: The risk-coverage curve.
    """

    n: int
    brier: float
    ece: float
    ece_mass: float
    auroc: float
    aurc: float
    error: float
    bins: tuple[Bin, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]


def calibrate(
    p_fail: ArrayLike, event: ArrayLike, p_emp: ArrayLike, clusters: Sequence[str] | None = None
) -> Calibration | None:
    """Return all figures over the rows whose probability is not NaN; None if there is no such row.

    Args:
        p_fail: Failure probabilities P_bel; NaN where the method gave none.
        event: Whether the episode was no robust success.
        p_emp: Share of the battery failed.
        clusters: What each row is alike with, for the intervals of the bins; None takes rows as independent.

    Raises:
        ConfigError: If lengths differ or a probability is outside of [0, 1].
    """
    p, y, emp = (np.asarray(x, dtype=np.float64) for x in (p_fail, event, p_emp))
    if not p.shape == y.shape == emp.shape:
        raise ConfigError(f"calibration: got lengths {len(p)}, {len(y)}, {len(emp)}, expected as many of each")
    given = ~np.isnan(p)
    if not given.any():
        return None
    p, y, emp = p[given], y[given], emp[given]
    alike = None if clusters is None else [name for name, there in zip(clusters, given, strict=True) if there]
    coverage, risk = risk_coverage(p, y)
    return Calibration(
        n=len(p),
        brier=brier(p, y),
        ece=ece(p, y),
        ece_mass=ece(p, y, equal_mass=True),
        auroc=auroc(p, y),
        aurc=aurc(p, y),
        error=float(np.abs(p - emp).mean()),
        bins=tuple(reliability(p, y, clusters=alike)),
        coverage=tuple(coverage.tolist()),
        risk=tuple(risk.tolist()),
    )


def brier(p: ArrayLike, event: ArrayLike) -> float:
    """Return the mean squared difference of probability and event (0 or 1)."""
    p, y = _checked(p, event)
    return float(((p - y) ** 2).mean())


def reliability(
    p: ArrayLike,
    event: ArrayLike,
    bins: int = BINS,
    *,
    equal_mass: bool = False,
    clusters: Sequence[str] | None = None,
) -> list[Bin]:
    """Return the bins of the reliability diagram that are not empty.

    Args:
        p: Probabilities.
        event: 0 or 1.
        bins: Number of bins, at least 1.
        equal_mass: Bins with as many episodes each, instead of equal widths. Equal probabilities share a bin, so that
            the result does not depend on the order of the rows.
        clusters: What each row is alike with; a bin's interval is that of as many tries as it has clusters.
    """
    p, y = _checked(p, event)
    alike = np.arange(len(p)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if bins < 1:
        raise ConfigError(f"reliability: got {bins} bins, expected at least 1")
    if equal_mass:
        edges = np.unique(np.quantile(p, np.linspace(0.0, 1.0, bins + 1)))
    else:
        edges = np.linspace(0.0, 1.0, bins + 1)
    # Right-closed inner edges would put p = 0.1 into [0, 0.1]; left-closed ones are the convention. 1.0 is in the last.
    member = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, max(len(edges) - 2, 0))
    result = []
    for i in range(max(len(edges) - 1, 1)):
        inside = member == i
        count = int(inside.sum())
        if count:
            high = float(edges[min(i + 1, len(edges) - 1)])
            tries = len(np.unique(alike[inside]))
            observed = wilson(float(y[inside].mean()) * tries, tries)
            result.append(Bin(float(edges[i]), high, count, float(p[inside].mean()), observed))
    return result


def ece(p: ArrayLike, event: ArrayLike, bins: int = BINS, *, equal_mass: bool = False) -> float:
    """Return the expected calibration error: mean distance of predicted and observed over bins, by their counts."""
    found = reliability(p, event, bins, equal_mass=equal_mass)
    total = sum(b.count for b in found)
    return sum(b.count * abs(b.predicted - b.observed.value) for b in found) / total


def auroc(p: ArrayLike, event: ArrayLike) -> float:
    """Return the chance that an episode with the event has the higher probability, ties counting half.

    NaN if all episodes had the event, or none.
    """
    p, y = _checked(p, event)
    positive = int(y.sum())
    negative = len(y) - positive
    if not positive or not negative:
        return math.nan
    u = float(rankdata(p)[y > 0].sum()) - positive * (positive + 1) / 2.0
    return u / (positive * negative)


def risk_coverage(p: ArrayLike, event: ArrayLike) -> tuple[Array, Array]:
    """Return coverage (1/n ... 1) and risk: the share of events among the episodes that were thought safest.

    Episodes with equal probabilities count with their group's mean, as no order among them is given.
    """
    p, y = _checked(p, event)
    order = np.argsort(p, kind="stable")
    _, group = np.unique(p[order], return_inverse=True)
    loss = (np.bincount(group, weights=y[order]) / np.bincount(group))[group]
    taken = np.arange(1, len(p) + 1)
    return taken / len(p), np.cumsum(loss) / taken


def aurc(p: ArrayLike, event: ArrayLike) -> float:
    """Return the area under the risk-coverage curve: the mean risk over all coverages; lower is better."""
    return float(risk_coverage(p, event)[1].mean())


def _checked(p: ArrayLike, event: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(p, dtype=np.float64), np.asarray(event, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ConfigError(f"calibration: got shapes {x.shape} and {y.shape}, expected two equal, non-empty lists")
    if not ((x >= 0.0) & (x <= 1.0)).all():
        raise ConfigError(f"calibration: got probabilities from {x.min()} to {x.max()}, expected 0 to 1 and no NaN")
    if not ((y == 0.0) | (y == 1.0)).all():
        raise ConfigError("calibration: got events other than 0 and 1")
    return x, y
