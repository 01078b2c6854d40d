"""Codec of the controller's state socket with subscription by name (CNDE, port 20005). Pure: bytes in, bytes out.

A frame is, little-endian, ``5A5A``, count (1 byte), kind (1), length of the data (2), data, ``A5A5``. It has no
checksum, so what separates a frame from a look-alike is its tail, its known kind, and the exact length subscribed.
TCP may split and merge frames at any byte; :class:`Deframer` does not care.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from vnb_grasp.errors import LinkError, UnknownNameError

HEAD = b"\x5a\x5a"
TAIL = b"\xa5\xa5"
OVERHEAD = 8
MAX_FRAME = 4096
"""Bytes of the longest frame, head and tail included."""

PERIODS_MS = (8, 1000)
"""Shortest and longest period between two state frames that the controller takes [ms]."""

Values = Mapping[str, tuple[float, ...]]
"""Fields of one state by wire name; a single value is a tuple of one."""

_HEADER = struct.Struct("<2sBBH")


class Kind(IntEnum):
    """Kinds of frames that the driver sends or understands."""

    OUTPUT_CONFIG = 1
    START = 2
    STOP = 3
    OUTPUT = 4
    MESSAGE = 6


FIELDS: dict[str, str] = {
    "program_state": "B",
    "robot_state": "B",
    "main_code": "i",
    "sub_code": "i",
    "robot_mode": "B",
    "actual_joint_pos": "6d",
    "actual_TCP_pos": "6d",
    "actual_flange_pos": "6d",
    "actual_joint_vel": "6d",
    "actual_joint_acc": "6d",
    "target_TCP_cmpvel": "2d",
    "target_TCP_vel": "6d",
    "actual_TCP_cmpvel": "2d",
    "actual_TCP_vel": "6d",
    "actual_joint_torque": "6d",
    "tool_id": "i",
    "wobj_id": "i",
    "cfg_DO_box": "B",
    "std_DO_box": "B",
    "cfg_DO_tool": "B",
    "cfg_DI_box": "B",
    "std_DI_box": "B",
    "cfg_DI_tool": "B",
    "std_AI0_box": "d",
    "std_AI1_box": "d",
    "std_AI_tool": "d",
    "ft_sensor_raw_data": "6d",
    "ft_sensor_data": "6d",
    "ft_sensor_active": "B",
    "emergency_stop": "B",
    "motion_done": "i",
    "gripper_motion_done": "B",
    "motion_queue_len": "i",
    "collision_state": "B",
    "trajectory_pnum": "i",
    "safety_stop0_state": "B",
    "safety_stop1_state": "B",
    "gripper_fault_id": "B",
    "gripper_fault": "i",
    "gripper_active": "i",
    "gripper_position": "B",
    "gripper_speed": "i",
    "gripper_current": "i",
    "gripper_temp": "i",
    "gripper_voltage": "i",
    "aux_axis_state": "25B",
    "exaxis_status": "116B",
    "ext_DI_state": "16B",
    "ext_DO_state": "16B",
    "ext_AI_state": "4i",
    "ext_AO_state": "4i",
    "rbt_enable_state": "i",
    "joint_driver_torque": "6d",
    "actual_joint_temp": "6d",
    "robot_time": "7i",
    "software_upgrade_state": "i",
    "end_lua_err_code": "i",
    "std_AO0_box": "d",
    "std_AO1_box": "d",
    "std_AO_tool": "d",
    "rotating_gripper_num": "d",
    "rotating_gripper_speed": "B",
    "rotating_gripper_tor": "B",
    "weld_break_off_state": "B",
    "weld_arc_state": "B",
    "target_joint_torque": "6d",
    "smarttool_state": "I",
    "wide_voltage_ctrl_box_temp": "d",
    "wide_voltage_ctrl_box_fan_current": "i",
    "tool_coord": "6d",
    "wobj_coord": "6d",
    "exTool_coord": "6d",
    "exAxis_coord": "6d",
    "payload": "d",
    "pay_cog": "3d",
    "last_servoJ_target": "6d",
    "servoJ_cmd_num": "i",
    "target_joint_pos": "6d",
    "target_joint_vel": "6d",
}
"""Wire names and :mod:`struct` codes; all but the last three are the vendor's default subscription, in its order."""

DEFAULT_NAMES = tuple(FIELDS)[:-3]

