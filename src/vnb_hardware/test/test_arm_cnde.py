"""The state socket by name: documented bytes, any split of a stream, and nothing but a frame taken for one."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import LinkError, UnknownNameError
from vnb_hardware.arm import cnde
from vnb_hardware.arm.cnde import Deframer, Frame, Kind, Subscription

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=60), st.integers(0, 255)), max_size=6)


def test_documented_bytes() -> None:
    assert cnde.encode(Frame(Kind.START, b"", 1)) == bytes.fromhex("5a5a01020000a5a5")
    assert cnde.encode(Frame(Kind.MESSAGE, b"\0OK")) == bytes.fromhex("5a5a00060300004f4ba5a5")
    names = Subscription(("robot_mode", "main_code"), 16)
    assert (
        cnde.encode(Frame(Kind.OUTPUT_CONFIG, names.request()))
        == b"\x5a\x5a\0\x01\x16\0\x10\0robot_mode,main_code\xa5\xa5"
    )


def test_the_default_subscription_has_the_documented_layout() -> None:
    whole = Subscription(cnde.DEFAULT_NAMES)
    assert len(cnde.DEFAULT_NAMES) == 76
    assert whole.size == 1318
    data = bytearray(whole.size)
    struct.pack_into("<i", data, 2, -7)
    struct.pack_into("<6d", data, 11, *range(6))
    struct.pack_into("<B", data, 562, 1)
    struct.pack_into("<i", data, 563, 3)
    struct.pack_into("<7i", data, 910, *range(2026, 2033))
    struct.pack_into("<6d", data, 1270, *range(10, 16))
    values = whole.unpack(bytes(data))
    assert values["main_code"] == (-7,)
    assert values["actual_joint_pos"] == (0, 1, 2, 3, 4, 5)
    assert values["emergency_stop"] == (1,) and values["motion_done"] == (3,)
    assert values["robot_time"] == tuple(range(2026, 2033))
    assert values["last_servoJ_target"] == (10, 11, 12, 13, 14, 15)
    assert whole.pack(values) == bytes(data)


@given(FRAMES, st.integers(1, 17))
def test_any_split_of_a_stream_gives_the_same_frames(frames: list[Frame], step: int) -> None:
    stream, deframer, got = b"".join(map(cnde.encode, frames)), Deframer(), []
    for start in range(0, len(stream), step):
        got += deframer.feed(stream[start : start + step])
    assert got == frames
    assert deframer.rejected == 0


@given(st.binary(max_size=40).filter(lambda noise: b"\x5a" not in noise), FRAMES)
def test_noise_before_a_frame_is_dropped_and_counted(noise: bytes, frames: list[Frame]) -> None:
    deframer = Deframer()
    assert deframer.feed(noise + b"".join(map(cnde.encode, frames))) == frames
    assert deframer.rejected == len(noise)


@pytest.mark.parametrize(
    "bad",
    [
        bytes.fromhex("5a5a01020000a5a6"),  # another tail
        bytes.fromhex("5a5a01630000a5a5"),  # a kind that is none
        bytes.fromhex("5a5a0104ffffa5a5"),  # longer than a frame may be
    ],
)
def test_look_alikes_are_no_frames_and_hide_none(bad: bytes) -> None:
    good = Frame(Kind.OUTPUT, b"state", 9)
    deframer = Deframer()
    assert deframer.feed(bad + cnde.encode(good)) == [good]
    assert deframer.rejected == len(bad)


@given(st.binary(max_size=300))
def test_whatever_comes_it_neither_raises_nor_keeps_more_than_a_frame(data: bytes) -> None:
    deframer = Deframer()
    frames = deframer.feed(data)
    used = sum(len(frame.data) + cnde.OVERHEAD for frame in frames)
    assert used + deframer.rejected <= len(data)


def test_endless_noise_is_not_kept() -> None:
    deframer, rng = Deframer(), np.random.default_rng(0)
    for _ in range(20):
        deframer.feed(rng.bytes(4096))
        assert len(deframer._buffer) <= cnde.MAX_FRAME


def test_requests_are_read_back() -> None:
    asked = Subscription(("robot_mode", "std_AI0_box"), 40)
    read = Subscription.from_request(asked.request())
    assert (read.names, read.period_ms, read.size) == (asked.names, 40, 9)


def test_bad_subscriptions_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="robot_mood"):
        Subscription(("robot_mood",))
    for period in (7, 1001):
        with pytest.raises(LinkError, match="8 to 1000 ms"):
            Subscription(period_ms=period)
    with pytest.raises(LinkError, match="at most"):
        Subscription(cnde.DEFAULT_NAMES * 4)
    with pytest.raises(LinkError, match="expected a period and names"):
        Subscription.from_request(b"\x08")
    with pytest.raises(LinkError, match="expected a period and names"):
        Subscription.from_request(b"\x08\0\xff\xff")
    with pytest.raises(LinkError, match="that were subscribed"):
        Subscription(("robot_mode",)).unpack(b"\0\0")
    with pytest.raises(LinkError, match="at most"):
        cnde.encode(Frame(Kind.OUTPUT, bytes(cnde.MAX_FRAME)))
