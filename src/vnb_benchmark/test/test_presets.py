"""Preset scenario sets: what is in them, what is paired, and that seeds stay within their split."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_benchmark.scenarios.case import Case, CaseSet
from vnb_benchmark.scenarios.presets import POSE_ROTATION, POSE_TRANSLATION, PRESETS, SHIFTED, pose_error
from vnb_benchmark.scenarios.seeds import SPLIT_SEEDS, split_seeds
from vnb_benchmark.tuning import SET_SEED
from vnb_grasp.description import known_objects
from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_sim_bridge.pregrasp.library import FRICTIONS
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.parameters import WorldParameters

SWEEPS = [name for name in PRESETS if name.startswith("sweep_")]


def of_regime(cases: CaseSet, regime: str) -> list[Case]:
    return [case for case in cases.cases if case.regime == regime]


def sizes(scenario: Scenario) -> tuple[float, float]:
    return float(np.linalg.norm(scenario.pose_bias[:3])), float(np.linalg.norm(scenario.pose_bias[3:]))


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_the_same_again_and_of_its_split(name: str) -> None:
    cases = PRESETS[name](3)
    assert cases == PRESETS[name](3)
    assert (cases.name, cases.seed) == (name, 3)
    splits = {case.split for case in cases.cases}
    assert splits == ({"calibration"} if name in ("calibration", "promises") else {"test"})
    assert all(case.scenario.seed in SPLIT_SEEDS[case.split] for case in cases.cases)
    assert {case.scenario.object_name for case in cases.cases} == set(known_objects())


@pytest.mark.parametrize("name", list(PRESETS))
def test_sets_of_other_seeds_share_no_scenario_seed(name: str) -> None:
    first, second = ({case.scenario.seed for case in PRESETS[name](seed).cases} for seed in (0, 1))
    assert not first & second


def test_sizes_of_the_sets() -> None:
    grids = {name: (len(PRESETS[name](0).cases), PRESETS[name](0).betas) for name in ("quick", "paper", "full")}
    assert grids == {"quick": (14, (0.9,)), "paper": (63, (0.5, 0.9, 0.95, 0.99)), "full": (392, (0.9,))}
    assert Counter(c.regime for c in PRESETS["ablation"](0).cases) == {"nominal": 63, "bimodal": 63, "combined": 63}
    assert set(Counter(c.regime for c in PRESETS["calibration"](0).cases).values()) == {28}
    assert Counter(case.regime for case in PRESETS["paper"](0).cases) == {"nominal": 21, "wide": 21, "bimodal": 21}
    regimes = Counter(case.regime for case in PRESETS["full"](0).cases)
    assert regimes == {"nominal": 56, "wide": 56, "bimodal": 56, "pose": 56, "combined": 56, "shifted": 112}


def test_no_two_cases_of_a_set_are_the_same() -> None:
    for name in PRESETS:
        cases = [replace(case, index=0) for case in PRESETS[name](0).cases]
        assert len(set(cases)) == len(cases), name


def test_promises_are_measured_at_the_librarys_frictions_on_cases_of_their_own() -> None:
    cases = PRESETS["promises"](0).cases
    frictions = np.array([case.scenario.friction_effective for case in cases]).reshape(len(FRICTIONS), -1)
    assert_allclose(frictions, np.array(FRICTIONS)[:, None] * np.ones(frictions.shape[1]))
    seeds = {case.scenario.seed for case in cases}
    tuned_on = split_seeds("calibration", SET_SEED, 1000)
    assert seeds.isdisjoint(case.scenario.seed for seed in range(20) for case in PRESETS["calibration"](seed).cases)
    assert seeds.isdisjoint(tuned_on)


def test_friction_regimes_are_ordinary_in_all_else() -> None:
    for case in PRESETS["paper"](0).cases:
        assert case == Case(case.index, "test", case.scenario)


@pytest.mark.parametrize(("regime", "friction"), [("pose", "nominal"), ("combined", "bimodal")])
def test_pose_errors_come_to_the_scenarios_of_the_friction_regime(regime: str, friction: str) -> None:
    cases = PRESETS["full"](0)
    errors = np.array([sizes(case.scenario) for case in of_regime(cases, regime)])
    assert (errors <= [POSE_TRANSLATION, POSE_ROTATION]).all()
    assert (errors.max(axis=0) > [0.9 * POSE_TRANSLATION, 0.9 * POSE_ROTATION]).all()
    for wrong, right in zip(of_regime(cases, regime), of_regime(cases, friction), strict=True):
        assert wrong.parameters == WorldParameters()
        scenario = right.scenario
        assert wrong.scenario == replace(
            scenario,
            pose_bias=wrong.scenario.pose_bias,
            pose_translation_std=POSE_TRANSLATION * 5.0**-0.5,
            pose_rotation_std=POSE_ROTATION * 5.0**-0.5,
        )


def test_the_shifted_simulator_comes_to_the_scenarios_of_both_friction_regimes() -> None:
    cases = PRESETS["full"](0)
    shifted = of_regime(cases, "shifted")
    assert {case.parameters for case in shifted} == {SHIFTED}
    expected = [case.scenario for regime in ("nominal", "bimodal") for case in of_regime(cases, regime)]
    assert [case.scenario for case in shifted] == expected
    ordinary = WorldParameters()
    for name in ("timestep", "solver", "impratio", "contact_impedance", "torsional_ratio", "friction_table"):
        assert getattr(SHIFTED, name) != getattr(ordinary, name)
    assert SHIFTED.decision_period == ordinary.decision_period  # the robot's, not the simulator's


def test_pose_errors_fill_their_balls() -> None:
    drawn = [pose_error(Scenario("cube", seed=seed), 1.0, 2.0) for seed in range(2000)]
    biases = np.array([scenario.pose_bias for scenario in drawn])
    assert_allclose(biases.mean(axis=0), 0.0, atol=0.1)
    for part, radius in ((biases[:, :3], 1.0), (biases[:, 3:], 2.0)):
        distance = np.linalg.norm(part, axis=1) / radius
        assert distance.max() <= 1.0
        for share in (0.3, 0.6, 0.9):  # within a ball's share of the radius lies its cube of the volume
            assert_allclose((distance < share).mean(), share**3, atol=0.04)


# --- sweeps ---------------------------------------------------------------------------------------------------------


def swept(case: Case) -> object:
    """Return what the case's level should be read from."""
    scenario = case.scenario
    return {
        "pose": 1e3 * sizes(scenario)[0],
        "friction": scenario.friction_effective,
        "mass": scenario.mass_scale,
        "disturbance": case.disturbance_scale,
        "latency": case.latency,
    }[case.sweep]


