"""What pre-grasps promise: shares of the method's own grasps, smoothed, best first, of the calibration split only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_benchmark.outcome import Outcome
from vnb_benchmark.promising import fit_reading, measure_promises
from vnb_benchmark.statistics.testing import make_outcome
from vnb_grasp.errors import ConfigError
from vnb_planner.failure import EVIDENCE, TOUCH
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
    assert replace(first, robust=(), touch=(), index=0) == replace(LIBRARY[1], robust=(), touch=(), index=0)


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


def felt(friction: np.ndarray, slope: float, seed: int = 0) -> np.ndarray:
    """Return evidence in which two sensed quantities follow friction with that slope, beside noise of one."""
    evidence = np.random.default_rng(seed).normal(size=(len(friction), len(EVIDENCE)))
    for name, sign in (("grip", 1.0), ("turned", -1.0)):
        evidence[:, EVIDENCE.index(name)] += sign * slope * np.log(friction)
    return evidence


def test_friction_is_read_where_it_shows_and_the_noise_is_that_of_fresh_cases() -> None:
    friction = np.repeat(FRICTIONS, 10)
    reading, explained = fit_reading(friction, felt(friction, 8.0), range(60))
    assert reading is not None and explained > 0.8
    fresh = np.repeat(FRICTIONS, 500)
    columns = [EVIDENCE.index(name) for name in TOUCH]
    readings = np.array([reading.read(tuple(row)) for row in felt(fresh, 8.0, seed=1)[:, columns]])
    off = readings - reading.offset - reading.slope * np.log(fresh)
    assert_allclose(off.std(), reading.noise, rtol=0.25)
    assert abs(off.mean()) < 0.5 * reading.noise


def test_friction_that_does_not_show_or_was_hardly_tried_is_not_read() -> None:
    friction = np.repeat(FRICTIONS, 10)
    assert fit_reading(friction, felt(friction, 0.0), range(60))[0] is None
    assert fit_reading(friction[::6], felt(friction[::6], 8.0), range(10)) == (None, 0.0)
    assert fit_reading(friction, felt(friction, 8.0), [i % 3 for i in range(60)]) == (None, 0.0)


def test_a_pregrasp_keeps_its_reading() -> None:
    friction = np.repeat(FRICTIONS, 10)
    rows = [
        replace(row(0, held=True), evidence=tuple(evidence), case=i, seed=i)
        for i, evidence in enumerate(felt(friction, 8.0).tolist())
    ]
    found = measure_promises(rows, "vnb-once", LIBRARY[:1], friction.tolist())[0]
    assert found.pregrasp.touch == fit_reading(friction, felt(friction, 8.0), range(60))[0].row()  # type: ignore[union-attr]
    assert found.explained > 0.8


def test_what_only_a_seed_explains_is_no_reading() -> None:
    """Six frictions at each of eight seeds; the quantities tell seeds apart, and friction only within each of them."""
    rng = np.random.default_rng(0)
    seeds = np.repeat(np.arange(8), 6)
    friction = np.tile(FRICTIONS, 8)
    evidence = np.zeros((48, len(EVIDENCE)))
    for name in TOUCH:
        evidence[:, EVIDENCE.index(name)] = rng.normal(size=8)[seeds] * (1.0 + np.log(friction)) + rng.normal(size=48)
    reading, explained = fit_reading(friction, evidence, seeds.tolist())
    assert reading is None or reading.noise > 0.5 * reading.slope
    assert explained < 0.5
