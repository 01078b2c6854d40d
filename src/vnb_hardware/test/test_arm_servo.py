"""Streamed corrections: bounded in speed, reach and time, and never sent when they are wrong."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import MotionError, NonFiniteError, ShapeError
from vnb_hardware.arm.driver import Phase
from vnb_hardware.arm.servo import Refusals, _angle, _moved, require_slow
from vnb_hardware.emulators.arm.testing import PATIENT, ArmRig, until

UP = np.array([0.0, 0.0, 0.02])
STILL = np.zeros(3)


def test_velocities_within_the_limits_are_joined() -> None:
    assert_allclose(require_slow(UP, np.array([0.1, 0.0, 0.0]), 0.05), [0, 0, 0.02, 0.1, 0, 0])
    with pytest.raises(ShapeError):
        require_slow(np.zeros(2), STILL, 0.05)


def test_a_step_moves_and_turns_in_the_axes_of_the_world() -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = [1, 2, 3]
    moved = _moved(pose, np.array([1.0, 0, 0, 0, 0, math.pi / 2]), 1.0)
    assert_allclose(moved[:3, 3], [2, 2, 3])
    assert_allclose(moved[:3, :3], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]], atol=1e-12)


def test_the_angle_between_orientations() -> None:
    for turn in (0.0, 0.3, -0.3, math.pi):
        moved = _moved(np.eye(4), np.array([0, 0, 0, 0.6 * turn, 0, 0.8 * turn]), 1.0)
        assert _angle(moved, np.eye(4)) == pytest.approx(abs(turn), abs=1e-6)


def test_a_refusal_lasts_until_a_pause() -> None:
    refusals, error = Refusals(), MotionError("too far")
    refusals.require_none(None, 10.0)
    for latest in (error, None, None):
        with pytest.raises(MotionError, match="too far"):
            refusals.require_none(latest, 10.0)
    refusals.require_none(None, -1.0)
    refusals.require_none(None, 10.0)


def refusal(rig: ArmRig) -> bool:
    """Whether a correction is refused for its reach; while the stream ends, it is only not followed."""
    try:
        rig.driver.correct(UP, STILL)
    except MotionError as error:
        return "further than 0.004 m" in str(error)
    return False


def test_corrections_follow_and_end_by_themselves() -> None:
    with ArmRig() as rig:
        rig.ready()
        low, begin = rig.planner.hand_pose(rig.driver.state().position), time.monotonic()
        while rig.planner.hand_pose(rig.emulator.model.position)[2, 3] < low[2, 3] + 0.005:
            rig.driver.correct(UP, STILL)
            time.sleep(0.02)
            assert time.monotonic() < begin + 10
        until(lambda: "ServoMoveEnd" in rig.emulator.wire.methods(begin))
        moved = rig.planner.hand_pose(rig.emulator.model.position)
        assert_allclose(moved[:2], low[:2], atol=1e-4)
        assert rig.driver.phase is Phase.READY
        rig.go(0.05)


def test_corrections_that_go_too_far_end_with_a_reason() -> None:
    with ArmRig(replace(PATIENT, servo_reach=0.004, servo_timeout=10.0)) as rig:
        rig.ready()
        low = rig.planner.hand_pose(rig.driver.state().position)[2, 3]
        rig.driver.correct(UP, STILL)
        until(lambda: "ServoMoveEnd" in rig.emulator.wire.methods())
        until(lambda: refusal(rig))
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        for _ in range(10):
            with pytest.raises(MotionError, match=r"further than 0\.004 m"):
                rig.driver.correct(UP, STILL)
        assert rig.planner.hand_pose(rig.emulator.model.position)[2, 3] < low + 0.006
        assert rig.emulator.wire.methods().count("ServoMoveStart") == 1
        rig.go(0.05)
        rig.driver.correct(UP, STILL)
        assert rig.driver.phase is Phase.READY


def test_corrections_that_turn_too_far_end_with_a_reason() -> None:
    with ArmRig(replace(PATIENT, servo_turn=0.02, servo_timeout=10.0)) as rig:
        rig.ready()
        begin = rig.planner.hand_pose(rig.driver.state().position)
        rig.driver.correct(STILL, np.array([0.0, 0.0, 0.2]))
        until(lambda: "ServoMoveEnd" in rig.emulator.wire.methods())
        until(lambda: rig.driver._servo is None or rig.driver._servo.ended)
        with pytest.raises(MotionError, match=r"turned by more than 0\.02 rad"):
            rig.driver.correct(STILL, np.array([0.0, 0.0, 0.2]))
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        assert 0.01 < _angle(rig.planner.hand_pose(rig.emulator.model.position), begin) < 0.025


def test_corrections_that_are_wrong_send_nothing() -> None:
    with ArmRig() as rig:
        rig.ready()
        at = time.monotonic()
        with pytest.raises(MotionError, match="expected at most"):
            rig.driver.correct(np.array([0.2, 0.0, 0.0]), STILL)
        with pytest.raises(MotionError, match="expected at most"):
            rig.driver.correct(STILL, np.array([0.0, 0.0, 1.0]))
        with pytest.raises(NonFiniteError):
            rig.driver.correct(np.full(3, np.nan), STILL)
        time.sleep(0.05)
        assert rig.emulator.wire.methods(at) == []
