"""Inverse kinematics, collision checks and trajectories of the arm."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import MotionError
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.arm.motion import JointTrajectory, cartesian_line, interpolate_pose, joint_line
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

LIMITS = np.full(6, 3.0)


@pytest.fixture(scope="module")
def kinematics() -> ArmKinematics:
    return ArmKinematics(World(Scenario("cube")))


def test_solution_reaches_its_target(kinematics: ArmKinematics) -> None:
    ready = np.array(kinematics.world.arm.ready)
    target = kinematics.hand_pose(ready + 0.15)
    q = kinematics.solve(target, ready)
    assert q is not None
    reached = kinematics.hand_pose(q)
    assert_allclose(reached[:3, 3], target[:3, 3], atol=3e-4)
    assert_allclose(reached[:3, :3], target[:3, :3], atol=3e-3)


def test_solving_leaves_the_world_alone(kinematics: ArmKinematics) -> None:
    before = kinematics.world.data.qpos.copy()
    kinematics.solve(kinematics.hand_pose(np.array(kinematics.world.arm.ready)), np.array(kinematics.world.arm.home))
    kinematics.collision(np.array(kinematics.world.arm.ready), kinematics.world.hand_q())
    assert_allclose(kinematics.world.data.qpos, before, atol=0)


def test_out_of_reach_is_said_so(kinematics: ArmKinematics) -> None:
    far = np.eye(4)
    far[:3, 3] = [0.0, 3.0, 1.0]
    with pytest.raises(MotionError, match="not reachable"):
        kinematics.solve_free(far, kinematics.seeds()[:2], kinematics.world.hand_q())


def test_hand_in_the_table_is_a_collision(kinematics: ArmKinematics) -> None:
    world = kinematics.world
    assert kinematics.collision(np.array(world.arm.home), world.hand_q()) is None
    q = np.array(world.arm.ready)
    pose = kinematics.hand_pose(q)
    pose[2, 3] -= 0.1
    deep = kinematics.solve(pose, q)
    assert deep is not None
    found = kinematics.collision(deep, world.hand_q())
    assert found is not None
    assert found[1] == "table"


def test_trajectory_starts_and_ends_at_rest_within_the_speed_limits() -> None:
    trajectory = joint_line(np.zeros(6), np.array([1.0, -0.5, 0.2, 0.0, 0.7, 0.1]), LIMITS, 0.5)
    times = np.linspace(0.0, trajectory.duration, 2001)
    q = np.array([trajectory.sample(float(t)) for t in times])
    speed = np.abs(np.gradient(q, times, axis=0))
    assert speed.max() <= 0.5 * 3.0 * 1.001
    assert_allclose(speed.max(), 1.5, rtol=0.01)  # and no slower than it needs to be
    assert_allclose(speed[[0, -1]], 0.0, atol=0.01)
    assert_allclose(trajectory.sample(trajectory.duration + 1.0), q[-1])


def test_too_short_a_duration_is_refused() -> None:
    with pytest.raises(MotionError, match="at least"):
        joint_line(np.zeros(6), np.ones(6), LIMITS, 1.0, duration=0.1)
    with pytest.raises(MotionError, match="speed_scale"):
        joint_line(np.zeros(6), np.ones(6), LIMITS, 0.0)


def test_cartesian_line_is_straight(kinematics: ArmKinematics) -> None:
    start_q = np.array(kinematics.world.arm.ready)
    start = kinematics.hand_pose(start_q)
    goal = start.copy()
    goal[2, 3] += 0.05
    trajectory = cartesian_line(kinematics, start_q, start, goal, LIMITS, 1.0, 1.0)
    assert isinstance(trajectory, JointTrajectory)
    for t in np.linspace(0.0, 1.0, 21):
        pose = kinematics.hand_pose(trajectory.sample(float(t)))
        assert_allclose(pose[:2, 3], start[:2, 3], atol=1e-3)
        assert_allclose(pose[:3, :3], start[:3, :3], atol=1e-2)
    assert_allclose(kinematics.hand_pose(trajectory.sample(1.0))[2, 3], goal[2, 3], atol=5e-4)


def test_interpolated_pose_halves_the_rotation() -> None:
    goal = np.eye(4)
    goal[:3, :3] = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    goal[:3, 3] = [0.2, 0.0, 0.4]
    middle = interpolate_pose(np.eye(4), goal, 0.5)
    s = np.sqrt(0.5)
    assert_allclose(middle, [[s, -s, 0, 0.1], [s, s, 0, 0], [0, 0, 1, 0.2], [0, 0, 0, 1]], atol=1e-12)