DRIVER_NAMES = (
    "program_state",
    "robot_state",
    "main_code",
    "sub_code",
    "robot_mode",
    "actual_joint_pos",
    "actual_flange_pos",
    "actual_joint_vel",
    "actual_joint_torque",
    "tool_id",
    "wobj_id",
    "emergency_stop",
    "motion_done",
    "motion_queue_len",
    "collision_state",
    "safety_stop0_state",
    "safety_stop1_state",
    "rbt_enable_state",
    "actual_joint_temp",
    "robot_time",
)
"""What the driver needs, and the emulator's legacy stream carries too."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        kind: What it is.
        data: Its content.
        count: Running number, 0 to 255.
    """

    kind: Kind
    data: bytes = b""
    count: int = 0


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame; raises :class:`LinkError` if it is longer than a frame may be."""
    if len(frame.data) + OVERHEAD > MAX_FRAME:
        raise LinkError(f"CNDE frame: got {len(frame.data)} bytes of data, expected at most {MAX_FRAME - OVERHEAD}")
    return _HEADER.pack(HEAD, frame.count & 0xFF, frame.kind, len(frame.data)) + frame.data + TAIL


class Deframer:
    """Cuts a byte stream into frames; remembers at most one frame's bytes.

    Attributes:
        rejected: Bytes so far that belonged to no frame.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rejected = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that they complete, in order."""
        self._buffer += chunk
        frames: list[Frame] = []
        while True:
            self._drop_to_head()
            if len(self._buffer) < _HEADER.size:
                return frames
            _, count, kind, length = _HEADER.unpack_from(self._buffer)
            total = length + OVERHEAD
            if total > MAX_FRAME or kind not in Kind._value2member_map_:
                self._drop(1)
                continue
            if len(self._buffer) < total:
                return frames
            if self._buffer[total - 2 : total] != TAIL:
                self._drop(1)
                continue
            frames.append(Frame(Kind(kind), bytes(self._buffer[_HEADER.size : total - 2]), count))
            del self._buffer[:total]

    def _drop_to_head(self) -> None:
        start = self._buffer.find(HEAD)
        if start < 0:  # the last byte may be the first half of a head
            start = len(self._buffer) - self._buffer.endswith(HEAD[:1])
        self._drop(start)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.rejected += count


class Subscription:
    """The fields that were asked for, in order: what a state frame of this connection must look like.

    Args:
        names: Wire names out of :data:`FIELDS`.
        period_ms: Time between two frames [ms].

    Raises:
        UnknownNameError: If a name is not known.
        LinkError: If the period is out of range or a frame would be too long.
    """

    def __init__(self, names: Sequence[str] = DRIVER_NAMES, period_ms: int = PERIODS_MS[0]) -> None:
        for name in names:
            if name not in FIELDS:
                raise UnknownNameError("CNDE field", name, FIELDS)
        if not PERIODS_MS[0] <= period_ms <= PERIODS_MS[1]:
            raise LinkError(f"CNDE period: got {period_ms} ms, expected {PERIODS_MS[0]} to {PERIODS_MS[1]} ms")
        self.names = tuple(names)
        self.period_ms = period_ms
        self._struct = struct.Struct("<" + "".join(FIELDS[name] for name in names))
        self._widths = [len(struct.Struct("<" + FIELDS[name]).unpack(bytes(_size(name)))) for name in names]
        if self.size + OVERHEAD > MAX_FRAME:
            raise LinkError(
                f"CNDE subscription: got {self.size} bytes of state, expected at most {MAX_FRAME - OVERHEAD}"
            )

    @property
    def size(self) -> int:
        """Bytes of data of one state frame."""
        return self._struct.size

    def request(self) -> bytes:
        """Return the data of the configuration frame."""
        return struct.pack("<H", self.period_ms) + ",".join(self.names).encode()

    @classmethod
    def from_request(cls, data: bytes) -> Subscription:
        """Read a configuration frame's data.

        Raises:
            LinkError: If it is malformed.
            UnknownNameError: If a name is not known.
        """
        try:
            return cls(data[2:].decode("ascii").split(","), struct.unpack_from("<H", data)[0])
        except (struct.error, UnicodeDecodeError) as error:
            raise LinkError(f"CNDE configuration: got {data[:64]!r}, expected a period and names") from error

    def unpack(self, data: bytes) -> Values:
        """Return the fields of a state frame; raises :class:`LinkError` if its length is another one."""
        if len(data) != self.size:
            raise LinkError(f"CNDE state: got {len(data)} bytes, expected the {self.size} that were subscribed")
        flat, values, start = self._struct.unpack(data), {}, 0
        for name, width in zip(self.names, self._widths, strict=True):
            values[name] = flat[start : start + width]
            start += width
        return values

    def pack(self, values: Values) -> bytes:
        """Return the data of a state frame; fields that ``values`` lacks are zero."""
        flat: list[float] = []
        for name, width in zip(self.names, self._widths, strict=True):
            flat += values.get(name, (0,) * width)
        return self._struct.pack(*flat)


def _size(name: str) -> int:
    return struct.calcsize("<" + FIELDS[name])
