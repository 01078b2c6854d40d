"""What pre-grasps promise: shares of the method's own grasps, smoothed, best first, of the calibration split only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.promising import measure_promises
from vnb_benchmark.statistics.testing import make_outcome
from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.pregrasp.library import FRICTIONS, PreGrasp, load_pregrasps

LIBRARY = load_pregrasps("cube", "l6_v31")[:2]


def row(index: int, *, held: bool, method: str = "vnb-once") -> Outcome:
    return make_outcome(held, method=f"{method}@{index}", object_name="cube", split="calibration")


def measure(held: dict[int, list[bool]], friction: list[float]) -> list[tuple[PreGrasp, int, int]]:
    rows = [row(index, held=success) for index, successes in held.items() for success in successes]
    found = measure_promises(rows, "vnb-once", LIBRARY, friction * len(held))
    return [(promised.pregrasp, promised.cases, promised.robust) for promised in found]


def test_the_better_one_comes_first_and_takes_its_place() -> None:
    friction = list(FRICTIONS)
    (first, cases, held), (second, _, lost) = measure({0: [False] * 6, 1: [True] * 6}, friction)
    assert (first.position, first.index, cases, held) == (LIBRARY[1].position, 0, 6, 6)
    assert (second.position, second.index, lost) == (LIBRARY[0].position, 1, 0)
    assert min(first.robust) > 0.5 > max(second.robust)
    assert replace(first, robust=(), index=0) == replace(LIBRARY[1], robust=(), index=0)


def test_shares_follow_friction_and_stay_away_from_certainty() -> None:
    held = [mu > 0.36 for mu in FRICTIONS for _ in range(50)]
    ((only, cases, _), _) = measure({0: held}, [mu for mu in FRICTIONS for _ in range(50)])
    assert cases == 300
    assert (np.diff(only.robust) > 0.0).all()
    assert 0.0 < only.robust[0] < 0.2 and 0.8 < only.robust[-1] < 1.0


def test_many_cases_of_one_friction_give_their_share() -> None:
    held = [i % 4 == 0 for i in range(4000)]
    ((only, _, _), _) = measure({0: held}, [0.4] * 4000)
    assert_allclose(only.robust, 0.25, atol=0.01)


def test_what_was_not_measured_keeps_its_promise_and_comes_last() -> None:
    (_, (second, cases, _)) = measure({1: [False]}, [0.4])
    assert cases == 0
    assert second == replace(LIBRARY[0], index=1)


def test_other_splits_and_other_methods_are_refused() -> None:
    with pytest.raises(ConfigError, match="calibration only"):
        measure_promises([replace(row(0, held=True), split="test")], "vnb-once", LIBRARY, [0.4])
    with pytest.raises(ConfigError, match="no outcome of vnb@INDEX"):
        measure_promises([row(0, held=True)], "vnb", LIBRARY, [0.4])
