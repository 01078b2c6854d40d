"""The order of grasps: robust, then survival, then gentleness."""

import math
from typing import Any

import pytest

from vnb_benchmark.scoring import score
from vnb_sim_bridge.bridge import StressReport


def verdict(**changes: Any) -> StressReport:
    values: dict[str, Any] = {
        "lifted": True,
        "lift_height": 0.05,
        "nominal": True,
        "nominal_12": False,
        "survival": 0.75,
        "tests": (),
        "peak_force": 10.0,
        "peak_slip": 0.002,
        "time_to_slip": math.nan,
        "failure_mode": "none",
    }
    return StressReport(**{**values, **changes})


def test_robust_goes_before_survival_before_gentleness() -> None:
    ordered = [
        score(verdict(lifted=False, nominal=False, survival=0.0, peak_force=0.0), 20.0),
        score(verdict(nominal=False, survival=0.9), 20.0),
        score(verdict(peak_force=20.1, survival=1.0), 20.0),
        score(verdict(survival=0.6, peak_force=5.0), 20.0),
        score(verdict(survival=0.7, peak_force=20.0), 20.0),
        score(verdict(survival=0.7, peak_force=19.0), 20.0),
    ]
    assert ordered == sorted(ordered)
    assert [s.robust for s in ordered] == [False, False, False, True, True, True]


@pytest.mark.parametrize(
    "changes", [{"nominal": False}, {"survival": 0.49}, {"peak_force": 20.01}], ids=["slips", "loses half", "crushes"]
)
def test_every_condition_of_robust_counts(changes: dict[str, Any]) -> None:
    assert score(verdict(), 20.0).robust
    assert not score(verdict(**changes), 20.0).robust
