"""A real world behind the motors of emulated devices, without ROS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import mujoco
import numpy as np
import pytest

from vnb_bringup.hardware.plant import WorldPlant
from vnb_grasp.errors import SimulationError
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import draw_scenario

SCENARIO = draw_scenario("cube", "nominal", 0)
FULL = np.ones(6)


@pytest.fixture
def plant() -> Iterator[WorldPlant]:
    made = WorldPlant(SimBridge(SCENARIO))
    yield made
    made.close()


def until(condition: Callable[[], bool], what: str) -> None:
    due = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < due, f"waited for {what}"
        time.sleep(0.01)


def test_time_passes_by_itself(plant: WorldPlant) -> None:
    start = plant.run(lambda: plant.bridge.world.time)
    until(lambda: plant.run(lambda: plant.bridge.world.time) > start + 0.1, "time to pass")


def test_the_arm_follows_the_reference_of_its_controller(plant: WorldPlant) -> None:
    goal = plant.drive_arm(plant.run(plant.bridge.world.arm_q), 0.004) + 0.05
    until(lambda: bool(np.abs(plant.drive_arm(goal, 0.004) - goal).max() < 0.01), "the arm to arrive")


def test_fingers_go_to_their_targets_with_their_speed_limits(plant: WorldPlant) -> None:
    world = plant.bridge.world
    goal = np.array([0.2, 0.1, 0.4, 0.4, 0.4, 0.4])
    slow = 0.1
    start = plant.run(lambda: (plant.hand.drive(goal, slow * FULL, FULL), world.time)[1])
    until(lambda: bool(np.abs(plant.hand.read(0.0).q - goal).max() < 0.03), "the fingers to arrive")
    least = (goal / (slow * world.speed_limit)).max()
    assert plant.run(lambda: world.time) - start > 0.8 * least


def test_torque_limits_reach_the_servos(plant: WorldPlant) -> None:
    world = plant.bridge.world
    plant.hand.drive(np.zeros(6), FULL, 0.25 * FULL)
    until(lambda: bool(np.allclose(world.effort_limit, 0.25 * world.torque_limit)), "the limits")
    assert np.abs(plant.hand.read(0.0).load).max() <= 0.25 + 1e-9


def test_pads_read_what_touches_them(plant: WorldPlant) -> None:
    assert plant.hand.read(0.0).taxels.max() == 0
    bridge = plant.bridge
    world = bridge.world

    def press() -> None:
        """Put the cube's face into the index finger's pad."""
        site, turn = world.pad_site[1], np.zeros(4)
        mujoco.mju_mat2Quat(turn, world.data.site_xmat[site])
        normal = world.data.site_xmat[site].reshape(3, 3)[:, 2]
        world.set_object_pose(world.data.site_xpos[site] + normal * (world.object.half_height - 0.002), turn)
        bridge.drive(np.zeros(6), world.effort_limit, world.arm_q(), 1)
        plant.hand.sense(bridge, 0)

    taxels = plant.run(lambda: (press(), plant.hand.read(0.0).taxels)[1])
    assert taxels[1].max() > 0
    assert taxels[[0, 3, 4]].max() == 0


def test_a_reset_brings_another_object_and_leaves_the_robot_alone(plant: WorldPlant) -> None:
    goal = plant.run(plant.bridge.world.arm_q) + 0.05
    until(lambda: bool(np.abs(plant.drive_arm(goal, 0.004) - goal).max() < 0.01), "the arm to arrive")
    plant.reset(draw_scenario("tennis_ball", "nominal", 3))
    assert plant.run(lambda: plant.bridge.world.object.name) == "tennis_ball"
    np.testing.assert_allclose(plant.run(plant.bridge.world.arm_q), goal, atol=0.02)


def test_errors_of_jobs_reach_who_asked_and_the_world_goes_on(plant: WorldPlant) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        plant.run(fail)
    assert plant.run(lambda: 3) == 3


def test_an_ended_world_refuses() -> None:
    plant = WorldPlant(SimBridge(SCENARIO))
    plant.close()
    with pytest.raises(SimulationError, match="ended"):
        plant.run(lambda: None)
