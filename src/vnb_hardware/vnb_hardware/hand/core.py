"""The driver without input and output: what to send when, what was heard, and what follows from it.

Everything here happens in calls with the time as an argument, so that it can be tested to the byte. :mod:`.driver` adds
threads and a bus.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from vnb_grasp.description import ACTUATED_JOINTS, FINGERS, HandDescription, load_hand
from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, LinkError, SilenceError
from vnb_hardware.hand import frames
from vnb_hardware.hand.frames import FrameType, SerialChunk, SixValues, TactileRow, Version
from vnb_hardware.hand.joints import WIRE_ORDER, load_table, reorder
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.state import HandState, Identity, Mode
from vnb_hardware.hand.tactile import TactileAssembler
from vnb_hardware.hand.target import FINGER_OF_JOINT, Array, Flags, TargetServo, contact_of

FULL_CURRENT = 1400.0
"""Motor current at byte 255 [mA]."""
_BYTE = 255
_NO_MOTION = 2.0
"""Counts that a stuck joint may seem to move."""
_ROUNDING = 4.0
"""Counts by which two positions may differ beside what the motors can move."""
_HEALTH = (FrameType.CURRENT, FrameType.FAULT, FrameType.CURRENT, FrameType.TEMPERATURE)
"""Questions about the motors in turn; the current comes twice because stuck joints are told by it."""


class HandCore:
    """Schedules frames, digests replies, keeps the targets, and goes on hold when something is wrong.

    Args:
        settings: Of the driver.
        hand: Description; None takes the one that belongs to the joint table.

    Attributes:
        held_at: When an enabled hand was last put on hold, on the clock of the calls [s]; 0 if it never was.
    """

    def __init__(self, settings: HandSettings, hand: HandDescription | None = None) -> None:
        self.settings = settings
        self.table = load_table(settings.table)
        self.hand = hand or load_hand(self.table.description)
        self.servo = TargetServo(self.hand, self.table, settings)
        self.mode = Mode.LISTENING
        self.error: HardwareError | None = None
        self.reason = ""
        self.held_at = 0.0
        self.identity = Identity()
        self.raw: tuple[int, ...] | None = None
        self._q = self.table.open.copy()
        self._qd = np.zeros(len(ACTUATED_JOINTS))
        self._q_time = -np.inf
        self._full_speed = np.array([joint.speed_limit for joint in self.hand.actuated])
        self._doubted: tuple[Array, float] | None = None
        self._doubts = 0
        self._tactile = TactileAssembler(settings.tactile_assembly == "whole")
        self._temperature = np.full(len(ACTUATED_JOINTS), np.nan)
        self._current = np.full(len(ACTUATED_JOINTS), np.nan)
        self._faults = np.zeros(len(ACTUATED_JOINTS), dtype=np.int64)
        self._fault_time = -np.inf
        self._serial: dict[int, bytes] = {}
        self._foreign = 0
        self._commanded = -np.inf
        self._stiff = False
        self._behind_since = np.full(len(ACTUATED_JOINTS), np.inf)
        self._behind_at = self._q.copy()
        self._sent_torque: tuple[int, ...] | None = None
        self._due = {"command": -np.inf, "position": -np.inf, "tactile": -np.inf, "health": -np.inf}
        self._sweep: deque[tuple[float, int]] = deque()
        self._sweeps = self._health = 0
        self._urgent: deque[bytes] = deque()
        self._listening_since: float | None = None

    # --- from the hand ------------------------------------------------------------------------------------------------

    def receive(self, can_id: int, data: bytes, now: float) -> None:
        """Digest one frame from the bus; what is not a reply of this hand only counts as foreign."""
        reply = frames.decode(can_id, data, self.settings.hand_id)
        if isinstance(reply, SixValues):
            self._take_values(reply, now)
        elif isinstance(reply, TactileRow):
            self._tactile.add(reply, now)
        elif isinstance(reply, SerialChunk):
            self._serial[reply.index] = reply.text
            text = b"".join(self._serial.get(i, b"") for i in range(frames.SERIAL_CHUNKS))
            self.identity.serial = text.rstrip(b"\0").decode("ascii", errors="replace")
        elif isinstance(reply, Version):
            self.identity.versions[reply.type.name.lower()] = ".".join(map(str, reply.number))
        else:
            self._foreign += 1

    def _take_values(self, reply: SixValues, now: float) -> None:
        if reply.type == FrameType.POSITION:
            self._take_position(reply.values, now)
        elif reply.type == FrameType.TEMPERATURE:
            self._temperature = reorder(reply.values)
        elif reply.type == FrameType.CURRENT:
            self._current = reorder(reply.values) * FULL_CURRENT / _BYTE
        elif reply.type == FrameType.FAULT:
            self._faults = reorder(reply.values).astype(np.int64)
            self._fault_time = now

    def _take_position(self, raw: tuple[int, ...], now: float) -> None:
        """Take a position that the fingers can have reached; another one only if the next one agrees with it."""
        q, before, then = self.table.from_raw(raw), self._q, self._q_time
        if self.raw is not None and not self._reachable(q, before, now - then):
            doubted, self._doubted = self._doubted, (q, now)
            if doubted is None or not self._reachable(q, doubted[0], now - doubted[1]):
                self._doubts += 1
                return
            before, then = doubted
        age = now - then
        if self.raw is not None and age > 0:
            self._qd = (q - before) / age if age < self.settings.silence else np.zeros_like(q)
        self._q, self._q_time, self.raw, self._doubted = q, now, raw, None

    def _reachable(self, q: Array, before: Array, age: float) -> bool:
        """Whether the fingers can have moved from ``before`` to ``q``, at their full speed, between two answers."""
        period = self.settings.position_period
        way = self._full_speed * min(max(age, period), 2 * period) + _ROUNDING * self.table.resolution
        return bool((np.abs(q - before) <= way).all())

    # --- to the hand --------------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[bytes]:
        """Return the frames to send now, after checking that all is well."""
        if self._listening_since is None:
            self._listening_since = now
        self._check(now)
        result = list(self._urgent)
        self._urgent.clear()
        if self._is_due("command", self.settings.command_period, now) and self.mode is not Mode.LISTENING:
            result += self._command_frames(now)
        if self._is_due("position", self.settings.position_period, now):
            result.append(frames.request(FrameType.POSITION))
        if self._is_due("health", self.settings.health_period, now):
            result.append(frames.request(_HEALTH[self._health % len(_HEALTH)]))
            self._health += 1
        return result + self._tactile_requests(now)

    def next_due(self) -> float:
        """Return when :meth:`poll` has something to do again."""
        return min(*self._due.values(), self._sweep[0][0] if self._sweep else np.inf)

    def _is_due(self, what: str, period: float, now: float) -> bool:
        due = self._due[what]
        if now < due:
            return False
        # A late call does not make the next ones hurry; a punctual one keeps the rate.
        self._due[what] = due + period if now - due < period else now + period
        return True

    def _command_frames(self, now: float) -> list[bytes]:
        if self.mode is Mode.ENABLED:
            self._advance(now)
            if not self._stiff and self.servo.line is None and now - self._commanded > self.settings.stiffen_after:
                self.servo.stiffen(self._q)
                self._stiff = True
        before, torque = self._sent_torque, self._raw_torque()
        if torque == before:
            return [self.position_frame()]
        self._sent_torque = torque
        limit = frames.command(FrameType.TORQUE, torque)
        # A higher limit comes after the target that it belongs to: the old one may be far inside the object.
        rises = before is not None and sum(torque) > sum(before)
        return [self.position_frame(), limit] if rises else [limit, self.position_frame()]

    def _tactile_requests(self, now: float) -> list[bytes]:
        if self._is_due("tactile", self.settings.tactile_period, now):
            first = self._sweeps if self.settings.tactile_rotate else 0
            order = [(first + i) % len(FINGERS) for i in range(len(FINGERS))]
            self._sweep = deque((now + i * self.settings.tactile_spacing, finger) for i, finger in enumerate(order))
            self._sweeps += 1
        result = []
        while self._sweep and self._sweep[0][0] <= now:
            result.append(frames.request_tactile(self._sweep.popleft()[1]))
        return result

    def position_frame(self) -> bytes:
        """Return the frame that commands the present targets."""
        return frames.command(FrameType.POSITION, self.table.to_raw(self.servo.target))

    def limit_frames(self) -> tuple[bytes, bytes]:
        """Return the frames that set speed and torque limits."""
        speed = (max(round(self.settings.speed * _BYTE), 1),) * len(ACTUATED_JOINTS)  # what 0 means is not known
        self._sent_torque = self._raw_torque()
        return frames.command(FrameType.SPEED, speed), frames.command(FrameType.TORQUE, self._sent_torque)

    def _raw_torque(self) -> tuple[int, ...]:
        share = self.servo.torque / self.servo.full_torque
        by_name = dict(zip(ACTUATED_JOINTS, share.tolist(), strict=True))
        return tuple(min(max(round(by_name[name] * _BYTE), 1), _BYTE) for name in WIRE_ORDER)

    # --- commands -----------------------------------------------------------------------------------------------------

    def enable(self, now: float) -> None:
        """Take commands from now on; the measured pose is the target.

        Raises:
            SilenceError: If there is no fresh measured pose: what it is not known to be cannot be commanded.
            DeviceFaultError: If the hand reports a fault or is too hot.
        """
        if not self.fresh(now):
            raise SilenceError(
                "the hand does not say where it stands; its pose is unknown, so nothing is commanded: check power, the "
                f"CAN wiring, the bit rate and the hand's side ({self.settings.side})"
            )
        fault = self._device_fault()
        if fault:
            raise DeviceFaultError(f"{fault}; cure it and clear the faults, then activate again")
        self.servo.torque = self.servo.most_torque.copy()
        self.servo.rest(self._q, now)
        self._behind_since[:] = np.inf
        self.mode, self.error, self.reason = Mode.ENABLED, None, ""
        self._commanded, self._stiff = now, False

    def _advance(self, now: float) -> None:
        """Move the targets on to ``now``; a finger that is not known to be free counts as in contact."""
        self.servo.advance(self._q, self.contact(now) | ~self._felt(now), now)

    def command_velocity(self, velocity: Array, torque: Array | None, now: float) -> Array:
        """Move for one horizon; see :meth:`TargetServo.set_velocity`. Raises :class:`HoldError` if not enabled."""
        self._require_enabled()
        self._advance(now)  # what is left of the command before
        sent = self.servo.set_velocity(velocity, torque, now)
        self._commanded, self._stiff = now, False
        return sent

    def command_stop(self, now: float) -> None:
        """Keep the present targets, as a command does that says so. Raises :class:`HoldError` if not enabled."""
        self._require_enabled()
        self._advance(now)
        self.servo.stop(now)
        self._commanded, self._stiff = now, False

    def command_open(self, now: float) -> None:
        """Open for one horizon at the speed limit. Raises :class:`HoldError` if not enabled."""
        self._require_enabled()
        self.servo.open_up(now, self.settings.horizon)
        self._commanded, self._stiff = now, False

    def command_line(self, goal: Array, duration: float, now: float) -> None:
        """Go to a goal; see :meth:`TargetServo.follow`. Raises :class:`HoldError` if not enabled."""
        self._require_enabled()
        self.servo.follow(goal, duration, now)
        self._commanded, self._stiff = now, False

    def _require_enabled(self) -> None:
        if self.mode is not Mode.ENABLED:
            why = f"the hand is on hold: {self.reason}" if self.reason else "the hand is not enabled"
            raise HoldError(f"{why}; deactivate, cure the reason, then activate")

    def hold(self, error: HardwareError | None, reason: str, now: float) -> None:
        """Stop at once and refuse commands; the hold frame is the next thing sent. The first reason is kept.

        Fingers that touch something, or whose pads do not say so, keep their targets, so that what is held is not
        dropped; the others stop where they are. A hand that was never enabled is only listened to: nothing is sent.
        """
        if self.mode is Mode.LISTENING:
            self.reason = self.reason or reason
            self.error = self.error or error
            return
        if self.mode is Mode.HOLD:
            return
        self.servo.freeze(self._q if self.fresh(now) else None, self._touch(now) | ~self._felt(now), now)
        self.mode, self.error, self.reason = Mode.HOLD, error, reason
        self.held_at = now
        self._urgent.append(self.position_frame())

    def listen(self, now: float) -> None:
        """Stop sending commands, after a hold."""
        self.hold(None, "disabled", now)
        self.mode, self.error, self.reason = Mode.LISTENING, None, ""
        self._urgent.clear()

    # --- state --------------------------------------------------------------------------------------------------------

    def fresh(self, now: float) -> bool:
        """Return whether the measured pose is young enough to act on."""
        return self.raw is not None and now - self._q_time <= self.settings.silence

    def heard_since(self, start: float) -> bool:
        """Return whether the pose and the fault bits both came after ``start``."""
        return bool(self._q_time > start and self._fault_time > start)

    def contact(self, now: float) -> Flags:
        """Return which fingers are known to be in contact (5,)."""
        return contact_of(self._tactile.sums(), self.settings.contact_threshold) & self._felt(now)

    def _touch(self, now: float) -> Flags:
        return contact_of(self._tactile.sums(), self.settings.touch_threshold) & self._felt(now)

    def _felt(self, now: float) -> Flags:
        """Return whose pads (5,) have answered lately; old readings tell nothing."""
        felt: Flags = now - self._tactile.times <= self.settings.tactile_silence
        return felt

    def state(self, now: float) -> HandState:
        """Return what is known."""
        return HandState(
            time=now,
            mode=self.mode,
            error=self.error,
            reason=self.reason,
            q=self._q.copy(),
            qd=self._qd.copy(),
            q_time=self._q_time,
            target=self.servo.target.copy(),
            torque_limit=self.servo.torque.copy(),
            tactile=self._tactile.matrices.copy(),
            tactile_times=self._tactile.times.copy(),
            tactile_known=self._felt(now),
            contact=self.contact(now),
            temperature=self._temperature.copy(),
            current=self._current.copy(),
            faults=self._faults.copy(),
            warnings=tuple(self._warnings(now)),
            foreign=self._foreign,
            doubts=self._doubts,
            dropped_rows=self._tactile.dropped,
        )

    # --- watching -----------------------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        """Go on hold if the hand is silent, reports a fault, is too hot, or a joint is stuck."""
        if self.mode is not Mode.ENABLED:
            return
        error: HardwareError | None = None
        if not self.fresh(now):
            error = SilenceError(f"the hand has not answered for {now - self._q_time:.3f} s")
        elif fault := self._device_fault():
            error = DeviceFaultError(fault)
        elif stuck := self._stuck(now):
            error = DeviceFaultError(stuck)
        if error is not None:
            self.hold(error, str(error), now)

    def lost(self, reason: str, now: float) -> None:
        """Go on hold because the bus failed."""
        self.hold(LinkError(reason), reason, now)

    def _device_fault(self) -> str:
        for name, bits in zip(ACTUATED_JOINTS, self._faults.tolist(), strict=True):
            if bits:
                return f"{name} reports a fault: {frames.fault_names(bits)}"
        for name, degrees in zip(ACTUATED_JOINTS, self._temperature.tolist(), strict=True):
            if degrees >= self.settings.too_hot:
                return f"the motor of {name} is at {degrees:.0f} degC, the limit is {self.settings.too_hot:.0f} degC"
        return ""

    def _stuck(self, now: float) -> str:
        """Return which joint does not follow, neither touching anything nor drawing current; empty if none."""
        idle = ~(self._current >= self.settings.stuck_current) & ~self._touch(now)[FINGER_OF_JOINT]
        moved = np.abs(self._q - self._behind_at) > _NO_MOTION * self.table.resolution
        behind = self.servo.behind(self._q) & idle & ~np.isnan(self._current)
        fresh = behind & (moved | np.isinf(self._behind_since))
        self._behind_since = np.where(behind, np.where(fresh, now, self._behind_since), np.inf)
        self._behind_at = np.where(fresh, self._q, self._behind_at)
        stuck = now - self._behind_since >= self.settings.stuck_time
        if not stuck.any():
            return ""
        index = int(np.argmax(stuck))
        return (
            f"{ACTUATED_JOINTS[index]} does not follow: {self._q[index]:.3f} rad instead of "
            f"{self.servo.target[index]:.3f} rad for {self.settings.stuck_time} s, without touch or current"
        )

    def _warnings(self, now: float) -> list[str]:
        result = []
        for name, degrees in zip(ACTUATED_JOINTS, self._temperature.tolist(), strict=True):
            if degrees >= self.settings.hot:
                result.append(f"the motor of {name} is at {degrees:.0f} degC")
        if self.mode is Mode.ENABLED and now - self._commanded > self.settings.command_timeout:
            result.append(f"commands are stale: the last one came {now - self._commanded:.1f} s ago; the fingers hold")
        late = ~self._felt(now)
        started = self._listening_since is not None and now - self._listening_since > 1.0
        if started and late.any():
            names = ", ".join(np.array(FINGERS)[late].tolist())
            result.append(f"no tactile readings of {names} for {self.settings.tactile_silence:.2f} s")
        return result
