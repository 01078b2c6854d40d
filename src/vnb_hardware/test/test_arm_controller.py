"""Commands and queries on the wire: order, units, and the stop that takes a second way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import DeviceFaultError, LinkError
from vnb_hardware.arm import xml_codec
from vnb_hardware.arm.controller import Controller
from vnb_hardware.arm.kinematics import DhKinematics
from vnb_hardware.emulators.arm import ArmEmulator

GOAL = np.radians([-90.0, -100, -90, -80, 30, 120])
FLANGE = DhKinematics().flange(GOAL)


@contextmanager
def talking(**settings: Any) -> Iterator[tuple[Controller, ArmEmulator]]:
    with ArmEmulator(ports=(0, 0, 0, 0), **settings) as arm:
        controller = Controller("127.0.0.1", arm.ports[0], arm.ports[3], 1.0)
        controller.open()
        controller.enable()
        try:
            yield controller, arm
        finally:
            controller.close()


def last_call(arm: ArmEmulator) -> tuple[str, list[Any]]:
    return xml_codec.load_call([sent for sent in arm.wire.since() if sent.channel == "rpc"][-1].data)


def test_queries() -> None:
    with talking(compensation=(-1.0, 0.5, 0.0, 0.0, 0.0, 0.25), start=GOAL) as (controller, arm):
        identity = controller.open()
        assert (identity.model, identity.address) == ("FR3-V6.0", "127.0.0.1")
        assert controller.dh_compensation() == [-1.0, 0.5, 0.0, 0.0, 0.0, 0.25]
        assert controller.soft_limits() == list(arm.model.soft_limits)
        assert_allclose(controller.joint_positions(), GOAL)


def test_a_joint_motion_on_the_wire() -> None:
    with talking() as (controller, arm):
        controller.move_joints(GOAL, FLANGE, 0.25)
        method, (joints, pose, tool, user, vel, acc, ovl, axes, blend, flag, offset) = last_call(arm)
        assert method == "MoveJ"
        assert_allclose(joints, [-90, -100, -90, -80, 30, 120])
        assert_allclose(pose[:3], FLANGE[:3, 3] * 1000)
        assert (tool, user, vel, acc, ovl) == (0, 0, 25.0, 0.0, 100.0)
        assert (axes, blend, flag, offset) == ([0.0] * 4, 0.0, 0, [0.0] * 6)


def test_a_line_on_the_wire() -> None:
    with talking(start=GOAL) as (controller, arm):
        goal = FLANGE.copy()
        goal[2, 3] += 0.01
        controller.move_line(GOAL, goal, 0.05, 0.5)
        method, (flat,) = last_call(arm)
        assert method == "MoveL"
        assert len(flat) == 33
        assert_allclose(flat[:6], [-90, -100, -90, -80, 30, 120])
        assert_allclose(flat[8], goal[2, 3] * 1000)
        assert flat[12:19] == [0, 0, 100.0, 0.0, 50.0, 0.0, 0]
        assert flat[31:] == [500.0, 1], "acceleration in mm/s^2, and speeds are physical"


def test_streamed_targets_on_the_wire() -> None:
    with talking(start=GOAL) as (controller, arm):
        controller.begin_servo()
        controller.servo(GOAL, 0.016)
        method, (joints, axes, acc, vel, period, filter_time, gain, number) = last_call(arm)
        assert method == "ServoJ"
        assert_allclose(joints, [-90, -100, -90, -80, 30, 120])
        assert (axes, acc, vel, period, filter_time, gain, number) == ([0.0] * 4, 0.0, 0.0, 0.016, 0.0, 0.0, 0)
        controller.end_servo()
        assert last_call(arm) == ("ServoMoveEnd", [])


def test_the_stop_and_what_tidies_up_after_it() -> None:
    with talking() as (controller, arm):
        controller.stop()
        assert arm.wire.methods()[-2:] == ["StopMotion", "MotionQueueClear"]
        controller.stop(servo=True)
        assert arm.wire.methods()[-3:] == ["StopMotion", "ServoMoveEnd", "MotionQueueClear"]


@pytest.mark.parametrize("reply", [xml_codec.dump_response(14), xml_codec.dump_fault("no"), b"?"])
def test_a_stop_that_is_refused_takes_the_second_way(reply: bytes) -> None:
    with talking() as (controller, arm):
        arm.faults.replies["StopMotion"] = reply
        controller.stop()
        assert b"III102III4IIIStopIII" in [sent.data for sent in arm.wire.since() if sent.channel == "text"][-1]


def test_a_stop_that_no_way_takes_is_said() -> None:
    with talking() as (controller, arm):
        arm.inject("refuse")
        with pytest.raises(LinkError, match="use its button"):
            controller.stop()


def test_answers_that_are_no_numbers_are_refused() -> None:
    with talking() as (controller, arm):
        arm.faults.replies["GetDHCompensation"] = xml_codec.dump_response([0, *"abcdef"])
        with pytest.raises(LinkError, match="expected numbers"):
            controller.dh_compensation()
        arm.faults.replies["RobotEnable"] = xml_codec.dump_response(14)
        with pytest.raises(DeviceFaultError, match="execution refused"):
            controller.enable()
