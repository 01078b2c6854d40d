"""Plans: within limits and workspace, no faster than allowed, and refused with a reason."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import MotionError
from vnb_hardware.arm.clearance import ClearanceCheck
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.arm.kinematics import DhKinematics, DhParameters
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.planning import MotionPlanner

ARM, HAND = load_arm("fr3"), load_hand("l6_v31")
READY, OPEN = np.array([-1.6114, -2.097, -1.571, -1.604, 0.5, 2.09]), np.zeros(6)
LIMITS = JointLimits.of(ARM)


def planner(compensation: float = 0.0, **settings: float) -> MotionPlanner:
    config = ArmConfig(**settings)  # type: ignore[arg-type]
    kinematics = DhKinematics(DhParameters.compensated([compensation] * 6))
    return MotionPlanner(ARM, ClearanceCheck(ARM, HAND, config.workspace), config, kinematics, LIMITS)


PLANNER = planner()


def lifted(by: float, p: MotionPlanner = PLANNER) -> np.ndarray:
    pose = p.hand_pose(READY)
    pose[2, 3] += by
    return pose


def turned(by: float) -> np.ndarray:
    goal = READY.copy()
    goal[0] += by
    return goal


def test_the_hand_is_where_the_description_says() -> None:
    import torch

    from vnb_grasp.kinematics import ArmKinematics

    described = ArmKinematics(ARM).world_hand(torch.from_numpy(READY)).numpy()
    assert_allclose(PLANNER.hand_pose(READY), described, atol=5e-5)
    assert_allclose(PLANNER.flange_of(PLANNER.hand_pose(READY)), PLANNER.kinematics.flange(READY), atol=1e-12)


def test_speed_is_the_smaller_of_scale_and_cap() -> None:
    goal = turned(0.3)
    assert PLANNER.joint_motion(READY, goal, OPEN, 0.1).speed == 0.1
    assert PLANNER.joint_motion(READY, goal, OPEN, 1.0).speed == 0.25
    assert planner(speed_cap=0.8).joint_motion(READY, goal, OPEN, 1.0).speed == 0.8


@pytest.mark.parametrize("scale", [0.0, -0.1, 1.01, math.nan, math.inf])
def test_scales_out_of_range(scale: float) -> None:
    for plan in (PLANNER.joint_motion, PLANNER.pose_motion, PLANNER.line_motion):
        goal = READY if plan == PLANNER.joint_motion else lifted(0.05)
        with pytest.raises(MotionError, match="speed_scale"):
            plan(READY, goal, OPEN, scale)


def test_a_duration_slows_down_and_never_speeds_up() -> None:
    goal = turned(0.315)
    plan = PLANNER.joint_motion(READY, goal, OPEN, 0.2, duration=5.0)
    assert_allclose(plan.speed * LIMITS.speed[0] * 5.0, 0.315)
    with pytest.raises(MotionError, match=r"needs at least 0\.50 s"):
        PLANNER.joint_motion(READY, goal, OPEN, 0.2, duration=0.4)
    line = PLANNER.line_motion(READY, lifted(0.04), OPEN, 1.0, duration=3.0)
    assert_allclose(line.speed, 0.04 / 3)
    with pytest.raises(MotionError, match="needs at least"):
        PLANNER.line_motion(READY, lifted(0.04), OPEN, 1.0, duration=0.01)


def test_a_line_keeps_joint_speeds_below_the_cap() -> None:
    plan = PLANNER.line_motion(READY, lifted(0.06), OPEN, 1.0)
    seconds = 0.06 / plan.speed
    steps = np.abs(np.diff(plan.path, axis=0)) * (len(plan.path) - 1) / seconds
    assert (steps <= 0.25 * LIMITS.speed + 1e-9).all()
    assert plan.linear and plan.speed <= 0.25
    assert_allclose(PLANNER.hand_pose(plan.goal), lifted(0.06), atol=1e-6)


def test_a_pose_is_reached_on_the_nearest_branch() -> None:
    plan = PLANNER.pose_motion(READY, lifted(0.05), OPEN, 0.5)
    assert not plan.linear
    assert_allclose(PLANNER.hand_pose(plan.goal), lifted(0.05), atol=1e-6)
    assert np.abs(plan.goal - READY).max() < 0.5


def test_compensation_changes_the_angles_and_keeps_the_pose() -> None:
    calibrated = planner(-1.0)
    pose = lifted(0.05)
    goal = calibrated.pose_motion(READY, pose, OPEN, 0.5).goal
    assert_allclose(calibrated.hand_pose(goal), pose, atol=1e-6)
    assert np.linalg.norm((PLANNER.hand_pose(goal) - pose)[:3, 3]) > 5e-4


def test_what_is_forbidden_says_why() -> None:
    outside = READY.copy()
    outside[2] = LIMITS.upper[2] + 0.01
    with pytest.raises(MotionError, match=f"joint {ARM.joint_names[2]}"):
        PLANNER.joint_motion(READY, outside, OPEN, 0.5)
    for plan in (PLANNER.pose_motion, PLANNER.line_motion):
        with pytest.raises(MotionError, match="the table"):
            plan(READY, lifted(-0.10), OPEN, 0.5)
        with pytest.raises(MotionError, match=r"outside the reach|jump between branches"):
            plan(READY, lifted(2.0), OPEN, 0.5)
    with pytest.raises(MotionError, match="too short"):
        PLANNER.line_motion(READY, lifted(0.0), OPEN, 0.5)


def test_a_line_on_which_the_hand_turns_much_is_refused() -> None:
    pose = lifted(0.03)
    tilt = np.array([[1, 0, 0], [0, math.cos(1.2), math.sin(1.2)], [0, -math.sin(1.2), math.cos(1.2)]])
    pose[:3, :3] = pose[:3, :3] @ tilt
    with pytest.raises(MotionError, match="off it, because it turns too much"):
        PLANNER.line_motion(READY, pose, OPEN, 0.5)


def test_streamed_steps_are_bounded() -> None:
    flange = PLANNER.kinematics.flange(READY)
    near, far = flange.copy(), flange.copy()
    near[2, 3] += 0.0005
    far[2, 3] += 0.05
    q = PLANNER.servo_step(READY, near, OPEN, 0.016)
    assert_allclose(PLANNER.kinematics.flange(q), near, atol=1e-6)
    with pytest.raises(MotionError, match="too fast"):
        PLANNER.servo_step(READY, far, OPEN, 0.016)
