"""The rule that lifts, takes again or abstains."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import ConfigError
from vnb_planner.attempts import AttemptRule, Choice

RULE = AttemptRule(delta=0.2, attempts=2, margin=0.1)
PROBABILITY = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("p_fail", "attempt", "best_other", "expected"),
    [
        (0.2, 1, 0.0, Choice.LIFT),
        (math.nan, 1, 0.0, Choice.LIFT),
        (0.9, 1, 0.3, Choice.REGRASP),
        (0.9, 2, 0.3, Choice.ABSTAIN),
        (0.9, 1, math.nan, Choice.ABSTAIN),
        (0.5, 1, 0.45, Choice.ABSTAIN),
    ],
)
def test_verdicts(p_fail: float, attempt: int, best_other: float, expected: Choice) -> None:
    assert RULE.judge(p_fail, attempt, best_other) is expected


@given(p_fail=PROBABILITY, delta=PROBABILITY, attempt=st.integers(1, 5), other=PROBABILITY)
def test_what_is_lifted_is_within_the_bound_and_what_is_not_is_beyond(
    p_fail: float, delta: float, attempt: int, other: float
) -> None:
    verdict = AttemptRule(delta=delta, attempts=3).judge(p_fail, attempt, other)
    assert (verdict is Choice.LIFT) == (p_fail <= delta)


@given(p_fail=PROBABILITY, other=PROBABILITY)
def test_attempts_end(p_fail: float, other: float) -> None:
    assert AttemptRule(attempts=3).judge(p_fail, 3, other) is not Choice.REGRASP


@pytest.mark.parametrize("values", [{"delta": -0.1}, {"attempts": 0}, {"margin": math.nan}, {"attempts": True}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        AttemptRule(**values)  # type: ignore[arg-type]


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ConfigError, match="attempt"):
        RULE.judge(0.5, 0)
