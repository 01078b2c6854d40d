"""Grasp quality over the decision steps, averaged over episodes of different length, and the phases of closing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.outcome import Outcome

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QualityCurve:
    """Quality from touch over steps.

    Attributes:
        mean, low, high: Mean and quartiles per step; an episode that has ended counts with its last value.
        first: Median step at which quality is first above 0, which takes several fingers; None if it rarely is.
        end: Median number of the last step.
        episodes: Episodes with a series.
    """

    mean: Array
    low: Array
    high: Array
    first: float | None
    end: float
    episodes: int


def quality_curve(rows: Sequence[Outcome]) -> QualityCurve | None:
    """Return the curve of these episodes; None if none has a series."""
    series = [np.asarray(row.epsilon_series, dtype=np.float64) for row in rows if row.epsilon_series]
    series = [s for s in series if np.isfinite(s).all()]
    if not series:
        return None
    length = max(len(s) for s in series)
    table = np.stack([np.concatenate([s, np.full(length - len(s), s[-1])]) for s in series])
    low, high = np.quantile(table, [0.25, 0.75], axis=0)
    starts = [int(np.argmax(s > 0.0)) if (s > 0.0).any() else length for s in series]
    first = float(np.median(starts))
    return QualityCurve(
        mean=table.mean(0),
        low=low,
        high=high,
        first=first if first < length else None,
        end=float(np.median([len(s) - 1 for s in series])),
        episodes=len(series),
    )
