"""Conditions of a trial act in the physics: latency, scaled disturbances, another simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.render.observed import ObservedBridge
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.stress.battery import perturbations, run_nominal
from vnb_sim_bridge.stress.measure import Displacement, Recorder
from vnb_sim_bridge.world.parameters import SOLVERS, WorldParameters
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]
Lifted = Callable[..., SimBridge]

COMMANDS = np.random.default_rng(0).uniform(0.1, 0.8, (8, 6))


def targets(bridge: SimBridge, latency: int | None = None, effort: Array | None = None) -> Array:
    """Return the servo targets after each command, one row per decision step."""
    bridge.begin_grasp(latency)
    rows = []
    for n, command in enumerate(COMMANDS):
        rows.append(bridge.decide(n, command, effort).hand_target)
    return np.stack(rows)


def test_ordinary_conditions_are_those_of_a_bridge_that_is_given_none() -> None:
    bridge, ordinary = SimBridge(Scenario("cube")), Conditions()
    assert (bridge.parameters, bridge.latency, bridge.disturbance_scale) == (
        ordinary.parameters,
        ordinary.latency,
        ordinary.disturbance_scale,
    )


# --- latency --------------------------------------------------------------------------------------------------------


def test_without_latency_a_command_acts_at_once_and_is_what_the_world_gets() -> None:
    bridge = SimBridge(Scenario("cube"))
    got = targets(bridge)
    world = World(Scenario("cube"))
    for command, target in zip(COMMANDS, got, strict=True):
        world.drive_hand(command, None, 0.04)
        world.step(20)
        assert_array_equal(world.hand_target, target)
    assert_array_equal(world.save().physics, bridge.world.save().physics)


@pytest.mark.parametrize("latency", [1, 2, 5])
def test_latency_delays_motion_by_whole_periods(latency: int) -> None:
    at_once = targets(SimBridge(Scenario("cube")))
    late = targets(SimBridge(Scenario("cube"), latency=latency))
    assert_array_equal(late[:latency], 0.0)
    assert (late[latency] != 0.0).all()
    assert_allclose(late[latency:], at_once[:-latency], atol=1e-12)


def test_effort_limits_come_late_with_their_command() -> None:
    bridge = SimBridge(Scenario("cube"), latency=2)
    bridge.begin_grasp()
    full = bridge.world.effort_limit.copy()
    seen = []
    for n in range(3):
        bridge.decide(n, np.zeros(6), np.full(6, 0.1))
        seen.append(bridge.world.effort_limit.copy())
    assert_array_equal(seen[:2], [full, full])
    assert_array_equal(seen[2], 0.1)


def test_a_sender_may_use_its_arrays_again() -> None:
    bridge = SimBridge(Scenario("cube"), latency=1)
    bridge.begin_grasp()
    command = np.full(6, 0.5)
    bridge.decide(0, command)
    command[:] = 0.0
    bridge.decide(1, command)
    assert_allclose(bridge.world.hand_target, 0.5 * 0.04, atol=1e-12)


def test_commands_under_way_belong_to_their_grasp() -> None:
    bridge = SimBridge(Scenario("cube"), latency=2)
    targets(bridge)
    bridge.reset(Scenario("cube"))
    assert_array_equal(targets(bridge)[:2], 0.0)


def test_a_grasp_may_have_a_latency_of_its_own_and_the_next_has_the_bridges() -> None:
    bridge = ObservedBridge(Scenario("cube"), latency=1)
    for latency, first in ((3, 3), (0, 0), (None, 1)):
        bridge.reset(Scenario("cube"))
        moved = (targets(bridge, latency) != 0.0).all(axis=1)
        assert int(np.argmax(moved)) == first


def test_a_negative_latency_is_refused() -> None:
    with pytest.raises(ConfigError, match="latency: got -1"):
        SimBridge(Scenario("cube"), latency=-1)
    with pytest.raises(ConfigError, match="latency: got -2"):
        SimBridge(Scenario("cube")).begin_grasp(-2)


# --- disturbances ---------------------------------------------------------------------------------------------------


def test_a_scale_multiplies_forces_and_torques_but_no_friction_drop() -> None:
    for plain, scaled in zip(perturbations(), perturbations(2.5), strict=True):
        assert_allclose(scaled.wrench, 2.5 * np.asarray(plain.wrench), rtol=1e-12)
        assert (scaled.duration, scaled.friction_object) == (plain.duration, plain.friction_object)
    assert perturbations(1.0) == perturbations()
    assert perturbations(0.5)[0].name == "force 1.5 N +x"


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_scaled_forces_reach_the_recorder(lifted: Lifted, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[Array] = []

    def run(self: Recorder, duration: float, wrench: Array | None = None) -> Displacement:
        if wrench is not None:
            applied.append(np.array(wrench))
        return Displacement(0.0, 0.0, 0.0)

    bridge = lifted("tomato_soup_can")
    monkeypatch.setattr(Recorder, "run", run)
    assert bridge.stress_test(disturbance_scale=scale).lifted
    pushes = [scale * sign * force for force in (3.0, 5.0, 8.0, 12.0) for sign in (1.0, -1.0)]
    assert_allclose(np.stack(applied[:8])[:, 1], pushes, rtol=1e-12)
    assert_allclose(np.stack(applied[8:]), [scale * np.asarray(test.wrench) for test in perturbations()], rtol=1e-12)


def test_harder_pushes_move_the_object_further(lifted: Lifted) -> None:
    distances = [run_nominal(lifted("tomato_soup_can").world, scale).max_distance for scale in (0.25, 1.0, 2.0)]
    assert distances[0] < distances[1] < distances[2]


def test_the_bridges_scale_holds_where_none_is_given(lifted: Lifted, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = lifted("tomato_soup_can")
    gentle = repr(bridge.stress_test(battery=False, disturbance_scale=0.25))
    ordinary = repr(bridge.stress_test(battery=False))
    monkeypatch.setattr(bridge, "disturbance_scale", 0.25)
    assert repr(bridge.stress_test(battery=False)) == gentle
    assert repr(bridge.stress_test(battery=False, disturbance_scale=1.0)) == ordinary != gentle


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_must_be_a_positive_number(scale: float) -> None:
    with pytest.raises(ConfigError, match="disturbance_scale: got"):
        SimBridge(Scenario("cube"), disturbance_scale=scale)
    with pytest.raises(ConfigError, match="disturbance_scale: got"):
        SimBridge(Scenario("cube")).stress_test(disturbance_scale=scale)


# --- simulator ------------------------------------------------------------------------------------------------------


def test_parameters_are_read_back_from_the_models_options() -> None:
    parameters = WorldParameters(
        timestep=0.001,
        noslip_iterations=4,
        impratio=3.0,
        contact_impedance=0.7,
        torsional_ratio=0.01,
        friction_table=0.3,
        solver="cg",
    )
    world = World(Scenario("cube", friction_object=0.3), parameters)
    option = world.model.opt
    assert (option.timestep, option.noslip_iterations, option.impratio) == (0.001, 4, 3.0)
    assert option.solver == mujoco.mjtSolver.mjSOL_CG
    assert_allclose(world.model.pair_solimp[world.hand_pairs, :2], 0.7)
    assert_allclose(world.model.pair_friction[world.hand_pairs, 2], 0.01 * world.friction)
    assert_allclose(world.model.pair_friction[world.table_pairs, 0], 0.3)


def test_every_solver_is_mujocos_and_the_first_is_its_default() -> None:
    solvers = [World(Scenario("cube"), WorldParameters(solver=name)).model.opt.solver for name in SOLVERS]
    assert solvers == [mujoco.mjtSolver.mjSOL_NEWTON, mujoco.mjtSolver.mjSOL_CG, mujoco.mjtSolver.mjSOL_PGS]
    assert WorldParameters().solver == "newton"
    assert mujoco.MjSpec().option.solver == mujoco.mjtSolver.mjSOL_NEWTON


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("solver", "magic"),
        ("impratio", 0.0),
        ("torsional_ratio", float("nan")),
        ("friction_table", -0.1),
        ("noslip_iterations", -1),
        ("timestep", 0.003),
        ("contact_impedance", 1.0),
    ],
)
def test_a_parameter_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        replace(WorldParameters(), **{field: value})


def test_a_pose_error_moves_the_reading_and_not_the_object() -> None:
    error = (0.01, -0.004, 0.002, 0.0, 0.0, 0.15)
    right, wrong = Scenario("cube", seed=4), Scenario("cube", seed=4, pose_bias=error)
    readings = [SimBridge(scenario).begin_grasp().T_world_object for scenario in (right, wrong)]
    assert_allclose(readings[1][:3, 3] - readings[0][:3, 3], error[:3], atol=1e-12)
    turned = readings[1][:3, :3] @ readings[0][:3, :3].T
    assert_allclose(np.arccos((np.trace(turned) - 1) / 2), 0.15, atol=1e-3)
    assert_array_equal(World(right).object_pose(), World(wrong).object_pose())


@pytest.mark.parametrize(("field", "value"), [("seed", -1), ("object_x", float("nan")), ("pose_bias", (np.inf,) * 6)])
def test_a_scenario_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        replace(Scenario("cube"), **{field: value})
