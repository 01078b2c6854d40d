"""The whole driver on a bus: threads, transitions, final frames, faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import ConfigError, DeviceFaultError, HardwareError, HoldError, LinkError, SilenceError
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort, VirtualPort
from vnb_hardware.hand.driver import HandDriver
from vnb_hardware.hand.frames import RIGHT_ID, FrameType
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.state import Mode
from vnb_hardware.hand.transport import BusSettings, HandBus

CLOSING = np.array([0.0, 0.2, 0.4, 0.4, 0.4, 0.4])
PATIENT = HandSettings(silence=1.5, tactile_silence=1.5, stuck_time=3.0)
"""For machines that are busy with other work; when exactly a hand counts as silent is tested in test_hand_core.py."""


HOLD_WITHIN = 0.1
"""From the detection of a fault to the hold on the wire: what the driver promises [s]."""


class Rig:
    """A driver and an emulated hand on one bus."""

    def __init__(self, channel: str, kind: str, settings: HandSettings | None = None) -> None:
        self.hand = EmulatedHand()
        port = VirtualPort(channel) if kind == "virtual" else SlcanPort()
        path = channel if isinstance(port, VirtualPort) else port.path
        bus = BusSettings(kind, path, send_timeout=2.0)
        self.server = HandServer(self.hand, port)
        self.faults: list[HardwareError] = []
        self.driver = HandDriver(lambda: HandBus(bus, RIGHT_ID), settings or PATIENT, self.faults.append)

    def positions(self, since: int = 0) -> list[bytes]:
        return [data for _, data in list(self.hand.heard)[since:] if data[0] == FrameType.POSITION]

    def require_hold_in_time(self) -> None:
        """The hold came in time after the detection, and no other position since."""
        at = self.driver.held_at
        sent = [(when, data) for when, data in list(self.hand.heard) if when >= at and data[0] == FrameType.POSITION]
        hold = sent[-1][1]
        first = next(i for i, (_, data) in enumerate(sent) if data == hold)  # what was on its way may come before it
        assert sent[first][0] - at < HOLD_WITHIN
        assert {data for _, data in sent[first:]} == {hold}

    def closing(self, until: Callable[[], bool], timeout: float = 30.0) -> None:
        """Close the fingers until something happens."""
        due = time.monotonic() + timeout
        while not until():
            assert time.monotonic() < due, f"it did not happen within {timeout} s: {self.driver.state()}"
            try:
                self.driver.command_velocity(CLOSING)
            except HoldError:
                time.sleep(0.001)
            time.sleep(0.02)

    def moved(self) -> bool:
        return bool(self.driver.state().q[2] > 0.05)


@contextmanager
def rig(request: pytest.FixtureRequest, kind: str = "virtual", settings: HandSettings | None = None) -> Iterator[Rig]:
    before = threading.active_count()
    made = Rig(request.node.name, kind, settings)
    try:
        yield made
    finally:
        made.driver.release()
        made.server.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["virtual", "slcan"])
def test_a_life(request: pytest.FixtureRequest, kind: str) -> None:
    with rig(request, kind) as r:
        identity = r.driver.connect()
        assert identity.serial == "LHL6-EMULATED-0-R-0"
        assert identity.versions["firmware_version"] == "3.1.0"
        assert not r.hand.heard, "connecting must not command anything"
        start = r.driver.state().q
        r.driver.enable()
        kinds = [data[0] for _, data in list(r.hand.heard)[:5]]
        assert kinds == [1, 1, 5, 5, 2]
        assert_allclose(r.driver.state().q, start)
        r.closing(r.moved)
        goal = np.array([0.3, 0.2, 0.5, 0.4, 0.3, 0.2])
        targets = r.driver.move_to(goal, 0.3)
        assert_allclose(targets, goal, atol=1e-9)
        assert_allclose(r.driver.state().q, goal, atol=0.021)
        r.driver.disable()
        final = r.positions()[-2:]
        assert final[0] == final[1]
        assert r.driver.state().mode is Mode.LISTENING
        heard = len(r.hand.heard)
        with pytest.raises(HoldError, match="not enabled"):
            r.driver.command_velocity(CLOSING)
        time.sleep(0.1)
        r.driver.release()
        assert len(r.hand.heard) == heard, "a disabled hand must hear nothing more"


def test_release_leaves_the_final_frames(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)
        r.driver.release()
        final = r.positions()[-2:]
        assert final[0] == final[1]
        time.sleep(0.1)
        assert r.positions()[-2:] == final
        table = r.driver.core.table
        assert_allclose(table.from_raw(tuple(final[0][1:])), r.hand.read(time.monotonic()).q, atol=0.05)


@pytest.mark.parametrize("end", ["disable", "release"])
def test_final_frames_come_after_what_is_just_being_sent_and_one_of_them_may_fail(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)
        bus, mine = r.driver._bus, threading.current_thread()
        assert bus is not None
        send, on_the_way, failed = bus.send, threading.Event(), []

        def slow(data: bytes) -> None:
            if threading.current_thread() is not mine:
                if data[0] == FrameType.POSITION and len(data) == 7:
                    on_the_way.set()
                    time.sleep(0.1)
            elif not failed:
                failed.append(data)
                raise LinkError("the queue is full")
            send(data)

        monkeypatch.setattr(bus, "send", slow)
        r.driver.command_velocity(CLOSING)
        assert on_the_way.wait(10.0)
        getattr(r.driver, end)()
        time.sleep(0.2)
        assert failed == r.positions()[-1:] == [r.driver.core.position_frame()]


def test_a_silent_hand_is_refused_and_the_bus_is_free_again(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.hand.faults.silent = True
        with pytest.raises(SilenceError, match="check power, the CAN wiring"):
            r.driver.connect()
        assert not r.hand.heard
        r.hand.faults.silent = False
        r.driver.connect()
        r.hand.faults.silent = True
        with pytest.raises(SilenceError):
            r.driver.enable()
        assert not r.hand.heard


FAULTS: dict[str, type[HardwareError]] = {
    "silent": SilenceError,
    "fault_bits": DeviceFaultError,
    "hot": DeviceFaultError,
    "stuck": DeviceFaultError,
    "bus_off": LinkError,
    "delay": SilenceError,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_while_moving_holds_the_hand_until_it_is_enabled_again(
    request: pytest.FixtureRequest, name: str
) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)
        r.hand.faults.switch(name)
        r.hand.faults.delay *= 10
        r.closing(lambda: bool(r.faults))
        assert isinstance(r.faults[0], FAULTS[name])
        assert r.driver.state().mode is Mode.HOLD
        if name != "bus_off":  # which carries nothing; the hold is sent on until it does
            r.closing(lambda: len([when for when, _ in list(r.hand.heard) if when >= r.driver.held_at]) > 5)
            r.require_hold_in_time()
        r.hand.faults.bus_off = r.hand.faults.silent = False
        r.hand.faults.delay = 0.0
        heard = len(r.hand.heard)
        r.closing(lambda: len(r.positions(heard)) > 10)  # commands are refused, and the hold is sent on
        assert len(set(r.positions(heard))) == 1
        assert len(r.faults) == 1, "it is reported once"
        r.hand.faults.stuck.clear()
        r.hand.faults.temperature.clear()
        r.driver.disable()
        r.driver.clear_faults()
        time.sleep(0.4)  # a round of health questions
        r.driver.enable()
        assert r.driver.state().mode is Mode.ENABLED


@pytest.mark.parametrize("name", ["drop_rows", "imposters", "foreign", "swap_fingers"])
def test_what_is_no_fault_of_the_hand_neither_misleads_nor_stops_it(request: pytest.FixtureRequest, name: str) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)
        before = r.driver.state()
        r.hand.faults.switch(name)
        closed = r.driver.core.table.from_raw((0,) * 6)
        seen: list[float] = []

        def noticed() -> bool:
            now = r.driver.state()
            seen.append(float(np.abs(now.q - closed).max()))
            counted = {"drop_rows": now.dropped_rows - before.dropped_rows, "foreign": now.foreign - before.foreign}
            return counted.get(name, len(seen)) > 10

        r.closing(noticed)
        assert min(seen) > 0.2, "a frame of zeros reads as closed"
        assert r.driver.state().mode is Mode.ENABLED and not r.faults
        assert_allclose(r.driver.state().q, r.hand.read(time.monotonic()).q, atol=0.1)


def test_hold_from_another_thread(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        failed: list[Exception] = []

        def go() -> None:
            try:
                r.driver.move_to(np.full(6, 0.8), 5.0)
            except HoldError as error:
                failed.append(error)

        mover = threading.Thread(target=go)
        mover.start()
        while not r.moved():
            time.sleep(0.01)
        r.driver.hold(None, "emergency stop")
        mover.join(2.0)
        time.sleep(0.1)
        r.require_hold_in_time()
        assert "emergency stop" in str(failed[0])
        assert not r.faults, "who holds it knows"
        assert (r.driver.state().q < 0.7).all()


def test_one_motion_to_a_goal_at_a_time(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        refused: list[str] = []

        def try_another(share: float) -> bool:
            try:
                r.driver.move_to(np.full(6, 0.1), 1.0)
            except HoldError as error:
                refused.append(str(error))
            return False

        r.driver.move_to(np.full(6, 0.8), 5.0, try_another)
        assert "moving to another goal" in refused[0]
        r.driver.move_to(np.full(6, 0.1), 0.1)


def test_a_motion_stops_when_whoever_follows_it_fails(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        with pytest.raises(ZeroDivisionError):
            r.driver.move_to(np.full(6, 0.8), 5.0, lambda share: bool(1 / 0))
        assert r.driver.core.servo.line is None
        assert (r.driver.state().target < 0.7).all()
        assert r.driver.state().mode is Mode.ENABLED


def test_a_motion_that_another_command_ends_has_not_arrived(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()

        def interfere(share: float) -> bool:
            r.driver.command_velocity(np.zeros(6))
            return True

        with pytest.raises(HoldError, match="ended by another command"):
            r.driver.move_to(np.full(6, 0.8), 5.0, interfere)
        assert r.driver.state().mode is Mode.ENABLED


def test_a_motion_stops_when_it_is_told_to(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.driver.move_to(np.full(6, 0.8), 2.0, lambda share: share < 0.2)
        assert (r.driver.state().target < 0.5).all()
        assert r.driver.state().mode is Mode.ENABLED


def test_a_bug_in_a_thread_holds_the_hand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)

        def broken(*_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(r.driver.core, "receive", broken)
        r.closing(lambda: bool(r.faults))
        assert "RuntimeError: a bug" in str(r.faults[0])
        assert r.driver.state().mode is Mode.HOLD


def test_who_is_told_of_a_fault_may_fail(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> None:
    with rig(request) as r:
        r.driver._on_fault = lambda error: r.faults[0]
        r.driver.connect()
        r.driver.enable()
        r.closing(r.moved)
        r.hand.faults.switch("fault_bits")
        r.closing(lambda: "IndexError" in caplog.text)
        heard = len(r.hand.heard)
        r.closing(lambda: len(r.positions(heard)) > 10)
        assert len(set(r.positions(heard))) == 1, "the hold is sent on"
        assert all(thread.is_alive() for thread in r.driver._threads)


def test_what_is_refused() -> None:
    with pytest.raises(LinkError, match="can77"):
        HandDriver(lambda: HandBus(BusSettings("socketcan", "can77"), RIGHT_ID)).connect()
    with pytest.raises(LinkError, match="not connected"):
        HandDriver(lambda: HandBus(BusSettings("virtual", "x"), RIGHT_ID)).enable()
    with pytest.raises(ConfigError, match="socketcan, slcan, virtual"):
        BusSettings("pcan")
    with pytest.raises(ConfigError, match="gap"):
        BusSettings(gap=1.0)


def test_faults_are_cleared_only_while_not_enabled(request: pytest.FixtureRequest) -> None:
    with rig(request) as r:
        r.driver.connect()
        r.driver.enable()
        with pytest.raises(HardwareError, match="disable it first"):
            r.driver.clear_faults()
