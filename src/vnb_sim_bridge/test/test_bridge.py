"""The bridge's protocol: steps in order, nothing from nan, the same seed the same trial."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import SimulationError
from vnb_sim_bridge.bridge import PROBE_HEIGHT, SimBridge
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.stress.battery import perturbations
from vnb_sim_bridge.testing import closed
from vnb_sim_bridge.world.world import World


@pytest.fixture
def bridge() -> SimBridge:
    bridge = SimBridge(Scenario("cube"))
    bridge.begin_grasp()
    return bridge


def test_a_decision_advances_one_period_and_one_step(bridge: SimBridge) -> None:
    before = bridge.world.time
    frame = bridge.decide(0, np.zeros(6))
    assert frame.step == 1
    assert_allclose(frame.time - before, 0.04, atol=1e-12)


def test_commands_out_of_order_are_refused(bridge: SimBridge) -> None:
    bridge.decide(0, np.zeros(6))
    for wrong in (0, 2):
        with pytest.raises(SimulationError, match="waits for the command of step 1"):
            bridge.decide(wrong, np.zeros(6))
    assert bridge.decide(1, np.zeros(6)).step == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_commands_that_are_not_finite_move_nothing(bridge: SimBridge, bad: float) -> None:
    before = bridge.world.save().physics
    with pytest.raises(SimulationError, match="not finite"):
        bridge.decide(0, np.full(6, bad))
    with pytest.raises(SimulationError, match="not finite"):
        bridge.decide(0, np.zeros(6), np.full(6, bad))
    assert_allclose(bridge.world.save().physics, before, atol=0)


def test_velocity_commands_reach_the_fingers(bridge: SimBridge) -> None:
    start = bridge.world.hand_q()
    for n in range(10):
        bridge.decide(n, np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0]))
    moved = bridge.world.hand_q() - start
    assert_allclose(moved[2], 0.5 * 0.4, atol=0.03)
    assert_allclose(moved[[0, 1, 3, 4, 5]], 0.0, atol=0.01)


def test_targets_do_not_wind_up_against_a_stop(bridge: SimBridge) -> None:
    world = bridge.world
    for n in range(60):
        bridge.decide(n, np.full(6, -2.0))
    assert (world.hand_target >= world.joint_lower - 1e-12).all()
    for n in range(60, 140):
        bridge.decide(n, np.full(6, 2.0))
    overdrive = world.torque_limit / world.hand.servo.kp + 0.02
    assert (world.hand_target <= world.hand_q()[:6] + overdrive + 0.005).all()  # the joint moves on within the period


def test_same_commands_give_the_same_readings() -> None:
    def run() -> list[float]:
        bridge = SimBridge(Scenario("cube", seed=5))
        bridge.begin_grasp()
        rng = np.random.default_rng(0)
        return [float(bridge.decide(n, rng.uniform(0, 1, 6)).T_world_object.sum()) for n in range(12)]

    assert run() == run()


def test_another_object_makes_another_world(bridge: SimBridge) -> None:
    with pytest.raises(SimulationError, match="make a new World"):
        World(Scenario("cube")).reset(Scenario("box"))
    bridge.reset(Scenario("box"))
    assert bridge.world.object.name == "box"


def test_the_battery_has_its_28_tests() -> None:
    tests = perturbations()
    assert len(tests) == len({t.name for t in tests}) == 28
    assert sum(t.friction_object is not None for t in tests) == 3
    forces = sorted({round(float(np.linalg.norm(t.wrench[:3])), 6) for t in tests} - {0.0})
    torques = sorted({round(float(np.linalg.norm(t.wrench[3:])), 6) for t in tests} - {0.0})
    assert (forces, torques) == ([3.0, 5.0, 8.0, 12.0], [0.3, 0.6, 1.0])


def test_mass_is_scaled_with_its_inertia() -> None:
    light, heavy = World(Scenario("cube", mass_scale=0.8)), World(Scenario("cube", mass_scale=1.2))
    assert_allclose([light.object_mass(), heavy.object_mass()], [0.08, 0.12], rtol=1e-9)
    ratio = heavy.model.body_inertia[heavy.object_body] / light.model.body_inertia[light.object_body]
    assert_allclose(ratio, 1.5, rtol=1e-9)


def test_a_probe_raises_hand_and_object_and_ends_at_its_height() -> None:
    bridge = closed("cylinder", 0.6)
    hand, thing = bridge.world.hand_pose()[2, 3], bridge.world.object_pose()[2, 3]
    for n in range(5):
        bridge.decide(n, np.zeros(6), None, 0.015)
    for n in range(5, 8):
        bridge.decide(n, np.zeros(6))
    assert bridge.world.hand_pose()[2, 3] - hand == pytest.approx(0.003, abs=3e-4)
    assert bridge.world.object_pose()[2, 3] - thing == pytest.approx(0.003, abs=1e-3)
    for n in range(8, 30):
        bridge.decide(n, np.zeros(6), None, 0.015)
    assert bridge.world.hand_pose()[2, 3] - hand == pytest.approx(PROBE_HEIGHT, abs=5e-4)


def test_each_grasp_of_a_scenario_has_noise_of_its_own() -> None:
    bridge = SimBridge(Scenario("cube"))
    first, second = bridge.begin_grasp(), bridge.begin_grasp()
    assert np.abs(first.T_world_object - second.T_world_object).max() > 1e-5
    bridge.reset(Scenario("cube"))
    assert np.array_equal(bridge.begin_grasp().T_world_object, first.T_world_object)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_probe_that_is_not_finite_is_refused(bad: float) -> None:
    bridge = SimBridge(Scenario("cube"))
    bridge.begin_grasp()
    with pytest.raises(SimulationError, match="not finite"):
        bridge.decide(0, np.zeros(6), None, bad)
