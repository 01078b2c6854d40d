"""Intervals and tests: Wilson for shares, bootstrap over cases for means, exact McNemar for pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from vnb_grasp.errors import ConfigError, NonFiniteError

Array = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000
MIN_CLUSTERS = 6
"""Below this many cases no exact test reaches p < 0.05 (2 / 2^5 > 0.05), and a bootstrap knows too few values to
resample: it would call any streak of three a difference. No interval is given then."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; NaN bounds if there are too few cases for one, all NaN if there is no figure."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """False if there was nothing to estimate from."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """False if there were too few cases for an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def tie(self) -> bool:
        """For differences: the interval contains 0, or there is none."""
        return not self.has_interval or self.low <= 0.0 <= self.high


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def wilson(successes: float, total: int, level: float = LEVEL) -> Estimate:
    """Return the share of successes with Wilson's interval.

    Args:
        successes: Count; a fraction where a case was tried several times and counts once, with its share.
        total: Number of independent tries; 0 gives :data:`UNKNOWN`.
        level: Coverage of the interval.

    Raises:
        ConfigError: If the counts contradict each other or the level is not between 0 and 1.
    """
    _check_level(level)
    if total < 0 or not 0.0 <= successes <= total:
        raise ConfigError(f"Wilson interval: got {successes} successes of {total}, expected 0 <= successes <= total")
    if total == 0:
        return UNKNOWN
    low, high = proportion_confint(successes, total, alpha=1.0 - level, method="wilson")
    share = successes / total
    # Rounding may put a bound that is 0 or 1 in truth beside the share by 1e-17.
    return Estimate(share, min(max(float(low), 0.0), share), max(min(float(high), 1.0), share))


def bootstrap_mean(
    values: ArrayLike,
    clusters: Sequence[int] | Sequence[str],
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the mean with a percentile interval from resampling whole clusters.

    Episodes of one scenario at several betas are alike, so the scenario is what is drawn again, with all its episodes.

    Args:
        values: One per episode.
        clusters: Scenario of each episode.
        rng: Generator; the same state gives the same interval.
        level: Coverage of the interval.
        resamples: Number of resamples.

    Raises:
        ConfigError: If lengths differ or level or resamples are out of range.
        NonFiniteError: If a value is not finite.
    """
    _check_level(level)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(clusters) != len(x):
        raise ConfigError(f"bootstrap: got values {x.shape} and {len(clusters)} clusters, expected one of each per row")
    if resamples < 1:
        raise ConfigError(f"bootstrap: got {resamples} resamples, expected at least 1")
    if not np.isfinite(x).all():
        raise NonFiniteError(
            f"bootstrap: got {int((~np.isfinite(x)).sum())} values that are not finite; leave them out"
        )
    if len(x) == 0:
        return UNKNOWN
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    counts = np.bincount(member).astype(np.float64)
    sums = np.bincount(member, weights=x)
    mean = float(x.mean())
    if len(counts) < MIN_CLUSTERS:
        return Estimate(mean, math.nan, math.nan)
    draws = rng.integers(len(counts), size=(resamples, len(counts)))
    means = sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.quantile(means, [0.5 - level / 2.0, 0.5 + level / 2.0])
    # Where nearly all values are equal, rounding may leave the mean just outside.
    return Estimate(mean, min(float(low), mean), max(float(high), mean))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Sequence[int] | Sequence[str],
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the mean of ``first - second`` with its bootstrap interval; rows are pairs. See :func:`bootstrap_mean`."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ConfigError(f"paired difference: got {a.shape} and {b.shape} values, expected as many of each")
    return bootstrap_mean(a - b, clusters, rng, level, resamples)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of the exact McNemar test.

    Args:
        only_first: Cases in which only the first method succeeded.
        only_second: Cases in which only the second did.

    Raises:
        ConfigError: If a count is negative.
    """
    if only_first < 0 or only_second < 0:
        raise ConfigError(f"McNemar test: got {only_first} and {only_second} discordant cases, expected counts >= 0")
    total = only_first + only_second
    return float(binomtest(only_first, total, 0.5).pvalue) if total else 1.0


def mcnemar_by_case(first: ArrayLike, second: ArrayLike, clusters: Sequence[int] | Sequence[str]) -> float:
    """Return the exact McNemar p-value of paired successes, each case counted once.

    With several pairs per case (betas) the case counts for the method that succeeded in more of them: a sign test over
    cases, which is McNemar's test where each case has one pair.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if len(difference) != len(clusters):
        raise ConfigError(f"McNemar test: got {len(difference)} pairs and {len(clusters)} clusters, expected as many")
    if not len(difference):
        return 1.0
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(member, weights=difference)
    return mcnemar(int((sums > 0).sum()), int((sums < 0).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm): the smallest one is multiplied by the number, and so on."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ConfigError(f"interval level: got {level}, expected a number between 0 and 1")
