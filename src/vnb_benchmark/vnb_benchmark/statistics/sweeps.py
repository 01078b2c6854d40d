"""Success against the level of a swept quantity, and whether it goes the way that physics says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.statistics import rows as of
from vnb_benchmark.statistics.intervals import Estimate
from vnb_benchmark.statistics.summary import summarise

_DIRECTIONS = {"friction": 1, "mass": -1, "disturbance": -1, "latency": -1}


@dataclass(frozen=True)
class SweepPoint:
    """One method at one level: cases, robust success and survival."""

    level: float
    cases: int
    robust: Estimate
    survival: Estimate


@dataclass(frozen=True)
class SweepCurve:
    """One method along one sweep, by rising level.

    Attributes:
        sweep: Name of the quantity.
        method: Name of the method.
        points: One per level.
    """

    sweep: str
    method: str
    points: tuple[SweepPoint, ...]

    @property
    def direction(self) -> int:
        """1 if more of the quantity should help, -1 if it should harm, 0 if nothing is expected."""
        return next((sign for word, sign in _DIRECTIONS.items() if word in self.sweep), 0)

    @property
    def reversals(self) -> int:
        """Steps from one level to the next that go against the expectation."""
        return sum(self.direction * (b.robust.value - a.robust.value) < 0 for a, b in self._steps())

    @property
    def clear_reversals(self) -> int:
        """Those of them whose intervals do not overlap."""
        return sum(
            b.robust.high < a.robust.low if self.direction > 0 else b.robust.low > a.robust.high
            for a, b in self._steps()
            if self.direction
        )

    @property
    def trend(self) -> str:
        """``rises``, ``falls`` or ``no clear change`` from the lowest level to the highest."""
        first, last = self.points[0].robust, self.points[-1].robust
        if last.low > first.high:
            return "rises"
        return "falls" if last.high < first.low else "no clear change"

    def _steps(self) -> list[tuple[SweepPoint, SweepPoint]]:
        return list(zip(self.points, self.points[1:], strict=False))


def sweep_curves(rows: Sequence[Outcome]) -> list[SweepCurve]:
    """Return every method's curve of every sweep; empty if the rows have none."""
    result = []
    for sweep in sorted({row.sweep for row in rows if row.sweep}):
        inside = [row for row in rows if row.sweep == sweep]
        for method in of.methods_of(inside):
            own = [row for row in inside if row.method == method]
            points = []
            for level in sorted({row.level for row in own}):
                figures = summarise([row for row in own if row.level == level], method, sweep)
                points.append(SweepPoint(level, figures.cases, figures.robust, figures.survival))
            result.append(SweepCurve(sweep, method, tuple(points)))
    return result
