"""Scenarios are drawn once, from their seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_sim_bridge.scenario import FRICTION_FINGER, REGIMES, Scenario, draw_scenario, stream


def test_same_arguments_give_the_same_scenario() -> None:
    assert draw_scenario("cube", "wide", 7) == draw_scenario("cube", "wide", 7)
    assert draw_scenario("cube", "wide", 7) != draw_scenario("cube", "wide", 8)


@pytest.mark.parametrize(("regime", "low", "high"), [("nominal", 0.4, 1.0), ("wide", 0.15, 1.2)])
def test_uniform_regimes_fill_their_range(regime: str, low: float, high: float) -> None:
    drawn = [draw_scenario("cube", regime, seed).friction_object for seed in range(300)]
    assert low <= min(drawn) < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < max(drawn) <= high
    assert_allclose(np.mean(drawn), (low + high) / 2, atol=4 * (high - low) / np.sqrt(12 * 300))


def test_bimodal_regime_has_two_modes_and_an_empty_valley() -> None:
    drawn = np.array([draw_scenario("cube", "bimodal", seed).friction_object for seed in range(400)])
    low = drawn < 0.5
    assert_allclose(low.mean(), 0.5, atol=0.1)
    assert_allclose([drawn[low].mean(), drawn[~low].mean()], [0.18, 1.0], atol=0.02)
    assert not ((drawn > 0.35) & (drawn < 0.75)).any()


def test_effective_friction_is_the_geometric_mean() -> None:
    scenario = Scenario("cube", friction_object=0.5)
    assert_allclose(scenario.friction_effective, np.sqrt(0.5 * FRICTION_FINGER), rtol=1e-12)
    # nominal objects on PEEK fingers: the range that the paper's figures imply
    bounds = [Scenario("cube", friction_object=mu).friction_effective for mu in (0.4, 1.0)]
    assert_allclose(bounds, [0.374, 0.592], atol=1e-3)


def test_given_friction_leaves_the_other_draws_alone() -> None:
    drawn, given = draw_scenario("cube", "wide", 3), draw_scenario("cube", "wide", 3, friction_object=0.9)
    assert given.friction_object == 0.9
    assert (given.stiffness, given.mass_scale, given.pose_bias) == (drawn.stiffness, drawn.mass_scale, drawn.pose_bias)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("teapot",), "tennis_ball"),
        (("cube", "slippery"), ", ".join(sorted(REGIMES))),
        (("cube", "wide", 0, "claw"), "l6_v31"),
    ],
)
def test_unknown_names_list_the_known_ones(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(UnknownNameError, match=named):
        draw_scenario(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_unphysical_scenarios_are_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="stiffness"):
        Scenario("cube", stiffness=bad)


def test_streams_differ_by_name_step_and_seed_but_not_by_order() -> None:
    first = stream(1, "pose", 4).standard_normal(3)
    for other in (stream(1, "pose", 5), stream(2, "pose", 4), stream(1, "tactile", 4)):
        assert np.abs(other.standard_normal(3) - first).min() > 1e-6
    assert_allclose(stream(1, "pose", 4).standard_normal(3), first, atol=0)
