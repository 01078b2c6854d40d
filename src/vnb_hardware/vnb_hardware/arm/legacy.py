"""Codec of the older controllers' state socket (port 20004): a fixed structure and a checksum. Pure.

A frame is, little-endian, ``5A5A``, count (1 byte), length of the data (2), data, checksum (2): the sum of all bytes
before it. The layout is that of controller software V3.8.7 to V3.9.4, 1236 bytes; another version has another length
and is refused. Names and meaning are those of :mod:`vnb_hardware.arm.cnde`, so that one state type serves both.
"""

from __future__ import annotations

import struct

from vnb_hardware.arm.cnde import FIELDS, HEAD, Values

FRAME_SIZE = 1236
DATA_SIZE = 1229

_NARROWER = {
    "std_AI0_box": "H",
    "std_AI1_box": "H",
    "std_AI_tool": "H",
    "gripper_fault": "H",
    "gripper_active": "H",
    "gripper_speed": "b",
    "gripper_current": "b",
    "robot_time": "H5BH",
    "end_lua_err_code": "H",
    "std_AO0_box": "H",
    "std_AO1_box": "H",
    "std_AO_tool": "H",
    "rotating_gripper_num": "f",
    "smarttool_state": "i",
    "wide_voltage_ctrl_box_temp": "f",
    "wide_voltage_ctrl_box_fan_current": "H",
    "ext_AI_state": "4H",
    "ext_AO_state": "4H",
}
_NAMES = tuple(FIELDS)[:-2]
_CODES = [_NARROWER.get(name, FIELDS[name]) for name in _NAMES]
_DATA = struct.Struct("<" + "".join(_CODES))
_WIDTHS = [len(struct.unpack("<" + code, bytes(struct.calcsize("<" + code)))) for code in _CODES]
_HEADER = struct.Struct("<2sBH")
_SUM = struct.Struct("<H")
_SUM_AT = FRAME_SIZE - _SUM.size


def encode(values: Values, count: int) -> bytes:
    """Return the frame of ``values``; fields that are not given are zero."""
    flat: list[float] = []
    for name, width in zip(_NAMES, _WIDTHS, strict=True):
        flat += values.get(name, (0,) * width)
    body = _HEADER.pack(HEAD, count & 0xFF, DATA_SIZE) + _DATA.pack(*flat)
    return body + _SUM.pack(sum(body) & 0xFFFF)


class Deframer:
    """Cuts a byte stream into states; remembers less than two frames' bytes.

    Attributes:
        rejected: Bytes so far that belonged to no frame.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rejected = 0

    def feed(self, chunk: bytes) -> list[tuple[int, Values]]:
        """Take the next bytes and return the counts and fields of the frames that they complete, in order."""
        self._buffer += chunk
        states: list[tuple[int, Values]] = []
        while True:
            start = self._buffer.find(HEAD)
            self._drop(len(self._buffer) - self._buffer.endswith(HEAD[:1]) if start < 0 else start)
            if len(self._buffer) < _HEADER.size:
                return states
            _, count, length = _HEADER.unpack_from(self._buffer)
            if length != DATA_SIZE:
                self._drop(1)
                continue
            if len(self._buffer) < FRAME_SIZE:
                return states
            if sum(self._buffer[:_SUM_AT]) & 0xFFFF != _SUM.unpack_from(self._buffer, _SUM_AT)[0]:
                self._drop(1)
                continue
            states.append((count, _values(self._buffer)))
            del self._buffer[:FRAME_SIZE]

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.rejected += count


def _values(frame: bytearray) -> Values:
    flat, values, start = _DATA.unpack_from(frame, _HEADER.size), {}, 0
    for name, width in zip(_NAMES, _WIDTHS, strict=True):
        values[name] = flat[start : start + width]
        start += width
    return values
