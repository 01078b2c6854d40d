"""The L6 hand's CAN frames: bytes to values and back, nothing else.

Classical CAN 2.0A at 1 Mbit/s. The hand is asked on its id and answers on the same id; byte 0 is the frame's type. Six
values are in the order of the wire: thumb pitch, thumb yaw, index, middle, ring, pinky (:mod:`.joints` reorders them).

Decoding is strict, because the bus carries look-alikes: while it streams tactile rows the hand also sends eight-byte
frames of the position type full of zeros, which read as a closed hand, and every request of another program is seen
too. What is not exactly as long as a reply of its type is no reply.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from vnb_grasp.errors import ConfigError

RIGHT_ID, LEFT_ID = 0x27, 0x28
REPLY_OFFSET = 8
"""Some firmware answers on its id plus eight."""

ROWS, COLUMNS = 12, 6
"""Of a tactile matrix: along the finger and across the pad."""

FINGER_TYPES = (0xB1, 0xB2, 0xB3, 0xB4, 0xB5)
"""Frame types of the tactile pads: thumb, index, middle, ring, pinky."""

GEOMETRY = 0xC6
"""Twelve rows of six: the nibbles of the tactile request's second byte."""

SERIAL_CHUNKS = 4
_SERIAL_CHUNK = 6
_SIX = 6
_BYTE = 255


class FrameType(enum.IntEnum):
    """First byte of a frame."""

    POSITION = 0x01
    TORQUE = 0x02
    SPEED = 0x05
    TEMPERATURE = 0x33
    FAULT = 0x35
    CURRENT = 0x36
    LEGACY_VERSION = 0x64
    CLEAR_FAULTS = 0x83
    SERIAL = 0xC0
    PCB_VERSION = 0xC1
    FIRMWARE_VERSION = 0xC2
    MECHANICAL_VERSION = 0xC4


class Fault(enum.IntFlag):
    """Fault bits of one motor."""

    PHASE_B_OVERCURRENT = 1
    PHASE_C_OVERCURRENT = 2
    PHASE_A_OVERCURRENT = 4
    OVERLOAD_1 = 8
    OVERLOAD_2 = 16
    MOTOR_OVERHEATED = 32
    CONTROLLER_OVERHEATED = 64


_FAULT_MASK = 0x7F  # bit 7 is reserved

SIX_VALUES = (FrameType.POSITION, FrameType.TORQUE, FrameType.TEMPERATURE, FrameType.FAULT, FrameType.CURRENT)
"""Types that are answered with six bytes."""

VERSIONS = (FrameType.FIRMWARE_VERSION, FrameType.MECHANICAL_VERSION)


@dataclass(frozen=True)
class SixValues:
    """Positions, torque limits, temperatures [degC], currents or fault bits of the six motors, in the wire's order."""

    type: FrameType
    values: tuple[int, ...]


@dataclass(frozen=True)
class TactileRow:
    """One row of one finger's matrix; fingers count from the thumb, 0."""

    finger: int
    row: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class SerialChunk:
    """Six characters of the serial number."""

    index: int
    text: bytes


@dataclass(frozen=True)
class Version:
    """A version number."""

    type: FrameType
    number: tuple[int, int, int]


Reply = SixValues | TactileRow | SerialChunk | Version


# --- to the hand --------------------------------------------------------------------------------------------


def request(kind: FrameType) -> bytes:
    """Return the frame that asks for values of a type."""
    return bytes([kind, 0x01]) if kind == FrameType.PCB_VERSION else bytes([kind])


def request_tactile(finger: int) -> bytes:
    """Return the frame that asks for the twelve rows of a finger (0 = thumb)."""
    return bytes([FINGER_TYPES[finger], GEOMETRY])


def command(kind: FrameType, values: Sequence[int]) -> bytes:
    """Return the frame that sets positions, torque limits or speed limits.

    Args:
        kind: POSITION (0 = closed, 255 = open), TORQUE or SPEED.
        values: Six bytes in the wire's order.

    Raises:
        ConfigError: If the type cannot be set, or the values are not six bytes.
    """
    if kind not in (FrameType.POSITION, FrameType.TORQUE, FrameType.SPEED):
        raise ConfigError(f"hand command: got type {kind!r}, expected POSITION, TORQUE or SPEED")
    if len(values) != _SIX or any(not 0 <= value <= _BYTE for value in values):
        raise ConfigError(f"hand command: got {list(values)}, expected six values from 0 to 255")
    return bytes([kind, *values])


def clear_faults() -> bytes:
    """Return the frame that clears latched faults."""
    return bytes([FrameType.CLEAR_FAULTS, *([1] * _SIX)])


# --- from the hand --------------------------------------------------------------------------------------------


def decode(can_id: int, data: bytes, hand_id: int) -> Reply | None:
    """Return what the hand ``hand_id`` says with a frame, or None if the frame is not a reply of it."""
    if can_id not in (hand_id, hand_id + REPLY_OFFSET) or not data:
        return None
    kind = data[0]
    if kind in FINGER_TYPES:
        return _tactile_row(data)
    if kind in SIX_VALUES:
        return _six_values(FrameType(kind), data[1:])
    if kind == FrameType.SERIAL:
        return _serial_chunk(data[1:])
    if kind in VERSIONS:
        return _version(FrameType(kind), data[1:])
    if kind == FrameType.PCB_VERSION:
        return _version(FrameType.PCB_VERSION, data[2:]) if data[1:2] == b"\x01" else None
    return None


def _tactile_row(data: bytes) -> TactileRow | None:
    if len(data) != 2 + COLUMNS:
        return None
    row, rest = divmod(data[1], 16)
    if rest or row >= ROWS:
        return None
    return TactileRow(FINGER_TYPES.index(data[0]), row, tuple(data[2:]))


def _six_values(kind: FrameType, payload: bytes) -> SixValues | None:
    if len(payload) != _SIX:
        return None
    mask = _FAULT_MASK if kind == FrameType.FAULT else _BYTE
    return SixValues(kind, tuple(value & mask for value in payload))


def _serial_chunk(payload: bytes) -> SerialChunk | None:
    if len(payload) != 1 + _SERIAL_CHUNK or payload[0] >= SERIAL_CHUNKS:
        return None
    return SerialChunk(payload[0], payload[1:])


def _version(kind: FrameType, payload: bytes) -> Version | None:
    if len(payload) != 3:
        return None
    major, minor, patch = payload
    return Version(kind, (major, minor, patch))


# --- as the hand --------------------------------------------------------------------------------------------


def encode(reply: Reply) -> bytes:
    """Return the bytes with which a hand says ``reply``; the inverse of :func:`decode`."""
    if isinstance(reply, SixValues):
        return bytes([reply.type, *reply.values])
    if isinstance(reply, TactileRow):
        return bytes([FINGER_TYPES[reply.finger], reply.row << 4, *reply.values])
    if isinstance(reply, SerialChunk):
        return bytes([FrameType.SERIAL, reply.index]) + reply.text
    extra = [1] if reply.type == FrameType.PCB_VERSION else []
    return bytes([reply.type, *extra, *reply.number])


def fault_names(bits: int) -> str:
    """Return the names of the set fault bits, for people."""
    names = [(bit.name or "").lower().replace("_", " ") for bit in Fault if bits & bit]
    return ", ".join(names) or "none"
