"""The arm's driver where nothing is wrong: what it reads, how it moves, stops, streams and leaves."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import HardwareError, HoldError, LinkError, MotionError, SilenceError, VnbError
from vnb_hardware.arm.driver import Phase
from vnb_hardware.emulators.arm.testing import MOTIONS, PATIENT, ArmRig, until

UP = np.array([0.0, 0.0, 0.02])
STILL = np.zeros(3)
READS = {
    "GetControllerIP",
    "GetSoftwareVersion",
    "GetDHCompensation",
    "GetJointSoftLimitDeg",
    "GetActualJointPosDegree",
}


@pytest.mark.parametrize("stream", ["cnde", "legacy"])
def test_connecting_only_reads(stream: str) -> None:
    with ArmRig(replace(PATIENT, stream=stream)) as rig:
        identity = rig.driver.connect()
        assert (identity.model, identity.address) == ("FR3-V6.0", "127.0.0.1")
        assert set(rig.emulator.wire.methods()) == READS
        assert rig.driver.phase is Phase.CONNECTED
        assert_allclose(rig.driver.state().position, rig.emulator.model.position, atol=2e-4)
        with pytest.raises(HoldError, match="enable it first"):
            rig.driver.correct(UP, STILL)
        with pytest.raises(HardwareError, match="connected already"):
            rig.driver.connect()
        rig.driver.disconnect()
        assert set(rig.emulator.wire.methods()) == READS, "who only read stops nobody's motion"


def test_enabling_begins_at_the_measured_pose_with_an_empty_queue() -> None:
    with ArmRig() as rig:
        rig.driver.connect()
        before, at = rig.emulator.model.position, time.monotonic()
        rig.driver.enable()
        assert rig.emulator.wire.methods(at) == ["StopMotion", "MotionQueueClear", "Mode", "RobotEnable"]
        assert_allclose(rig.emulator.model.position, before)
        assert rig.driver.phase is Phase.READY and rig.driver.fault is None


def test_motions_of_each_kind_arrive() -> None:
    with ArmRig() as rig:
        rig.ready()
        end = rig.go(0.2)
        assert_allclose(end, rig.emulator.model.position, atol=1e-3)
        pose = rig.planner.hand_pose(end)
        pose[2, 3] += 0.05
        line = rig.planner.line_motion(end, pose, rig.driver.hand_posture, 1.0)
        progress: list[float] = []
        rig.driver.run(line, lambda: False, lambda share, _: progress.append(share))
        assert_allclose(rig.planner.hand_pose(rig.emulator.model.position), pose, atol=1e-4)
        assert progress[-1] == 1.0 and all(0 <= share <= 1 for share in progress)
        pose[2, 3] += 0.05
        turn = rig.planner.pose_motion(rig.driver.state().position, pose, rig.driver.hand_posture, 1.0)
        rig.driver.run(turn, lambda: False, lambda *_: None)
        assert_allclose(rig.planner.hand_pose(rig.emulator.model.position), pose, atol=1e-4)


def test_compensation_is_asked_for_and_used() -> None:
    with ArmRig(compensation=(-1.0,) * 6) as rig:
        rig.ready()
        assert rig.planner.kinematics.parameters.lengths[0] == pytest.approx(0.139)
        assert rig.planner.check.slack == pytest.approx(0.006), "the clearance is computed with the nominal lengths"
        start = rig.driver.state().position
        pose = rig.planner.hand_pose(start)
        pose[2, 3] += 0.05
        plan = rig.planner.pose_motion(start, pose, rig.driver.hand_posture, 1.0)
        rig.driver.run(plan, lambda: False, lambda *_: None)
        flange = rig.emulator.model.kinematics.flange(rig.emulator.model.position)
        assert_allclose(flange, rig.planner.flange_of(pose), atol=1e-4)


def test_a_controller_that_contradicts_itself_is_refused() -> None:
    with ArmRig(compensation=(-1.0,) * 6) as rig:
        rig.emulator.model.compensation = (4.0,) * 6  # says so, but moves otherwise
        with pytest.raises(HardwareError, match="what its joint angles and DH compensation give"):
            rig.driver.connect()
        assert rig.driver.phase is Phase.CLOSED


def test_the_tighter_limits_hold() -> None:
    with ArmRig() as rig:
        rig.ready()
        assert np.degrees(rig.planner.limits.upper[2]) < 150 < np.degrees(rig.driver.arm.joints[2].upper)
        start = rig.driver.state().position
        goal = start.copy()
        goal[2] = np.radians(155)
        with pytest.raises(MotionError, match=rig.driver.arm.joint_names[2]):
            rig.planner.joint_motion(start, goal, rig.driver.hand_posture, 1.0)


def test_one_motion_at_a_time() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        for _ in range(2):
            with pytest.raises(HoldError, match="running"):
                rig.driver.correct(UP, STILL)
            with pytest.raises(HoldError, match="another motion is running"):
                rig.go(0.1)
        running.cancel.set()
        running.join()
        assert rig.emulator.wire.methods().count("MoveJ") == 1


def test_a_hold_is_sent_at_once_and_lasts() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.driver.hold(HoldError("emergency stop"))
        assert "StopMotion" in rig.emulator.wire.methods(at), "sent when hold returns"
        running.join()
        assert "emergency stop" in str(running.error)
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        with pytest.raises(HoldError, match="emergency stop"):
            rig.go(0.1)
        assert rig.faults == [], "an arm that brakes is not one that moves on hold"
        assert MOTIONS.isdisjoint(rig.emulator.wire.methods(at))
        rig.driver.enable()
        rig.go(0.1)


@pytest.mark.parametrize(("end", "phase"), [("hold", Phase.HOLD), ("disconnect", Phase.CLOSED)])
def test_an_arm_that_is_held_while_it_is_enabled_stays_so(end: str, phase: Phase) -> None:
    with ArmRig() as rig:
        rig.driver.connect()
        rig.emulator.faults.delays["RobotEnable"] = 0.2
        failed: list[Exception] = []

        def enable() -> None:
            try:
                rig.driver.enable()
            except VnbError as error:  # the hold, or whatever the end of the connection makes first
                failed.append(error)

        enabling = threading.Thread(target=enable)
        enabling.start()
        until(lambda: "RobotEnable" in rig.emulator.wire.methods())
        getattr(rig.driver, end)()
        enabling.join(10.0)
        assert failed and rig.driver.phase is phase and rig.driver.halted.is_set()


def test_whatever_ends_connecting_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with ArmRig() as rig:
        before = threading.active_count()
        monkeypatch.setattr(rig.driver, "_learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rig.driver.connect()
        assert rig.driver._controller is None and rig.driver._stream is None
        until(lambda: threading.active_count() <= before)
        monkeypatch.undo()
        rig.driver.connect()


def test_leaving_stops_a_motion_and_keeps_the_drives_on() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.driver.disconnect()
        running.join()
        assert rig.driver.phase is Phase.CLOSED
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        assert rig.emulator.wire.methods(at)[0] == "StopMotion"
        assert MOTIONS.isdisjoint(rig.emulator.wire.methods(at))
        assert rig.emulator.model.enabled
        time.sleep(PATIENT.stale_after + 0.1)
        with pytest.raises(SilenceError, match="s old"):
            rig.driver.state()


def test_leaving_an_arm_that_cannot_be_stopped_is_an_error_and_closes_all_the_same() -> None:
    with ArmRig() as rig:
        rig.ready()
        rig.emulator.inject("unstoppable")
        at = time.monotonic()
        with pytest.raises(LinkError, match="use its button"):
            rig.driver.disconnect()
        assert rig.emulator.wire.methods(at).count("StopMotion") >= 2
        assert rig.driver.phase is Phase.CLOSED
        rig.emulator.clear()
        rig.driver.connect()


def test_nothing_is_there_before_connecting() -> None:
    with ArmRig() as rig:
        with pytest.raises(SilenceError, match="connect first"):
            rig.driver.state()
        with pytest.raises(HoldError, match="not connected"):
            rig.driver.enable()
        with pytest.raises(HoldError, match="not connected"):
            rig.driver.require_planner()
        rig.driver.hold()
        rig.driver.disconnect()
        assert rig.emulator.wire.since() == []
