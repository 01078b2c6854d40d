"""The driver's core against an emulated hand in simulated time: what is on the wire when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import DeviceFaultError, HoldError, LinkError, NonFiniteError, SilenceError
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.plant import FreeFingers
from vnb_hardware.hand.core import HandCore
from vnb_hardware.hand.frames import FINGER_TYPES, RIGHT_ID, FrameType
from vnb_hardware.hand.joints import load_table
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.state import Mode

STEP = 0.001
HOLD_WITHIN = 0.1
CLOSING = np.array([0.0, 0.2, 0.4, 0.4, 0.4, 0.4])
MIDDLE = 3


class Bench:
    """A core and an emulated hand, joined without a bus, in steps of one millisecond."""

    def __init__(self, settings: HandSettings | None = None, obstacle: np.ndarray | None = None) -> None:
        self.table = load_table("l6_v31")
        self.hand = EmulatedHand(self.table, FreeFingers(self.table, obstacle=obstacle))
        self.core = HandCore(settings or HandSettings())
        self.now = 0.0
        self.sent: list[tuple[float, bytes]] = []
        self.link = True

    def run(self, duration: float, every: Callable[[], None] | None = None) -> None:
        for k in range(round(duration / STEP)):
            self.now += STEP
            if every is not None and k % 40 == 0:
                every()
            for data in self.core.poll(self.now):
                self.sent.append((self.now, data))
                if not self.link:
                    self.core.lost("the bus is gone", self.now)
                    break
                for can_id, answer in self.hand.receive(RIGHT_ID, data, self.now):
                    self.core.receive(can_id, answer, self.now)

    def enable(self) -> None:
        self.run(0.4)
        self.core.enable(self.now)

    def close_fingers(self, duration: float) -> None:
        def command() -> None:
            if self.core.mode is Mode.ENABLED:
                self.core.command_velocity(CLOSING, None, self.now)

        self.run(duration, command)

    def commands(self, kind: FrameType = FrameType.POSITION, since: float = 0.0) -> list[tuple[float, bytes]]:
        return [(t, data) for t, data in self.sent if t > since and data[0] == kind and len(data) == 7]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- listening and enabling -------------------------------------------------------------------------------------------


def test_listening_sends_questions_only(bench: Bench) -> None:
    bench.run(1.0)
    assert {len(data) for _, data in bench.sent} == {1, 2}
    assert not bench.hand.heard
    state = bench.core.state(bench.now)
    assert_allclose(state.q, bench.table.open, atol=1e-9)
    assert_allclose(state.temperature, 35)
    assert np.isfinite(state.tactile_times).all()


def test_a_silent_hand_is_not_enabled_and_hears_no_command(bench: Bench) -> None:
    bench.hand.faults.silent = True
    bench.run(0.5)
    with pytest.raises(SilenceError, match="does not say where it stands"):
        bench.core.enable(bench.now)
    bench.run(0.5)
    assert not bench.hand.heard


def test_a_hand_with_a_fault_is_not_enabled(bench: Bench) -> None:
    bench.hand.faults.switch("fault_bits")
    bench.run(0.5)
    with pytest.raises(DeviceFaultError, match="middle_mcp_pitch reports a fault: phase b overcurrent"):
        bench.core.enable(bench.now)
    assert not bench.hand.heard


def test_the_first_command_is_the_measured_pose(bench: Bench) -> None:
    pose = np.array([0.4, 0.3, 0.7, 0.6, 0.5, 0.2])
    assert isinstance(bench.hand.plant, FreeFingers)
    bench.hand.plant.q = pose.copy()
    bench.hand.plant.drive(pose, np.ones(6), np.ones(6))
    bench.enable()
    bench.run(0.1)
    assert bench.commands()[0][1] == bytes([1, *bench.table.to_raw(pose)])
    assert {data for _, data in bench.commands()} == {bench.commands()[0][1]}


# --- moving -----------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_settings(bench: Bench) -> None:
    bench.enable()
    start = bench.now
    bench.close_fingers(1.0)
    assert len(bench.commands(since=start)) == 50
    tactile = [data[0] for t, data in bench.sent if t > start and data[0] in FINGER_TYPES]
    assert [tactile.count(kind) for kind in FINGER_TYPES] == [25] * 5
    positions = [t for t, data in bench.sent if t > start and data == b"\x01"]
    assert len(positions) == 25


def test_sweeps_rotate_and_are_spaced(bench: Bench) -> None:
    bench.run(0.12)
    tactile = [(t, data[0] - FINGER_TYPES[0]) for t, data in bench.sent if data[0] in FINGER_TYPES][:10]
    assert [finger for _, finger in tactile] == [0, 1, 2, 3, 4, 1, 2, 3, 4, 0]
    assert (np.diff([t for t, _ in tactile[:5]]) >= 0.0025 - STEP / 2 - 1e-9).all()


def test_velocities_move_the_fingers_and_stale_ones_do_not(bench: Bench) -> None:
    bench.enable()
    bench.close_fingers(1.0)
    reached = bench.core.state(bench.now).target
    assert_allclose(reached - bench.table.open, CLOSING * 1.0, atol=0.01)
    bench.run(2.0)
    state = bench.core.state(bench.now)
    assert_allclose(state.target, reached, atol=0.4 * 0.04)
    assert_allclose(state.q, state.target, atol=0.01)
    assert state.mode is Mode.ENABLED
    assert any("commands are stale" in text for text in state.warnings)


def test_effort_limits_reach_the_wire(bench: Bench) -> None:
    bench.enable()
    half = bench.core.servo.full_torque / 2
    bench.core.command_velocity(np.zeros(6), half, bench.now)
    bench.run(0.05)
    assert bench.commands(FrameType.TORQUE)[-1][1] == bytes([2] + [128] * 6)


@pytest.mark.parametrize(("share", "byte"), [(1e-6, 1), (0.4, 102), (1.0, 255)])
def test_speed_limits_are_never_zero_on_the_wire(share: float, byte: int) -> None:
    speed, _ = HandCore(HandSettings(speed=share)).limit_frames()
    assert speed == bytes([5] + [byte] * 6)


def test_a_gripped_object_stops_the_fingers_without_a_fault(bench: Bench) -> None:
    bench = Bench(obstacle=np.array([9, 9, 0.5, 0.5, 9, 9]))
    bench.enable()
    bench.close_fingers(3.0)
    state = bench.core.state(bench.now)
    assert state.mode is Mode.ENABLED
    assert state.contact.tolist() == [False, True, True, False, False]
    assert_allclose(state.q[2:4], 0.5, atol=0.005)
    assert (state.target[2:4] > 0.5).all()
    assert (state.target[2:4] <= 0.5 + bench.core.servo.lead[2:4] + 0.01).all()


def test_contact_gate_stops_at_touch() -> None:
    obstacle = np.array([9, 9, 0.5, 9, 9, 9])
    pressed = []
    for gated in (False, True):
        bench = Bench(HandSettings(contact_gated=gated), obstacle)
        bench.enable()
        bench.close_fingers(2.0)
        pressed.append(bench.core.state(bench.now).target[2] - 0.5)
    assert 0 < pressed[1] < 0.75 * pressed[0]


def test_a_line_ends_at_its_goal(bench: Bench) -> None:
    bench.enable()
    goal = np.array([0.9, 0.4, 0.8, 0.7, 0.6, 0.5])
    bench.core.command_line(goal, 1.0, bench.now)
    bench.run(1.5)
    assert_allclose(bench.core.state(bench.now).q, goal, atol=0.005)


# --- faults while moving ----------------------------------------------------------------------------------------------


def hold_after(
    bench: Bench, inject: Callable[[], None], wait: float = 1.5, margin: float = STEP / 2
) -> tuple[float, bytes]:
    """Inject a fault while the fingers close; return when the hand went on hold, and the frame that holds it."""
    bench.enable()
    bench.close_fingers(0.6)
    assert bench.core.mode is Mode.ENABLED
    inject()
    start = bench.now
    while bench.core.mode is Mode.ENABLED and bench.now < start + wait:
        bench.close_fingers(STEP)
    detected = bench.now
    bench.close_fingers(1.0)
    after = bench.commands(since=detected - margin)
    assert bench.core.mode is Mode.HOLD
    assert after[0][0] - detected <= HOLD_WITHIN
    assert {data for _, data in after} == {after[0][1]}, "something moved after the hold"
    with pytest.raises(HoldError, match="on hold"):
        bench.core.command_velocity(CLOSING, None, bench.now)
    return detected - start, after[0][1]


def test_silence(bench: Bench) -> None:
    def inject() -> None:
        bench.hand.faults.silent = True

    delay, _ = hold_after(bench, inject)
    assert delay <= bench.core.settings.silence + 0.05
    assert isinstance(bench.core.error, SilenceError)


def test_fault_bits(bench: Bench) -> None:
    _, frame = hold_after(bench, lambda: bench.hand.faults.switch("fault_bits"))
    assert isinstance(bench.core.error, DeviceFaultError)
    assert "overcurrent" in bench.core.reason
    assert_allclose(bench.table.from_raw(tuple(frame[1:])), bench.core.state(bench.now).q, atol=0.05)


def test_overheating(bench: Bench) -> None:
    hold_after(bench, lambda: bench.hand.faults.switch("hot"))
    assert "80 degC, the limit is 75 degC" in bench.core.reason


def test_a_warm_motor_is_only_a_warning(bench: Bench) -> None:
    bench.hand.faults.temperature[MIDDLE] = 65
    bench.enable()
    bench.close_fingers(0.5)
    state = bench.core.state(bench.now)
    assert state.mode is Mode.ENABLED
    assert state.warnings == ("the motor of middle_mcp_pitch is at 65 degC",)


def test_a_stuck_joint(bench: Bench) -> None:
    hold_after(bench, lambda: bench.hand.faults.stuck.add(MIDDLE), wait=3.0)
    assert isinstance(bench.core.error, DeviceFaultError)
    assert bench.core.reason.startswith("middle_mcp_pitch does not follow")


def test_a_lost_bus(bench: Bench) -> None:
    def inject() -> None:
        bench.link = False

    hold_after(bench, inject, margin=-STEP / 2)  # what could not be sent does not count
    assert isinstance(bench.core.error, LinkError)
    bench.link = True  # the bus comes back: it is still on hold
    bench.run(1.0)
    assert bench.core.mode is Mode.HOLD


def test_a_late_hand_is_a_silent_hand(bench: Bench) -> None:
    """Answers that are older than the limit do not count, although they keep coming."""
    bench.enable()
    bench.run(0.2)
    assert bench.core.fresh(bench.now)
    assert not bench.core.fresh(bench.now + 0.2)


def test_hold_on_request_is_the_next_frame(bench: Bench) -> None:
    bench.enable()
    bench.close_fingers(0.5)
    bench.core.hold(None, "emergency stop", bench.now)
    frame = bench.core.poll(bench.now + STEP)[0]
    assert frame[0] == FrameType.POSITION and len(frame) == 7
    assert_allclose(bench.table.from_raw(tuple(frame[1:])), bench.core.state(bench.now).q, atol=0.003)


def test_hold_does_not_drop_what_is_held() -> None:
    bench = Bench(obstacle=np.array([9, 9, 0.5, 0.5, 9, 9]))
    bench.enable()
    bench.close_fingers(3.0)
    squeeze = bench.core.state(bench.now).target
    bench.core.hold(None, "emergency stop", bench.now)
    held = bench.core.state(bench.now)
    assert_allclose(held.target[2:4], squeeze[2:4])
    assert_allclose(held.target[4:], held.q[4:], atol=1e-9)


def test_the_first_reason_is_kept(bench: Bench) -> None:
    bench.enable()
    bench.core.hold(LinkError("first"), "first", bench.now)
    bench.core.hold(SilenceError("second"), "second", bench.now)
    assert bench.core.reason == "first"


# --- odd traffic ------------------------------------------------------------------------------------------------------


def test_look_alikes_and_foreign_frames_change_nothing(bench: Bench) -> None:
    bench.hand.faults.imposters = bench.hand.faults.foreign = True
    bench.enable()
    bench.close_fingers(1.0)
    state = bench.core.state(bench.now)
    assert state.mode is Mode.ENABLED
    assert_allclose(state.q - bench.table.open, CLOSING, atol=0.05)
    assert state.foreign > 100
    assert np.isfinite(state.tactile_times).all()


def test_old_pads_are_not_known_to_touch_and_nothing_is_dropped() -> None:
    obstacle = np.array([9, 9, 0.5, 9, 9, 9])
    bench = Bench(obstacle=obstacle)
    bench.enable()
    bench.close_fingers(2.0)
    before = bench.core.state(bench.now)
    assert before.contact[1] and before.tactile_known.all()
    bench.hand.faults.drop_rows = 1.0
    bench.run(0.3)
    state = bench.core.state(bench.now)
    assert not state.contact.any() and not state.tactile_known.any()
    bench.core.hold(None, "emergency stop", bench.now)
    assert_allclose(bench.core.state(bench.now).target, state.target)


def test_contact_gate_stops_where_pads_are_not_known() -> None:
    bench = Bench(HandSettings(contact_gated=True))
    bench.enable()
    bench.close_fingers(0.4)
    bench.hand.faults.drop_rows = 1.0
    bench.close_fingers(0.4)
    before = bench.core.state(bench.now).target
    bench.close_fingers(0.4)
    assert_allclose(bench.core.state(bench.now).target, before)


CLOSED = bytes([1, 0, 0, 0, 0, 0, 0])


def test_one_position_that_cannot_be_is_not_believed_and_moves_nothing(bench: Bench) -> None:
    bench.enable()
    bench.run(0.1)
    still = bench.commands()[-1][1]
    bench.core.receive(RIGHT_ID, CLOSED, bench.now)
    bench.core.hold(None, "emergency stop", bench.now)
    bench.run(0.1)
    assert {data for _, data in bench.commands()} == {still}
    state = bench.core.state(bench.now)
    assert_allclose(state.q, bench.table.open, atol=1e-9)
    assert state.doubts == 1


def test_a_position_that_is_confirmed_is_believed(bench: Bench) -> None:
    bench.run(0.4)
    for _ in range(2):
        bench.now += 0.04
        bench.core.receive(RIGHT_ID, CLOSED, bench.now)
    state = bench.core.state(bench.now)
    assert_allclose(state.q, bench.table.closed)
    assert_allclose(state.qd, 0)
    assert state.q_time == bench.now


def test_positions_that_contradict_each_other_are_silence(bench: Bench) -> None:
    bench.enable()
    bench.hand.faults.silent = True
    half = bytes([1, 128, 128, 128, 128, 128, 128])
    for k in range(6):
        bench.run(0.04)
        bench.core.receive(RIGHT_ID, half if k % 2 else CLOSED, bench.now)
    assert isinstance(bench.core.error, SilenceError)


def test_dropped_rows_make_pads_old_not_wrong(bench: Bench) -> None:
    bench.hand.faults.drop_rows = 1.0
    bench.enable()
    bench.run(1.5)
    state = bench.core.state(bench.now)
    assert state.mode is Mode.ENABLED
    assert any("no tactile readings of thumb, index, middle, ring, pinky" in text for text in state.warnings)


def test_nonsense_is_refused_and_the_hand_stays_enabled(bench: Bench) -> None:
    bench.enable()
    before = bench.core.state(bench.now).target
    with pytest.raises(NonFiniteError):
        bench.core.command_velocity(np.full(6, np.nan), None, bench.now)
    bench.run(0.1)
    assert_allclose(bench.core.state(bench.now).target, before)


def test_the_same_story_gives_the_same_bytes() -> None:
    stories = []
    for _ in range(2):
        bench = Bench()
        bench.hand.faults.drop_rows = 0.2
        bench.enable()
        bench.close_fingers(0.5)
        stories.append(bench.sent)
    assert stories[0] == stories[1]
