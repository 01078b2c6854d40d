"""What a method that knows when to decline is worth: risk against coverage, the gap to the oracle, force, calibration.

All intervals are percentiles of a bootstrap that draws objects at seeds again, with all episodes of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.calibration import aurc, auroc, ece
from vnb_benchmark.statistics.intervals import LEVEL, MIN_CLUSTERS, UNKNOWN, Estimate

Array = NDArray[np.float64]
Pairs = Sequence[tuple[Outcome, Outcome]]

RESAMPLES = 1000


@dataclass(frozen=True)
class Selective:
    """A method's risk over coverage and peak force beside the reference's, on common cases.

    Attributes:
        other: Name of the method.
        aurc: Its area under the risk-coverage curve. A method that predicts nothing declines at random.
        aurc_less: The reference's area less this one; negative where the reference is better.
        force_ratio: The reference's mean peak force over this one's.
    """

    other: str
    aurc: float
    aurc_less: Estimate
    force_ratio: Estimate


def selective(rows: Sequence[Outcome], reference: str, other: str, seed: int = 0) -> Selective:
    """Return ``other`` beside ``reference``; unknown figures if they share no case."""
    pairs = of.pairs([row for row in rows if row.method == reference], [row for row in rows if row.method == other])
    rng = np.random.default_rng(seed)
    finished = [(a, b) for a, b in pairs if a.status == OK and b.status == OK]
    return Selective(
        other,
        _area([b for _, b in pairs]),
        _bootstrap(pairs, lambda p: _area([a for a, _ in p]) - _area([b for _, b in p]), rng),
        _bootstrap(finished, _force_ratio, rng),
    )


def gap_closed(rows: Sequence[Outcome], reference: str, base: str, ceiling: str, seed: int = 0) -> Estimate:
    """Return the share of the gap in robust success from ``base`` to ``ceiling`` that ``reference`` closes.

    Unknown if a method is missing or there is no gap.
    """
    above = of.pairs([row for row in rows if row.method == reference], [row for row in rows if row.method == base])
    top = {(row.case): row for row in rows if row.method == ceiling}
    triples = [(a, b, top[a.case]) for a, b in above if a.case in top]
    values = np.array([[float(of.robust(row)) for row in triple] for triple in triples]).reshape(-1, 3)
    clusters = [of.cluster(a) for a, _, _ in triples]

    def share(members: NDArray[np.int64]) -> float:
        ours, low, high = values[members].mean(0)
        return float((ours - low) / (high - low)) if high > low else math.nan

    return _resample(clusters, share, np.random.default_rng(seed))


def discrimination(rows: Sequence[Outcome], method: str, seed: int = 0) -> tuple[Estimate, Estimate]:
    """Return AUROC and ECE of a method's failure probability, with intervals; unknown if it gives none."""
    own = [row for row in rows if row.method == method and not math.isnan(row.p_fail)]
    p = np.array([row.p_fail for row in own])
    failed = np.array([not of.robust(row) for row in own], dtype=np.float64)
    clusters = [of.cluster(row) for row in own]
    rng = np.random.default_rng(seed)
    return (
        _resample(clusters, lambda m: auroc(p[m], failed[m]), rng),
        _resample(clusters, lambda m: ece(p[m], failed[m]), rng),
    )


def _area(rows: Sequence[Outcome]) -> float:
    """Return the area under the risk-coverage curve.

    Equal probabilities decline at random, and so does a method that gives none. An episode without a verdict has not
    lifted anything: where the method predicts otherwise, it is the first that was declined.
    """
    predicts = any(not math.isnan(row.p_fail) for row in rows)
    p = [(1.0 if predicts and row.status != OK else 0.5) if math.isnan(row.p_fail) else row.p_fail for row in rows]
    return aurc(p, [not of.robust(row) for row in rows]) if rows else math.nan


def _force_ratio(pairs: Pairs) -> float:
    theirs = sum(b.peak_force for _, b in pairs)
    return sum(a.peak_force for a, _ in pairs) / theirs if theirs > 0.0 else math.nan


def _bootstrap(pairs: Pairs, figure: Callable[[Pairs], float], rng: np.random.Generator) -> Estimate:
    return _resample([of.cluster(a) for a, _ in pairs], lambda m: figure([pairs[i] for i in m]), rng)


def _resample(
    clusters: Sequence[str], figure: Callable[[NDArray[np.int64]], float], rng: np.random.Generator
) -> Estimate:
    """Return a figure of row indices with its interval from drawing whole clusters again."""
    if not clusters:
        return UNKNOWN
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    inside = [np.flatnonzero(member == i) for i in range(int(member.max()) + 1)]
    value = figure(np.arange(len(clusters)))
    if len(inside) < MIN_CLUSTERS or not math.isfinite(value):
        return Estimate(value, math.nan, math.nan)
    draws = rng.integers(len(inside), size=(RESAMPLES, len(inside)))
    found = np.array([figure(np.concatenate([inside[i] for i in draw])) for draw in draws])
    # A resample may lack what the figure needs (both outcomes, a gap); the others still tell its spread.
    low, high = np.nanquantile(found, [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0])
    return Estimate(value, min(float(low), value), max(float(high), value))
