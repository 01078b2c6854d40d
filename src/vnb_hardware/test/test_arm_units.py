"""The border between the controller's units and SI."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.errors import NonFiniteError, ShapeError
from vnb_hardware.arm import units

ANGLE = st.floats(-180, 180)
LENGTH = st.floats(-900, 900)


def test_degrees_and_millimetres() -> None:
    assert_allclose(
        units.joints_from_wire([180, -90, 0, 45, 1, -1]),
        np.pi * np.array([1, -0.5, 0, 0.25, 1, -1]) / [1, 1, 1, 1, 180, 180],
    )
    assert units.joints_to_wire([math.pi, 0, 0, 0, 0, -math.pi / 2]) == [180, 0, 0, 0, 0, -90]
    pose = units.pose_from_wire([100, -200, 300, 0, 0, 90])
    assert_allclose(pose[:3, 3], [0.1, -0.2, 0.3])
    assert_allclose(pose[:3, 0], [0, 1, 0], atol=1e-15)


def test_the_order_of_rotations_is_x_then_y_then_z_about_fixed_axes() -> None:
    def about(axis: int, degrees: float) -> np.ndarray:
        angles = [0.0, 0.0, 0.0]
        angles[axis] = degrees
        return units.pose_from_wire([0, 0, 0, *angles])

    together = units.pose_from_wire([0, 0, 0, 20, -30, 70])
    assert_allclose(together, about(2, 70) @ about(1, -30) @ about(0, 20), atol=1e-15)


@given(st.tuples(LENGTH, LENGTH, LENGTH, ANGLE, ANGLE, ANGLE))
def test_poses_round_trip(wire: tuple[float, ...]) -> None:
    pose = units.pose_from_wire(wire)
    assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert_allclose(units.pose_from_wire(units.pose_to_wire(pose)), pose, atol=1e-7)


@pytest.mark.parametrize("pitch", [90.0, -90.0])
@given(rx=ANGLE, rz=ANGLE)
def test_poses_round_trip_where_the_angles_are_not_unique(pitch: float, rx: float, rz: float) -> None:
    pose = units.pose_from_wire([1, 2, 3, rx, pitch, rz])
    again = units.pose_to_wire(pose)
    assert_allclose(units.pose_from_wire(again), pose, atol=1e-7)


def test_what_is_no_measurement_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected \(6,\)"):
        units.joints_from_wire([0.0] * 7)
    with pytest.raises(NonFiniteError, match="expected finite"):
        units.joints_from_wire([0, 0, 0, math.nan, 0, 0])
    with pytest.raises(NonFiniteError):
        units.joints_to_wire([math.inf] * 6)
    with pytest.raises(NonFiniteError):
        units.pose_from_wire([math.nan] * 6)
