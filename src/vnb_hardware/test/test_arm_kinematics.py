"""Closed-form kinematics: documented poses, the description, every branch, and what cannot be reached."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.description import load_arm
from vnb_grasp.errors import ConfigError, MotionError, NonFiniteError
from vnb_grasp.kinematics import ArmKinematics
from vnb_hardware.arm import units
from vnb_hardware.arm.kinematics import DhKinematics, DhParameters

ARM = DhKinematics()
LIMITS = np.array([math.pi] * 6)
ANGLES = st.tuples(*[st.floats(-3.0, 3.0)] * 6).map(np.array)

DOCUMENTED = [
    ([0, 0, 0, 0, 0, 0], [-520.000, -202.000, 38.000, 90, 0, 0]),
    ([0, -90, 90, -90, -90, 0], [-342, -102, 320, 180, 0, 90]),
    ([30, -60, 80, -100, -90, 45], [-337.509, -312.640, 184.209, 172.893, -7.053, 75.439]),
    ([28.166, -108.269, -59.859, -87, 94.532, -0.7], [438.317, 127.951, 385.092, -165.033, 4.199, -59.990]),
]
"""Joint angles [deg] and flange poses [mm, deg] of the nominal arm."""


@pytest.mark.parametrize(("degrees", "pose"), DOCUMENTED)
def test_documented_poses(degrees: list[float], pose: list[float]) -> None:
    wire = units.pose_to_wire(ARM.flange(np.radians(degrees)))
    assert_allclose(wire[:3], pose[:3], atol=2e-3)
    assert_allclose(wire[3:], pose[3:], atol=2e-3)


@given(ANGLES)
@settings(max_examples=30, deadline=None)
def test_the_description_says_the_same(q: np.ndarray) -> None:
    description = load_arm("fr3")
    chain = ArmKinematics(description)
    last = chain.link_names.index(description.joints[-1].child)
    wrist = chain.link_poses(torch.from_numpy(q))[last].numpy()
    flange = wrist.copy()
    flange[:3, 3] = wrist[:3, 3] + wrist[:3, :3] @ np.array(description.flange_offset)
    assert_allclose(ARM.flange(q), flange, atol=5e-5)


def test_compensation_makes_lengths_longer_whatever_their_sign() -> None:
    shorter = DhParameters.compensated([-1.0] * 6)
    assert_allclose(shorter.lengths, [0.139, -0.279, -0.239, 0.101, 0.101, 0.099], atol=1e-12)
    assert DhParameters.compensated([0.0] * 6) == DhParameters()
    with pytest.raises(ConfigError, match="robot model"):
        DhParameters.compensated([0, 0, 25.0, 0, 0, 0])
    with pytest.raises(NonFiniteError):
        DhParameters.compensated([math.nan] * 6)


def test_compensation_moves_the_flange() -> None:
    q = np.radians(DOCUMENTED[2][0])
    moved = DhKinematics(DhParameters.compensated([-1.0] * 6)).flange(q)[:3, 3] - ARM.flange(q)[:3, 3]
    assert 0.0005 < np.linalg.norm(moved) < 0.006


@given(ANGLES)
@settings(max_examples=60, deadline=None)
def test_every_solution_is_one_and_the_angles_themselves_are_among_them(q: np.ndarray) -> None:
    flange = ARM.flange(q)
    found = ARM.solutions(flange, q)
    for solution in found:
        assert_allclose(ARM.flange(solution), flange, atol=1e-6)
    if abs(math.sin(q[4])) > 0.01 and abs(math.sin(q[2])) > 0.01 and _clear_of_shoulder(flange):
        assert min(np.abs(_wrapped(solution - q)).max() for solution in found) < 1e-5


def _clear_of_shoulder(flange: np.ndarray) -> bool:
    wrist = flange[:3, 3] - 0.100 * flange[:3, 2]
    return math.hypot(wrist[0], wrist[1]) > 0.102 + 1e-4


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def test_up_to_eight_branches() -> None:
    assert len(ARM.solutions(ARM.flange(np.radians([30.0, -60, 80, -60, -60, 45])))) == 8


def test_a_singular_wrist_keeps_the_last_joint_where_it_is() -> None:
    q = np.radians([10.0, -80, 70, -50, 0, 33])
    nearest = ARM.nearest(ARM.flange(q), q, -LIMITS, LIMITS)
    assert_allclose(ARM.flange(nearest), ARM.flange(q), atol=1e-6)
    assert_allclose(nearest[5], q[5], atol=1e-9)


def test_the_nearest_comes_first_and_whole_turns_are_used() -> None:
    q = np.radians([30.0, -200, 80, -100, -90, 45])
    lower, upper = np.radians([-175.0, -265, -150, -265, -175, -175]), np.radians([175.0, 85, 150, 85, 175, 175])
    flange = ARM.flange(q)
    within = ARM.within(flange, q, lower, upper)
    assert_allclose(within[0], q, atol=1e-9)
    distances = [np.abs(w - q).max() for w in within]
    assert distances == sorted(distances)


def test_what_cannot_be_reached_says_why() -> None:
    far = np.eye(4)
    far[:3, 3] = [2.0, 0.0, 0.5]
    with pytest.raises(MotionError, match="outside the reach"):
        ARM.nearest(far, np.zeros(6), -LIMITS, LIMITS)
    flange = ARM.flange(np.radians(DOCUMENTED[2][0]))
    with pytest.raises(MotionError, match="outside the joint limits"):
        ARM.nearest(flange, np.zeros(6), -LIMITS / 100, LIMITS / 100)
