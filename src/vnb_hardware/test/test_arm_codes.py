"""Return codes of the controller."""

from __future__ import annotations

import pytest

from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, MotionError
from vnb_hardware.arm import codes


@pytest.mark.parametrize("code", [25, 28, 29, 38, 74, 112])
def test_a_bad_goal_is_an_error_of_the_motion(code: int) -> None:
    assert type(codes.error_of("MoveL", code)) is MotionError


def test_the_others() -> None:
    assert type(codes.error_of("MoveJ", 99)) is HoldError
    assert type(codes.error_of("MoveJ", 14)) is DeviceFaultError
    assert type(codes.error_of("MoveJ", 30)) is DeviceFaultError
    unknown = codes.error_of("MoveJ", 12345)
    assert type(unknown) is HardwareError
    assert "12345 (not documented)" in str(unknown)
