"""Errors and calibration of many estimates, as figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from vnb_benchmark.perception.measure import FUSED, Measurement

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PoseSummary:
    """What a number of measurements come to.

    Attributes:
        name: Of what they have in common.
        count: Their number.
        declared: Those for which the estimator says that it has no pose.
        wrong: Those beyond the limits (:data:`vnb_benchmark.perception.measure.LIMITS`) that it vouches for.
        translation, rotation: Median and 95th percentile of the poses given [m], [rad].
        nees: Mean normalised squared error per degree of freedom; 1 if the covariance is right.
        band: Where that mean lies with 95 % probability if the covariance is right.
        duration: Median and 95th percentile of the time of one estimate [s].
    """

    name: str
    count: int
    declared: int
    wrong: int
    translation: tuple[float, float]
    rotation: tuple[float, float]
    nees: float
    band: tuple[float, float]
    duration: tuple[float, float]

    @property
    def declared_share(self) -> float:
        """Share of the bad cases that are declared rather than wrong; NaN without bad cases."""
        bad = self.declared + self.wrong
        return self.declared / bad if bad else float("nan")


def summarise(name: str, measurements: Sequence[Measurement]) -> PoseSummary:
    """Return the summary of measurements; what there are none of is NaN."""
    vouched = [m for m in measurements if not m.declared]
    given = [m for m in vouched if m.pose.present]
    freedom = sum(m.freedom for m in given)
    nan = float("nan")
    band = (nan, nan)
    if freedom:
        tail = 0.5 * (1 - CONFIDENCE)
        band = (float(chi2.ppf(tail, freedom)) / freedom, float(chi2.ppf(1 - tail, freedom)) / freedom)
    return PoseSummary(
        name,
        len(measurements),
        len(measurements) - len(vouched),
        sum(m.bad for m in vouched),
        _middle_and_tail([m.translation for m in given]),
        _middle_and_tail([m.rotation for m in given]),
        sum(m.nees for m in given) / freedom if freedom else nan,
        band,
        _middle_and_tail([m.duration for m in measurements]),
    )


def by_source(measurements: Sequence[Measurement]) -> list[PoseSummary]:
    """Return one summary per camera and one of the fused poses, which comes last."""
    names = dict.fromkeys(m.source for m in measurements)
    ordered = [name for name in names if name != FUSED] + [name for name in names if name == FUSED]
    return [summarise(name, [m for m in measurements if m.source == name]) for name in ordered]


def _middle_and_tail(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    middle, tail = np.quantile(values, [0.5, 0.95])
    return float(middle), float(tail)
