"""The codec: every value round-trips, and nothing but a reply of the hand is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import ConfigError
from vnb_hardware.hand import frames
from vnb_hardware.hand.frames import (
    FINGER_TYPES,
    LEFT_ID,
    RIGHT_ID,
    Fault,
    FrameType,
    SerialChunk,
    SixValues,
    TactileRow,
    Version,
    decode,
    encode,
)

BYTES = st.integers(0, 255)
SIX = st.tuples(*[BYTES] * 6)
KNOWN = {*frames.SIX_VALUES, *frames.VERSIONS, FrameType.SERIAL, FrameType.PCB_VERSION, *FINGER_TYPES}


def test_documented_frames() -> None:
    assert frames.request(FrameType.POSITION) == b"\x01"
    assert frames.request(FrameType.PCB_VERSION) == b"\xc1\x01"
    assert frames.request_tactile(0) == b"\xb1\xc6"
    assert frames.request_tactile(4) == b"\xb5\xc6"
    assert frames.clear_faults() == bytes.fromhex("83010101010101")
    assert frames.command(FrameType.POSITION, (0, 1, 2, 253, 254, 255)) == bytes.fromhex("01000102fdfeff")
    assert frames.command(FrameType.SPEED, (80,) * 6) == bytes.fromhex("05505050505050")


@pytest.mark.parametrize("joint", range(6))
def test_every_byte_of_every_position_round_trips(joint: int) -> None:
    for value in range(256):
        raw = tuple(value if i == joint else 255 - i for i in range(6))
        reply = SixValues(FrameType.POSITION, raw)
        assert decode(RIGHT_ID, encode(reply), RIGHT_ID) == reply
        assert frames.command(FrameType.POSITION, raw) == encode(reply)


@given(
    st.one_of(
        st.builds(SixValues, st.sampled_from([k for k in frames.SIX_VALUES if k != FrameType.FAULT]), SIX),
        st.builds(TactileRow, st.integers(0, 4), st.integers(0, 11), SIX),
        st.builds(SerialChunk, st.integers(0, 3), st.binary(min_size=6, max_size=6)),
        st.builds(
            Version,
            st.sampled_from([*frames.VERSIONS, FrameType.PCB_VERSION]),
            st.tuples(BYTES, BYTES, BYTES),
        ),
    ),
    st.sampled_from([RIGHT_ID, LEFT_ID]),
)
def test_replies_round_trip(reply: frames.Reply, hand_id: int) -> None:
    data = encode(reply)
    assert len(data) <= 8
    assert decode(hand_id, data, hand_id) == reply
    assert decode(hand_id + frames.REPLY_OFFSET, data, hand_id) == reply


def test_reserved_fault_bit_is_masked() -> None:
    reply = decode(RIGHT_ID, bytes([FrameType.FAULT, 0x80, 0x81, 0xFF, 0, 1, 2]), RIGHT_ID)
    assert reply == SixValues(FrameType.FAULT, (0, 1, 0x7F, 0, 1, 2))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",  # a question for the positions
        bytes([1, 0x10, 0, 0, 0, 0, 0, 0]),  # the look-alike between tactile rows: a closed hand, if believed
        bytes([1, 0, 0, 0, 0, 0]),  # cut off
        bytes([0x33, 30, 30, 30, 30, 30, 30, 30]),
        bytes([0xB1, 0x01, 1, 2, 3, 4, 5, 6]),  # the row is not a multiple of sixteen
        bytes([0xB1, 0xC0, 1, 2, 3, 4, 5, 6]),  # there is no thirteenth row
        bytes([0xB1, 0x10, 1, 2, 3, 4, 5]),
        bytes([0xB0, 0x10, 1, 2, 3, 4, 5, 6]),
        bytes([0xB6, 0x10, 1, 2, 3, 4, 5, 6]),
        bytes([0xC0, 4, 65, 65, 65, 65, 65, 65]),
        bytes([0xC1, 2, 1, 2, 3]),
        bytes([0xC2, 1, 2]),
        bytes([0x05, 1, 2, 3, 4, 5, 6]),  # the hand never says its speed
        bytes([0x83, 1, 1, 1, 1, 1, 1]),
    ],
    ids=lambda data: data.hex() or "empty",
)
def test_look_alikes_are_rejected(data: bytes) -> None:
    assert decode(RIGHT_ID, data, RIGHT_ID) is None


@given(st.integers(0, 0x7FF).filter(lambda i: i not in (RIGHT_ID, RIGHT_ID + 8)), st.binary(max_size=8))
def test_foreign_ids_are_rejected(can_id: int, data: bytes) -> None:
    assert decode(can_id, data, RIGHT_ID) is None


@given(st.binary(max_size=8))
def test_what_is_accepted_encodes_to_the_same_bytes(data: bytes) -> None:
    reply = decode(RIGHT_ID, data, RIGHT_ID)
    if reply is None:
        return
    assert data[0] in KNOWN
    expected = data if data[0] != FrameType.FAULT else bytes([data[0], *(b & 0x7F for b in data[1:])])
    assert encode(reply) == expected


def test_fuzz() -> None:
    """A short run of benchmarks/hand_codec_fuzz.py."""
    rng = np.random.default_rng(6)
    accepted = 0
    for _ in range(20_000):
        data = rng.bytes(int(rng.integers(0, 9)))
        if data and rng.random() < 0.7:
            data = bytes([int(rng.choice([int(k) for k in KNOWN])), *data[1:]])
        accepted += decode(int(rng.choice([RIGHT_ID, LEFT_ID, 0x2F])), data, RIGHT_ID) is not None
    assert 0 < accepted < 20_000


@pytest.mark.parametrize("values", [(1,) * 5, (1,) * 7, (0, 0, 0, 0, 0, 256), (-1, 0, 0, 0, 0, 0)])
def test_commands_that_are_none_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="six values"):
        frames.command(FrameType.POSITION, values)
    with pytest.raises(ConfigError, match="POSITION, TORQUE or SPEED"):
        frames.command(FrameType.CURRENT, (0,) * 6)


def test_faults_have_names() -> None:
    assert frames.fault_names(0) == "none"
    assert frames.fault_names(Fault.OVERLOAD_1 | Fault.MOTOR_OVERHEATED) == "overload 1, motor overheated"
