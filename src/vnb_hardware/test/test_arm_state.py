"""One state, whichever stream it came by."""

from __future__ import annotations

import math
from typing import Any

import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import LinkError
from vnb_hardware.arm import cnde, units
from vnb_hardware.arm.state import ArmState, state_from_values

VALUES: dict[str, Any] = {
    **dict.fromkeys(cnde.DRIVER_NAMES, (0,) * 7),
    "actual_joint_pos": (180.0, -90.0, 0.0, 45.0, 0.0, 0.0),
    "actual_flange_pos": (100.0, 0.0, 300.0, 0.0, 0.0, 90.0),
    "actual_joint_vel": (0.0, 90.0, 0.0, -180.0, 0.0, 0.0),
    "actual_joint_torque": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    "actual_joint_temp": (30.0,) * 6,
    "rbt_enable_state": (1,),
    "motion_done": (1,),
    "robot_time": (2026, 1, 2, 3, 4, 5, 6),
}


def state(**changed: Any) -> ArmState:
    return state_from_values({**VALUES, **changed}, 9, 1.5)


def test_units_and_flags() -> None:
    s = state()
    assert_allclose(s.position, [math.pi, -math.pi / 2, 0, math.pi / 4, 0, 0])
    assert_allclose(s.speed, math.pi)
    assert_allclose(s.torque, [1, 2, 3, 4, 5, 6])
    assert_allclose(s.flange, units.pose_from_wire(VALUES["actual_flange_pos"]))
    assert (s.count, s.received, s.enabled, s.motion_done, s.mode) == (9, 1.5, True, True, 0)
    assert s.faults == ()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("emergency_stop", 1, "emergency stop"),
        ("safety_stop0_state", 1, "safety stop input 0"),
        ("safety_stop1_state", 1, "safety stop input 1"),
        ("collision_state", 2, "collision"),
        ("main_code", 12, "controller error 12/0"),
        ("sub_code", 3, "controller error 0/3"),
    ],
)
def test_every_fault_forbids_motion(name: str, value: int, text: str) -> None:
    assert text in state(**{name: (value,)}).faults[0]


def test_only_exactly_one_means_enabled() -> None:
    assert not state(rbt_enable_state=(0,)).enabled
    assert not state(rbt_enable_state=(2,)).enabled


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("actual_joint_pos", (math.nan,) * 6, "expected finite"),
        ("actual_joint_pos", (1e6,) * 6, "no measurement"),
        ("actual_joint_vel", (math.inf,) * 6, "expected finite"),
        ("actual_flange_pos", (0.0,) * 5, "expected \\(6,\\)"),
    ],
)
def test_what_is_no_measurement_is_refused(name: str, value: tuple[float, ...], text: str) -> None:
    with pytest.raises(LinkError, match=text):
        state(**{name: value})


@pytest.mark.parametrize("name", ["actual_joint_pos", "motion_done", "robot_time"])
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(LinkError, match=name):
        state_from_values({key: value for key, value in VALUES.items() if key != name}, 0, 0.0)
