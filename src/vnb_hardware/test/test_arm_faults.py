"""Every fault while the arm moves: the stop is on the wire, the error says what, and nothing comes back into motion."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vnb_grasp.errors import (
    DeviceFaultError,
    HardwareError,
    HoldError,
    LinkError,
    MotionError,
    SilenceError,
    VnbError,
)
from vnb_hardware.arm.driver import Phase
from vnb_hardware.emulators.arm.testing import MOTIONS, PATIENT, ArmRig, until
from vnb_hardware.emulators.arm.wire import Sent

LOST = [("fin", LinkError), ("rst", LinkError), ("silence", SilenceError), ("stale", SilenceError)]
FAULTS = [
    ("safety_stop", DeviceFaultError),
    ("emergency_stop", DeviceFaultError),
    ("joint_limit", DeviceFaultError),
    ("collision", DeviceFaultError),
    ("disabled", DeviceFaultError),
    ("manual", HoldError),
]
STOP = b"<methodName>StopMotion</methodName>"
UP = np.array([0.0, 0.0, 0.02])


HOLD_WITHIN = 0.1
"""From the detection of a fault to the stop on the wire: what the driver promises [s]."""


def is_stop(sent: Sent) -> bool:
    return sent.channel == "rpc" and STOP in sent.data


def is_text_stop(sent: Sent) -> bool:
    return sent.channel == "text" and b"III102III4IIIStopIII" in sent.data


def is_any_stop(sent: Sent) -> bool:
    return is_stop(sent) or is_text_stop(sent)


def require_stopped(rig: ArmRig, at: float) -> None:
    """The stop came, no motion after it, and the arm stands."""
    assert rig.emulator.wire.wait_for(is_any_stop, at, 5.0) is not None
    until(lambda: rig.driver.phase is Phase.HOLD)
    until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
    time.sleep(0.1)
    last = max(sent.at for sent in rig.emulator.wire.since(at) if is_any_stop(sent))
    assert MOTIONS.isdisjoint(rig.emulator.wire.methods(last))


def require_in_time(rig: ArmRig, at: float, which: Callable[[Sent], bool] = is_stop) -> None:
    """From the detection to the stop on the wire it took no longer than promised."""
    stop = rig.emulator.wire.wait_for(which, at, 5.0)
    assert stop is not None
    assert rig.driver.fault_at >= at
    assert 0 <= stop.at - rig.driver.fault_at < HOLD_WITHIN


def require_hold(rig: ArmRig) -> None:
    """Motion is refused, before anything is sent, and for as long as nobody enables."""
    at = time.monotonic()
    with pytest.raises((HoldError, SilenceError)):
        rig.driver.run(rig.turn(0.1), lambda: False, lambda *_: None)
    with pytest.raises(HoldError):
        rig.driver.correct(UP, np.zeros(3))
    time.sleep(0.1)
    assert MOTIONS.isdisjoint(rig.emulator.wire.methods(at))


@pytest.mark.parametrize(("name", "kind"), [*LOST, ("garbage", LinkError)])
@pytest.mark.parametrize("stream", ["cnde", "legacy"])
def test_a_lost_stream_stops_the_arm(name: str, kind: type[VnbError], stream: str) -> None:
    with ArmRig(replace(PATIENT, stream=stream)) as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.emulator.inject(name)
        running.join()
        assert isinstance(running.error, kind)
        require_in_time(rig, at)
        require_stopped(rig, at)
        until(lambda: rig.faults)
        assert running.error.code == rig.faults[0].code
        rig.emulator.clear()
        require_hold(rig)
        with pytest.raises(LinkError, match="disconnect and connect"):
            rig.driver.enable()
        rig.driver.disconnect()
        rig.ready()
        assert rig.driver.phase is Phase.READY
        rig.driver.run(rig.turn(0.05), lambda: False, lambda *_: None)


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_fault_of_the_controller_stops_the_arm(name: str, kind: type[VnbError]) -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.emulator.inject(name)
        running.join()
        assert isinstance(running.error, kind)
        require_in_time(rig, at)
        require_stopped(rig, at)
        until(lambda: rig.faults)
        assert rig.faults[0].code == kind.code
        rig.emulator.clear()
        require_hold(rig)
        if name in ("joint_limit", "collision"):
            with pytest.raises(DeviceFaultError, match="reset the errors"):
                rig.driver.enable()
        rig.driver.reset_errors()
        assert rig.driver.phase is Phase.HOLD
        require_hold(rig)
        rig.driver.enable()
        rig.driver.run(rig.turn(0.05), lambda: False, lambda *_: None)


@pytest.mark.parametrize(("name", "kind"), [*LOST, *FAULTS])
def test_a_fault_ends_a_streamed_correction(name: str, kind: type[VnbError]) -> None:
    with ArmRig() as rig:
        rig.ready()
        begin = time.monotonic()
        rig.driver.correct(UP, np.zeros(3))
        until(lambda: "ServoJ" in rig.emulator.wire.methods(begin))
        at = time.monotonic()
        rig.emulator.inject(name)
        until(lambda: rig.driver.phase is Phase.HOLD)
        require_in_time(rig, at)
        require_stopped(rig, at)
        until(lambda: rig.faults)
        assert isinstance(rig.driver.fault, kind | HardwareError)
        until(lambda: rig.emulator.wire.methods(at)[-1] in ("MotionQueueClear", "ServoMoveEnd"))
        require_hold(rig)


def test_a_stuck_joint_is_noticed() -> None:
    with ArmRig(replace(PATIENT, stall_after=0.4)) as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.emulator.inject("stuck_joint")
        running.join()
        assert isinstance(running.error, MotionError)
        require_in_time(rig, at)
        require_stopped(rig, at)


def test_a_slow_controller_still_gets_the_stop_at_once_and_by_the_second_way() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        at = time.monotonic()
        rig.emulator.inject("slow")
        running.cancel.set()
        assert rig.emulator.wire.wait_for(is_stop, at, 5.0) is not None
        assert rig.emulator.wire.wait_for(is_text_stop, at, 5.0) is not None
        running.join()
        assert running.error is None
        assert np.abs(rig.emulator.model.velocity).max() == 0.0


def test_a_command_without_an_answer_is_sent_once_and_its_late_motion_is_stopped() -> None:
    with ArmRig() as rig:
        rig.ready()
        at, start = time.monotonic(), rig.emulator.model.position
        rig.emulator.faults.delays["MoveJ"] = 1.2
        with pytest.raises(SilenceError, match="may have been carried out"):
            rig.driver.run(rig.turn(), lambda: False, lambda *_: None)
        until(lambda: np.abs(rig.emulator.model.position - start).max() > 1e-6)  # the controller carries it out late
        until(lambda: rig.emulator.wire.methods(at).count("StopMotion") >= 2)
        until(lambda: np.abs(rig.emulator.model.velocity).max() == 0.0)
        assert rig.emulator.wire.methods(at).count("MoveJ") == 1
        assert rig.driver.phase is Phase.HOLD


@pytest.mark.parametrize(("name", "kind"), [("oversized", LinkError), ("hostile", LinkError), ("slow", SilenceError)])
def test_a_bad_answer_to_a_motion_ends_in_a_hold(name: str, kind: type[VnbError]) -> None:
    with ArmRig() as rig:
        rig.ready()
        plan, at = rig.turn(), time.monotonic()
        rig.emulator.inject(name)
        with pytest.raises(kind):
            rig.driver.run(plan, lambda: False, lambda *_: None)
        require_in_time(rig, at, is_any_stop)
        assert rig.emulator.wire.wait_for(is_text_stop, at, 5.0) is not None
        assert rig.emulator.wire.methods(at).count("MoveJ") == 1
        assert rig.driver.phase is Phase.HOLD


def test_a_controller_that_vanishes_gets_the_stop_as_soon_as_it_is_back() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        rig.emulator.inject("refuse")
        running.join()
        assert isinstance(running.error, LinkError)
        until(lambda: rig.faults)
        assert "use its button" in str(rig.faults[0])
        at = time.monotonic()
        rig.emulator.clear()
        require_stopped(rig, at)


def test_split_frames_are_no_fault() -> None:
    with ArmRig() as rig:
        rig.ready()
        rig.emulator.inject("split")
        rig.driver.run(rig.turn(0.1), lambda: False, lambda *_: None)
        assert rig.driver.phase is Phase.READY
        assert rig.driver.counters.rejected_bytes == 0
        assert rig.faults == []


def test_faults_before_enabling_send_nothing() -> None:
    with ArmRig() as rig:
        rig.driver.connect()
        at = time.monotonic()
        rig.emulator.inject("rst")
        until(lambda: rig.faults)
        rig.driver.hold()
        rig.driver.disconnect()
        assert rig.emulator.wire.methods(at) == []


def test_a_hold_that_does_not_get_through_is_sent_until_it_does() -> None:
    with ArmRig() as rig:
        rig.ready().begin()
        rig.emulator.inject("unstoppable")
        with pytest.raises(LinkError, match="use its button"):
            rig.driver.hold()
        at = time.monotonic()
        rig.emulator.clear()
        require_stopped(rig, at)


def test_a_cancel_that_does_not_get_through_is_a_fault() -> None:
    with ArmRig() as rig:
        running = rig.ready().begin()
        rig.emulator.inject("unstoppable")
        running.cancel.set()
        running.join()
        assert isinstance(running.error, LinkError)
        at = time.monotonic()
        rig.emulator.clear()
        require_stopped(rig, at)
        require_hold(rig)


def test_a_motion_that_nobody_watches_any_more_is_stopped() -> None:
    def feedback(progress: float, _: object) -> None:
        raise RuntimeError("whoever asked is gone")

    with ArmRig() as rig:
        rig.ready()
        plan, at = rig.turn(), time.monotonic()
        with pytest.raises(RuntimeError):
            rig.driver.run(plan, lambda: False, feedback)
        require_stopped(rig, at)
        assert "whoever asked is gone" in str(rig.driver.fault)