def leveled(case: Case, like: Case) -> Case:
    """Return the case with the swept quantity of another."""
    scenario = replace(
        case.scenario,
        pose_bias=like.scenario.pose_bias,
        pose_translation_std=like.scenario.pose_translation_std,
        pose_rotation_std=like.scenario.pose_rotation_std,
        friction_object=like.scenario.friction_object,
        mass_scale=like.scenario.mass_scale,
    )
    return replace(
        case,
        index=like.index,
        scenario=scenario,
        disturbance_scale=like.disturbance_scale,
        latency=like.latency,
        level=like.level,
    )


@pytest.mark.parametrize("name", SWEEPS)
def test_a_level_is_the_swept_quantity(name: str) -> None:
    for case in PRESETS[name](0).cases:
        assert case.sweep == name.removeprefix("sweep_")
        assert swept(case) == pytest.approx(case.level, abs=1e-12)


@pytest.mark.parametrize("name", SWEEPS)
def test_levels_are_paired(name: str) -> None:
    cases = PRESETS[name](0).cases
    levels = sorted({case.level for case in cases})
    by_level = [[case for case in cases if case.level == level] for level in levels]
    assert len(levels) >= 5
    assert len(by_level[0]) == 21
    for group in by_level[1:]:
        assert [leveled(case, like) for case, like in zip(group, by_level[0], strict=True)] == by_level[0]


def test_only_the_swept_quantity_differs_between_levels() -> None:
    ordinary = {case.scenario.object_name + str(case.scenario.seed): case for case in PRESETS["paper"](0).cases[:21]}
    for name in SWEEPS:
        for case in PRESETS[name](0).cases:
            base = ordinary[case.scenario.object_name + str(case.scenario.seed)]
            changed = {
                field
                for field in ("pose_bias", "friction_object", "mass_scale")
                if getattr(case.scenario, field) != getattr(base.scenario, field)
            } | {
                field
                for field in ("parameters", "latency", "disturbance_scale")
                if getattr(case, field) != getattr(base, field)
            }
            assert len(changed) <= 1, (name, changed)


def test_the_pose_sweep_errs_in_one_direction_by_as_many_degrees_as_millimetres() -> None:
    cases = [case for case in PRESETS["sweep_pose"](0).cases if case.scenario.object_name == "cube" and case.level]
    for case in cases:
        translation, rotation = sizes(case.scenario)
        assert math.degrees(rotation) == pytest.approx(1e3 * translation)
    for seed in {case.scenario.seed for case in cases}:
        biases = np.array([case.scenario.pose_bias for case in cases if case.scenario.seed == seed])
        unit = biases / np.linalg.norm(biases, axis=1, keepdims=True)
        assert_allclose(unit, np.broadcast_to(unit[0], unit.shape), atol=1e-12)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="paper"):
        PRESETS["huge"]


def test_a_seed_without_scenario_seeds_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a seed in 0 to 299"):
        PRESETS["quick"](300)


@pytest.mark.parametrize("betas", [(1.0,), (-0.1,), (0.9, 0.9), (math.nan,), ()])
def test_betas_are_distinct_levels(betas: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="betas"):
        replace(PRESETS["quick"](0), betas=betas)
