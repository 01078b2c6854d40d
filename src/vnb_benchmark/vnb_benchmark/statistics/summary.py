"""Figures of a method, and of a method against another one, from outcomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.calibration import Calibration, calibrate
from vnb_benchmark.statistics.intervals import (
    LEVEL,
    UNKNOWN,
    Estimate,
    bootstrap_mean,
    holm,
    mcnemar_by_case,
    paired_difference,
    wilson,
)

ALL = "all"
ORACLE = "oracle"
REFERENCE = "vnb"
"""What the others are compared with, where it was run."""


@dataclass(frozen=True)
class Summary:
    """One method in one regime.

    Shares have Wilson's interval. What an object and a seed have in common counts once, with its share of successes:
    such episodes are alike, and counting each would make intervals too narrow.

    Attributes:
        method: Name.
        group: Regime or object; ``all`` for everything.
        n: Episodes.
        cases: Cases among them.
        robust: Robust success.
        nominal, nominal_12: Held through pulses up to 8 N, up to 12 N.
        robust_paper: Robust success by the paper's measure.
        survival: Mean share of the battery survived.
        peak_force: Median of the largest fingertip force [N]; NaN if none.
        failure_modes: Episodes by failure mode; those without a verdict under their status.
        planning_p50, planning_p99: Median and 99 % quantile of the time of all decisions [s].
        seconds: Mean wall time of an episode that ended properly [s].
        calibration: Of the failure probability; None if the method computes none.
        abstained: Episodes in which it declined to lift. They were lifted and tested all the same, and count by that
            in all other figures.
        accepted_failed: Share of no robust success among the episodes that it did not decline.
        broken: Episodes that failed, crashed or hung; they count as failures.
        gap: Robust success of the oracle less that of this method, over their common cases; unknown without an oracle.
    """

    method: str
    group: str
    n: int
    cases: int
    robust: Estimate
    nominal: Estimate
    nominal_12: Estimate
    robust_paper: Estimate
    survival: Estimate
    peak_force: float
    failure_modes: Mapping[str, int]
    planning_p50: float
    planning_p99: float
    seconds: float
    calibration: Calibration | None
    abstained: int
    accepted_failed: Estimate
    broken: int
    gap: Estimate


@dataclass(frozen=True)
class Comparison:
    """A reference method against another one on the same cases.

    Attributes:
        reference, other: Names.
        group: Regime; ``all`` for everything.
        cases: Common cases.
        robust: Difference in robust success, reference less other.
        survival: Difference in survival.
        p: Exact McNemar p-value of robust success, over clusters.
        p_holm: The same, corrected for the number of comparisons in the table.
    """

    reference: str
    other: str
    group: str
    cases: int
    robust: Estimate
    survival: Estimate
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """Who is better, if the interval of robust success leaves 0 out and the exact p-value is small; or a tie.

        Both, as a bootstrap of few differences calls any streak of four a difference.
        """
        if self.robust.tie or not self.p < 1.0 - LEVEL:
            return "tie"
        return f"{self.reference if self.robust.value > 0 else self.other} is better"


def summarise(rows: Sequence[Outcome], method: str, group: str = ALL, seed: int = 0) -> Summary:
    """Return the figures of ``method`` over ``rows`` (of any methods; others serve for the gap to the oracle)."""
    own = [row for row in rows if row.method == method]
    rng = np.random.default_rng(seed)
    clusters = [of.cluster(row) for row in own]
    oracle = of.pairs([row for row in rows if row.method == ORACLE], own) if method != ORACLE else []
    ok = [row for row in own if row.status == OK]
    decisions = [time for row in ok for time in row.planning_series]
    return Summary(
        method=method,
        group=group,
        n=len(own),
        cases=len({row.case for row in own}),
        robust=_share(own, of.robust),
        nominal=_share(own, of.nominal),
        nominal_12=_share(own, of.nominal_12),
        robust_paper=_share(own, of.robust_paper),
        survival=bootstrap_mean([of.survival(row) for row in own], clusters, rng),
        peak_force=_quantile([row.peak_force for row in ok], 0.5),
        failure_modes=dict(Counter(row.failure_mode if row.status == OK else row.status for row in own)),
        planning_p50=_quantile(decisions, 0.5),
        planning_p99=_quantile(decisions, 0.99),
        seconds=_mean([row.wall_time for row in ok]),
        calibration=calibrate(
            [row.p_fail for row in own],
            [not of.robust(row) for row in own],
            [1.0 - of.survival(row) for row in own],
            clusters,
        ),
        abstained=sum(row.abstained for row in own),
        accepted_failed=_share([row for row in own if not row.abstained], lambda row: not of.robust(row)),
        broken=len(own) - len(ok),
        gap=_difference(oracle, of.robust, rng),
    )


def summaries(rows: Sequence[Outcome], key: Callable[[Outcome], str] | None = None) -> list[Summary]:
    """Return the figures of every method in every group that it has rows in, groups in the order of the tables.

    Args:
        rows: Episodes.
        key: Group of an episode; the regime by default.
    """
    grouping = key or (lambda row: row.regime)
    groups = of.names({grouping(row) for row in rows}, of.REGIMES)
    result = []
    for group in groups:
        inside = [row for row in rows if grouping(row) == group]
        result += [summarise(inside, method, group) for method in of.methods_of(inside)]
    return result


def compare(rows: Sequence[Outcome], reference: str, other: str, group: str = ALL, seed: int = 0) -> Comparison:
    """Return the paired comparison of two methods; unknown differences if they share no case."""
    found = of.pairs([row for row in rows if row.method == reference], [row for row in rows if row.method == other])
    clusters = [of.cluster(a) for a, _ in found]
    rng = np.random.default_rng(seed)
    p = mcnemar_by_case([of.robust(a) for a, _ in found], [of.robust(b) for _, b in found], clusters)
    return Comparison(
        reference,
        other,
        group,
        len({a.case for a, _ in found}),
        _difference(found, of.robust, rng),
        _difference(found, of.survival, rng),
        p,
        p,
    )


def reference_of(rows: Sequence[Outcome]) -> str:
    """Return the method that the others are compared with: ``vnb``, or the first of the tables; empty if there is none.

    The oracle only if there is nothing else.
    """
    methods = of.methods_of(rows)
    return next((name for name in (REFERENCE, *methods) if name in methods and name != ORACLE), "".join(methods[:1]))


def comparisons(rows: Sequence[Outcome]) -> list[Comparison]:
    """Return the reference against every other method, over all cases and per regime."""
    methods, reference = of.methods_of(rows), reference_of(rows)
    regimes = of.regimes_of(rows)
    groups = [ALL, *(regimes if len(regimes) > 1 else [])]
    found = [
        compare([row for row in rows if group in (ALL, row.regime)], reference, other, group)
        for group in groups
        for other in methods
        if other != reference
    ]
    found = [comparison for comparison in found if comparison.cases]
    corrected = holm([comparison.p for comparison in found])
    return [replace(comparison, p_holm=p) for comparison, p in zip(found, corrected, strict=True)]


def _share(rows: Sequence[Outcome], success: Callable[[Outcome], bool]) -> Estimate:
    by_cluster: dict[str, list[bool]] = {}
    for row in rows:
        by_cluster.setdefault(of.cluster(row), []).append(success(row))
    count = len(by_cluster)
    share = sum(map(sum, by_cluster.values())) / max(len(rows), 1)
    return wilson(share * count, count)


def _difference(
    pairs: Sequence[tuple[Outcome, Outcome]], figure: Callable[[Outcome], float], rng: np.random.Generator
) -> Estimate:
    if not pairs:
        return UNKNOWN
    first, second = [float(figure(a)) for a, _ in pairs], [float(figure(b)) for _, b in pairs]
    return paired_difference(first, second, [of.cluster(a) for a, _ in pairs], rng)


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _quantile(values: Sequence[float], level: float) -> float:
    finite = _finite(values)
    return float(np.quantile(finite, level)) if finite else math.nan


def _mean(values: Sequence[float]) -> float:
    finite = _finite(values)
    return float(np.mean(finite)) if finite else math.nan
