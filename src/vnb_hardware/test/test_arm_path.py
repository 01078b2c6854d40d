"""Straight lines of the flange as joint way-points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.description import load_arm
from vnb_grasp.errors import MotionError
from vnb_hardware.arm import units
from vnb_hardware.arm.kinematics import DhKinematics
from vnb_hardware.arm.limits import JointLimits
from vnb_hardware.arm.path import flange_line, interpolate, rotation_angle

ARM = load_arm("fr3")
READY, LIMITS, DH = np.array(ARM.ready), JointLimits.of(ARM), DhKinematics()
START = DH.flange(READY)


def test_a_line_is_straight_and_ends_at_its_goal() -> None:
    goal = units.pose_from_wire([0, 0, 0, 0, 0, 15]) @ START
    goal[:3, 3] = START[:3, 3] + [0.03, -0.02, 0.05]
    path = flange_line(DH, LIMITS, READY, goal)
    poses = np.stack([DH.flange(q) for q in path])
    assert_allclose(path[0], READY)
    assert_allclose(poses[-1], goal, atol=1e-6)
    way = (goal - START)[:3, 3]
    offset = poses[:, :3, 3] - START[:3, 3]
    along = offset @ way / (way @ way)
    assert_allclose(offset, along[:, None] * way, atol=1e-6)
    assert (np.diff(along) > 0).all()
    assert np.abs(np.diff(path, axis=0)).max() < 0.1


def test_interpolation_is_linear_and_turns_the_short_way() -> None:
    a, b = units.pose_from_wire([0, 0, 0, 0, 0, 170]), units.pose_from_wire([100, 0, 0, 0, 0, -170])
    half = interpolate(a, b, 0.5)
    assert_allclose(half, units.pose_from_wire([50, 0, 0, 0, 0, 180]), atol=1e-9)
    assert_allclose(interpolate(a, b, 0.0), a, atol=1e-9)
    assert_allclose(interpolate(a, b, 1.0), b, atol=1e-9)
    assert_allclose(rotation_angle(a, b), math.radians(20), atol=1e-9)


def test_lines_out_of_reach_are_refused() -> None:
    goal = START.copy()
    goal[2, 3] += 1.0
    with pytest.raises(MotionError, match=r"outside the reach|jump between branches"):
        flange_line(DH, LIMITS, READY, goal)


def test_lines_through_a_singularity_are_refused() -> None:
    goal = START.copy()
    goal[:2, 3] *= -1  # across the base axis
    with pytest.raises(MotionError):
        flange_line(DH, LIMITS, READY, goal)
