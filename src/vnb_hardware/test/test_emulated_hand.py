"""The emulated hand answers as the protocol says, also through a serial adapter."""

from __future__ import annotations

import os
import time

import can
import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import ConfigError
from vnb_hardware.emulators.hand.faults import NAMES, HandFaults
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.plant import FreeFingers
from vnb_hardware.emulators.hand.server import HandServer, SlcanPort, VirtualPort
from vnb_hardware.hand.frames import RIGHT_ID
from vnb_hardware.hand.joints import load_table

OPEN = bytes([1, 255, 255, 255, 255, 255, 255])


def ask(hand: EmulatedHand, data: bytes, now: float = 0.0) -> list[bytes]:
    answers = hand.receive(RIGHT_ID, data, now)
    assert {can_id for can_id, _ in answers} <= {RIGHT_ID}
    return [data for _, data in answers]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (b"\x01", [OPEN]),
        (b"\x02", [bytes([2] + [255] * 6)]),
        (b"\x05", []),
        (b"\x33", [bytes([0x33] + [35] * 6)]),
        (b"\x35", [bytes([0x35] + [0] * 6)]),
        (b"\x36", [bytes([0x36] + [0] * 6)]),
        (b"\xb1", [b"\xb1\x01\x00"]),
        (b"\xc1\x01", [b"\xc1\x01\x01\x00\x00"]),
        (b"\xc2", [b"\xc2\x03\x01\x00"]),
        (b"\xc4", [b"\xc4\x03\x01\x00"]),
        (b"\x64", []),
        (b"\x83\x01\x01\x01\x01\x01\x01", []),
        (b"\xb3\xc6", [bytes([0xB3, row << 4, 0, 0, 0, 0, 0, 0]) for row in range(12)]),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_every_question_is_answered(question: bytes, answers: list[bytes]) -> None:
    assert ask(EmulatedHand(), question) == answers


def test_serial_number_comes_in_four_parts() -> None:
    parts = ask(EmulatedHand(), b"\xc0")
    assert [part[1] for part in parts] == [0, 1, 2, 3]
    assert b"".join(part[2:] for part in parts).rstrip(b"\0") == b"LHL6-EMULATED-0-R-0"


def test_questions_to_the_other_hand_are_not_answered() -> None:
    assert EmulatedHand().receive(0x28, b"\x01", 0.0) == []


def test_it_moves_at_its_speed_limit() -> None:
    hand = EmulatedHand()
    ask(hand, bytes([5] + [51] * 6))
    ask(hand, bytes([1] + [0] * 6), 0.0)
    hand.read(0.0)
    assert_allclose(hand.read(0.1).q[2], 6.10 * 0.2 * 0.1, atol=1e-9)
    assert_allclose(hand.read(5.0).q, load_table("l6_v31").closed)


def test_an_obstacle_shows_in_current_and_taxels() -> None:
    table = load_table("l6_v31")
    hand = EmulatedHand(table, FreeFingers(table, obstacle=np.array([9, 9, 0.5, 9, 9, 9])))
    ask(hand, bytes([1, 255, 255, 0, 255, 255, 255]))
    hand.read(0.0)
    hand.read(3.0)
    assert ask(hand, b"\x36", 3.0) == [bytes([0x36, 0, 0, 255, 0, 0, 0])]
    assert max(ask(hand, b"\xb2\xc6", 3.0)[5][2:]) == 200
    assert max(ask(hand, b"\xb3\xc6", 3.0)[5][2:]) == 0


def test_faults_by_name() -> None:
    for name in NAMES:
        faults = HandFaults()
        faults.switch(name)
        assert faults != HandFaults()
    with pytest.raises(ConfigError, match="expected one of silent"):
        HandFaults().switch("gremlins")


def test_swapped_fingers() -> None:
    table = load_table("l6_v31")
    hand = EmulatedHand(table, FreeFingers(table, obstacle=np.array([9, 9, 9, 9, 0.5, 9])))
    ask(hand, bytes([1, 255, 255, 255, 255, 0, 255]))
    hand.read(0.0)
    hand.read(3.0)
    hand.faults.switch("swap_fingers")
    assert max(max(row[2:]) for row in ask(hand, b"\xb4\xc6", 3.0)) == 0
    assert max(max(row[2:]) for row in ask(hand, b"\xb5\xc6", 3.0)) == 200


def test_slcan_speaks_to_python_can() -> None:
    port = SlcanPort()
    with HandServer(EmulatedHand(), port):
        bus = can.Bus(interface="slcan", channel=port.path, bitrate=1_000_000, sleep_after_open=0.01)
        try:
            assert bus.get_version(1.0) == (10, 13)
            bus.send(can.Message(arbitration_id=RIGHT_ID, data=b"\x01", is_extended_id=False))
            message = bus.recv(2.0)
            assert message is not None
            assert (message.arbitration_id, bytes(message.data)) == (RIGHT_ID, OPEN)
        finally:
            bus.shutdown()


@pytest.mark.parametrize("line", [b"t027", b"t02790102030405060708090A", b"tzzz101", b"t0273\xff\xff", b"T00000027101"])
def test_slcan_ignores_lines_that_are_no_frames(line: bytes) -> None:
    port = SlcanPort()
    driver = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(driver, b"O\r" + line + b"\rt027101\r")
        frames = []
        for _ in range(20):
            frames += port.receive(0.05)
            if frames:
                break
        assert frames == [(RIGHT_ID, b"\x01")]
    finally:
        os.close(driver)
        port.close()


def test_a_virtual_bus_off_is_an_error_frame() -> None:
    hand = EmulatedHand()
    with HandServer(hand, VirtualPort("bus-off")), can.Bus(interface="virtual", channel="bus-off") as bus:
        hand.faults.switch("bus_off")
        message = bus.recv(2.0)
        assert message is not None and message.is_error_frame
        bus.send(can.Message(arbitration_id=RIGHT_ID, data=b"\x01", is_extended_id=False))
        time.sleep(0.05)
        assert bus.recv(0.0) is None
