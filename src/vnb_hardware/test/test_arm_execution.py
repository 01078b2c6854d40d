"""One motion from its command to its end: begun once, watched, and stopped where it is when canceled."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import HoldError, MotionError
from vnb_hardware.arm import xml_codec
from vnb_hardware.arm.driver import Phase
from vnb_hardware.emulators.arm.testing import ArmRig, Running, until


def test_a_plan_of_no_length_sends_nothing() -> None:
    with ArmRig() as rig:
        rig.ready()
        at = time.monotonic()
        rig.go(0.0)
        assert rig.emulator.wire.methods(at) == []


def test_a_canceled_motion_stops_where_it_is_and_the_next_one_runs() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        running.cancel.set()
        running.join()
        assert running.error is None and running.result is not None
        assert_allclose(running.result, rig.emulator.model.position, atol=1e-3)
        assert rig.driver.phase is Phase.READY
        rig.go(0.05)


def test_a_plan_from_elsewhere_is_refused() -> None:
    with ArmRig() as rig:
        rig.ready()
        old = rig.turn(0.1, 1.0)
        rig.go(0.2)
        at = time.monotonic()
        with pytest.raises(MotionError, match="plan again"):
            rig.driver.run(old, lambda: False, lambda *_: None)
        assert rig.emulator.wire.methods(at) == []


def test_a_motion_that_the_controller_refuses_leaves_the_arm_ready() -> None:
    with ArmRig() as rig:
        rig.ready()
        rig.emulator.faults.replies["MoveJ"] = xml_codec.dump_response(112)
        with pytest.raises(MotionError, match="112"):
            rig.go(0.1)
        assert rig.driver.phase is Phase.READY
        rig.emulator.faults.replies.clear()
        rig.go(0.1)


def test_an_arm_that_leaves_its_path_is_stopped() -> None:
    away = np.zeros(6)

    def plant(reference: np.ndarray, dt: float) -> np.ndarray:
        return reference + away

    with ArmRig(plant=plant) as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        away[1] = 0.3
        running.join()
        assert isinstance(running.error, MotionError)
        assert "left its planned path by 0.300 rad" in str(running.error)
        until(lambda: "StopMotion" in rig.emulator.wire.methods(at))
        assert rig.driver.phase is Phase.HOLD


def being_commanded(rig: ArmRig) -> Running:
    """Return a motion whose command the controller has heard, but not carried out yet."""
    rig.ready()
    rig.emulator.faults.delays["MoveJ"] = 0.2
    running = Running(rig.driver, rig.turn())
    until(lambda: "MoveJ" in rig.emulator.wire.methods())
    return running


@pytest.mark.parametrize("end", ["hold", "disconnect"])
def test_a_motion_that_is_just_being_commanded_is_stopped_after_it_was(end: str) -> None:
    with ArmRig() as rig:
        running = being_commanded(rig)
        getattr(rig.driver, end)()
        running.join()
        assert isinstance(running.error, HoldError)
        assert rig.emulator.model.stopping, "the last stop comes after the motion"
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        assert rig.emulator.wire.methods()[-2:] == ["StopMotion", "MotionQueueClear"]


def test_a_motion_from_before_a_hold_does_not_run_after_it() -> None:
    with ArmRig() as rig:
        running = being_commanded(rig)
        rig.driver.hold()
        rig.driver.enable()
        running.join()
        assert isinstance(running.error, HoldError)
        assert rig.emulator.model.stopping
        assert rig.driver.phase is Phase.READY


def test_nothing_is_commanded_on_hold() -> None:
    with ArmRig() as rig:
        plan = rig.ready().turn()
        rig.driver.halted.set()
        at = time.monotonic()
        with pytest.raises(HoldError, match="before the motion began"):
            rig.driver.run(plan, lambda: False, lambda *_: None)
        assert "MoveJ" not in rig.emulator.wire.methods(at)
