"""The older state socket: documented offsets, any split of a stream, and nothing but a frame taken for one."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vnb_hardware.arm import legacy
from vnb_hardware.arm.legacy import FRAME_SIZE, Deframer

VALUES = {
    "main_code": (12,),
    "sub_code": (3,),
    "robot_mode": (1,),
    "actual_joint_pos": tuple(float(i) for i in range(6)),
    "emergency_stop": (1,),
    "motion_done": (1,),
    "motion_queue_len": (7,),
    "rbt_enable_state": (1,),
    "robot_time": (2026, 1, 2, 3, 4, 5, 678),
    "last_servoJ_target": tuple(float(i) for i in range(10, 16)),
    "servoJ_cmd_num": (42,),
}


def test_documented_offsets() -> None:
    frame = legacy.encode(VALUES, 200)
    assert len(frame) == FRAME_SIZE == 1236
    assert struct.unpack_from("<HBH", frame) == (0x5A5A, 200, 1229)
    assert struct.unpack_from("<ii", frame, 7) == (12, 3)
    assert frame[15] == 1
    assert struct.unpack_from("<6d", frame, 16) == VALUES["actual_joint_pos"]
    assert frame[549] == 1
    assert struct.unpack_from("<i", frame, 550) == (1,)
    assert struct.unpack_from("<i", frame, 555) == (7,)
    assert struct.unpack_from("<i", frame, 771) == (1,)
    assert struct.unpack_from("<H5BH", frame, 871) == VALUES["robot_time"]
    assert struct.unpack_from("<6d", frame, 1182) == VALUES["last_servoJ_target"]
    assert struct.unpack_from("<i", frame, 1230) == (42,)
    assert struct.unpack_from("<H", frame, 1234) == (sum(frame[:-2]) & 0xFFFF,)


@given(st.integers(0, 255), st.integers(1, 2000))
def test_any_split_of_a_stream_gives_the_same_states(count: int, step: int) -> None:
    stream, deframer, got = legacy.encode(VALUES, count) * 3, Deframer(), []
    for start in range(0, len(stream), step):
        got += deframer.feed(stream[start : start + step])
    assert [number for number, _ in got] == [count] * 3
    assert all(values[name] == VALUES[name] for _, values in got for name in VALUES)
    assert deframer.rejected == 0


@given(st.integers(0, FRAME_SIZE - 1), st.integers(1, 255))
def test_a_changed_byte_is_no_state_and_the_next_one_is_found(at: int, change: int) -> None:
    good = legacy.encode(VALUES, 5)
    bad = bytearray(good)
    bad[at] ^= change
    counts = [count for count, _ in Deframer().feed(bytes(bad) + good + good)]
    assert counts == [5, 5]


def test_a_state_of_another_version_is_refused() -> None:
    other = struct.pack("<HBH", 0x5A5A, 1, 951) + bytes(953)
    deframer = Deframer()
    assert deframer.feed(other) == []
    assert deframer.rejected == len(other)


def test_endless_noise_is_not_kept() -> None:
    deframer, rng = Deframer(), np.random.default_rng(0)
    for _ in range(10):
        deframer.feed(rng.bytes(4096))
        assert len(deframer._buffer) < 2 * FRAME_SIZE
