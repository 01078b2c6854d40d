"""An L6 hand as its bus sees it: frames in, frames out, mechanics behind."""

from __future__ import annotations

from collections import deque

import numpy as np

from vnb_grasp.description import ACTUATED_JOINTS
from vnb_hardware.emulators.hand.faults import HandFaults
from vnb_hardware.emulators.hand.plant import FreeFingers, Plant, Reading
from vnb_hardware.hand import frames
from vnb_hardware.hand.frames import FINGER_TYPES, FrameType, SerialChunk, SixValues, TactileRow, Version
from vnb_hardware.hand.joints import JointTable, load_table, reorder, to_wire

SERIAL = b"LHL6-EMULATED-0-R-0"
ROOM_TEMPERATURE = 35
_BYTE = 255
_SWAPPED = (0, 1, 2, 4, 3)
_PROBE = 1


class EmulatedHand:
    """Answers every question of the protocol; moves its plant with the limits it was given.

    Args:
        table: How many radians a count is.
        plant: The mechanics; None takes fingers in free space.
        hand_id: CAN id.
        seed: Of the rows that a fault drops.

    Attributes:
        faults: What is wrong with it; change it while it runs.
        heard: Commands that it got, as (time, bytes); questions are not kept.
        questions: Number of questions that it got, by type.
    """

    def __init__(
        self,
        table: JointTable | str = "l6_v31",
        plant: Plant | None = None,
        hand_id: int = frames.RIGHT_ID,
        seed: int = 0,
    ) -> None:
        self._table = load_table(table) if isinstance(table, str) else table
        self.plant: Plant = plant or FreeFingers(self._table)
        self.hand_id = hand_id
        self.faults = HandFaults()
        self.heard: deque[tuple[float, bytes]] = deque(maxlen=100_000)
        self.questions: dict[int, int] = {}
        self._rng = np.random.default_rng(seed)
        self._speed = (_BYTE,) * 6
        self._torque = (_BYTE,) * 6
        self._target: tuple[int, ...] | None = None
        self._frozen: dict[int, float] = {}
        self._cleared: dict[int, int] = {}

    def receive(self, can_id: int, data: bytes, now: float) -> list[tuple[int, bytes]]:
        """Take one frame; return the answers as (id, bytes)."""
        if can_id != self.hand_id or not data or self.faults.bus_off:
            return []
        answers = self._command(data, now) if len(data) > 2 else self._answer(data, now)
        if self.faults.silent:
            return []
        return [(self.hand_id, answer) for answer in answers] + self._noise(data)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _command(self, data: bytes, now: float) -> list[bytes]:
        self.heard.append((now, data))
        kind, values = data[0], tuple(data[1:])
        if kind == FrameType.CLEAR_FAULTS:
            self.faults.fault_bits.clear()
            return []
        if len(values) != 6:
            return []
        if kind == FrameType.SPEED:
            self._speed = values
        elif kind == FrameType.TORQUE:
            self._torque = values
            answer = [frames.encode(SixValues(FrameType.TORQUE, values))]
            self._drive(now)
            return answer
        elif kind == FrameType.POSITION:
            self._target = values
            self._drive(now)
            return []
        return []

    def _drive(self, now: float) -> None:
        if self._target is not None:
            target = self._table.from_raw(self._target)
            self.plant.drive(target, reorder(self._speed) / _BYTE, reorder(self._torque) / _BYTE)

    def read(self, now: float) -> Reading:
        """Return what the hand senses, dead motors considered."""
        reading = self.plant.read(now)
        q, load = reading.q.copy(), reading.load.copy()
        for joint in range(len(ACTUATED_JOINTS)):
            if joint in self.faults.stuck:
                q[joint] = self._frozen.setdefault(joint, float(q[joint]))
                load[joint] = 0.0
            else:
                self._frozen.pop(joint, None)
        return Reading(q, load, reading.taxels)

    # --- questions ----------------------------------------------------------------------------------------------------

    def _answer(self, data: bytes, now: float) -> list[bytes]:
        kind = data[0]
        self.questions[kind] = self.questions.get(kind, 0) + 1
        if kind in FINGER_TYPES:
            return self._tactile(FINGER_TYPES.index(kind), data, now)
        if kind == FrameType.PCB_VERSION:
            return [frames.encode(Version(FrameType.PCB_VERSION, (1, 0, 0)))] if data[1:] == b"\x01" else []
        if len(data) != 1:
            return []
        if kind == FrameType.SERIAL:
            text = SERIAL.ljust(6 * frames.SERIAL_CHUNKS, b"\0")
            return [frames.encode(SerialChunk(i, text[6 * i : 6 * i + 6])) for i in range(frames.SERIAL_CHUNKS)]
        if kind in frames.VERSIONS:
            return [frames.encode(Version(FrameType(kind), (3, 1, 0)))]
        values = self._six(kind, now)
        return [] if values is None else [frames.encode(SixValues(FrameType(kind), values))]

    def _six(self, kind: int, now: float) -> tuple[int, ...] | None:
        if kind == FrameType.POSITION:
            return self._table.to_raw(self.read(now).q)
        if kind == FrameType.TORQUE:
            return self._torque
        if kind == FrameType.CURRENT:
            return to_wire(np.clip(np.rint(np.abs(self.read(now).load) * _BYTE), 0, _BYTE))
        if kind == FrameType.FAULT:
            return to_wire(np.array([self.faults.fault_bits.get(i, 0) for i in range(6)]))
        if kind == FrameType.TEMPERATURE:
            return to_wire(np.array([self.faults.temperature.get(i, ROOM_TEMPERATURE) for i in range(6)]))
        return None

    def _tactile(self, finger: int, data: bytes, now: float) -> list[bytes]:
        taxels = self.read(now).taxels
        shown = taxels[_SWAPPED[finger] if self.faults.swap_fingers else finger]
        if len(data) == 1:  # what older software asks to find out whether there are pads at all
            return [bytes([data[0], _PROBE, int(shown.max())])]
        if data[1] != frames.GEOMETRY:
            return []
        kept = [i for i in range(frames.ROWS) if self._rng.random() >= self.faults.drop_rows]
        rows = [frames.encode(TactileRow(finger, i, tuple(shown[i].tolist()))) for i in kept]
        if self.faults.imposters:
            rows.insert(len(rows) // 2, bytes([FrameType.POSITION, 0x10, 0, 0, 0, 0, 0, 0]))
        return rows

    def _noise(self, data: bytes) -> list[tuple[int, bytes]]:
        if not self.faults.foreign or data[0] != FrameType.POSITION:
            return []
        return [
            (self.hand_id + 1, bytes([FrameType.POSITION, 0, 0, 0, 0, 0, 0])),  # the other hand, closed
            (self.hand_id, bytes([FrameType.POSITION])),  # somebody else's question
            (self.hand_id, bytes([FrameType.POSITION, 0, 0])),
            (self.hand_id, bytes([0x7E, 1, 2, 3])),
            (self.hand_id, bytes([FINGER_TYPES[1], 0x11, 9, 9, 9, 9, 9, 9])),
        ]
