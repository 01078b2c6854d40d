"""The emulated controller as a client of the vendor's kind sees it: protocol, motion, flags and faults."""

from __future__ import annotations

import socket
import time
import xmlrpc.client
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import LinkError, UnknownNameError
from vnb_hardware.arm import cnde, legacy, xml_codec
from vnb_hardware.arm.cnde import Frame, Kind, Subscription
from vnb_hardware.emulators.arm import FAULTS, PORTS, ArmEmulator
from vnb_hardware.emulators.arm.testing import until

NO_AXES, NO_OFFSET = [0.0] * 4, [0.0] * 6
START = [-90.0, -100.0, -90.0, -80.0, 30.0, 120.0]


@pytest.fixture
def arm() -> Iterator[ArmEmulator]:
    with ArmEmulator(ports=(0, 0, 0, 0), start=np.radians(START)) as emulator:
        yield emulator


def client(arm: ArmEmulator) -> xmlrpc.client.ServerProxy:
    return xmlrpc.client.ServerProxy(f"http://127.0.0.1:{arm.ports[0]}")


def move(proxy: xmlrpc.client.ServerProxy, goal: list[float], blend: float = -1.0) -> object:
    return proxy.MoveJ(goal, [0.0] * 6, 0, 0, 100.0, 0.0, 100.0, NO_AXES, blend, 0, NO_OFFSET)


def turned(by: float) -> list[float]:
    return [START[0] + by, *START[1:]]


def test_it_listens_on_loopback_at_the_controllers_ports() -> None:
    assert PORTS == (20003, 20005, 20004, 8080)
    with ArmEmulator(ports=(0, 0, 0, 0)) as emulator:
        assert emulator.host == "127.0.0.1"
        taken = emulator.ports[0]
        with pytest.raises(LinkError, match="choose other ports"):
            ArmEmulator(ports=(taken, 0, 0, 0))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", taken), 1.0)


def test_the_standard_client_is_answered(arm: ArmEmulator) -> None:
    with client(arm) as proxy:
        assert proxy.GetControllerIP() == [0, "127.0.0.1"]
        assert_allclose(proxy.GetActualJointPosDegree(1), [0, *START])
        code, *pose = proxy.GetForwardKin(START)
        assert code == 0
        assert_allclose(proxy.GetActualTCPPose(1), [0, *pose])
        assert_allclose(proxy.GetInverseKin(0, pose, -1), [0, *START], atol=1e-6)
        assert proxy.GetInverseKin(0, [2000.0, *pose[1:]], -1)[0] == 28
        with pytest.raises(xmlrpc.client.Fault, match="no method Jump"):
            proxy.Jump()
        assert proxy.Mode() == 3
        assert proxy.Mode(7) == 4


def test_it_moves_only_when_enabled_in_automatic_mode(arm: ArmEmulator) -> None:
    with client(arm) as proxy:
        assert move(proxy, turned(5)) == 14
        proxy.RobotEnable(1)
        proxy.Mode(1)
        assert move(proxy, turned(5)) == 14
        proxy.Mode(0)
        assert move(proxy, turned(5)) == 0
        assert_allclose(np.degrees(arm.model.position), turned(5), atol=1e-6)
        assert move(proxy, turned(400)) == 112
        arm.inject("safety_stop")
        assert move(proxy, START) == 99


def test_a_call_blocks_or_queues_as_its_blend_says(arm: ArmEmulator) -> None:
    with client(arm) as proxy:
        proxy.RobotEnable(1)
        assert move(proxy, turned(20), 0.0) == 0
        assert move(proxy, turned(0), 0.0) == 0
        assert len(arm.model.queue) == 2
        until(lambda: not arm.model.queue)
        assert_allclose(np.degrees(arm.model.position), START, atol=1e-6)
        move(proxy, turned(60), 0.0)
        until(lambda: arm.model.velocity[0] > 0.05)
        proxy.StopMotion()
        until(lambda: not arm.model.queue and np.abs(arm.model.velocity).max() == 0)
        assert 0 < np.degrees(arm.model.position)[0] - START[0] < 60


def test_speed_and_acceleration_are_bounded(arm: ArmEmulator) -> None:
    arm.model.enabled = True
    arm.closing.set()  # the test is the clock
    arm._clock.join()
    path = np.stack([np.radians(START), np.radians(turned(90))])
    arm.model.add(path, 0.2)
    speeds = []
    for _ in range(4000):
        arm.model.step(0.004)
        speeds.append(float(arm.model.velocity[0]))
    assert_allclose(arm.model.position, path[1], atol=1e-6)
    assert_allclose(max(speeds), 0.2 * np.pi / 2, rtol=1e-6)
    assert np.abs(np.diff(speeds)).max() / 0.004 < 30


def test_streamed_targets_need_a_start_and_may_not_jump(arm: ArmEmulator) -> None:
    with client(arm) as proxy:
        proxy.RobotEnable(1)
        rest = (NO_AXES, 0.0, 0.0, 0.008, 0.0, 0.0, 0)
        assert proxy.ServoJ(START, *rest) == 14
        assert proxy.ServoMoveStart() == 0
        assert proxy.ServoJ(turned(1), *rest) == 0
        until(lambda: abs(np.degrees(arm.model.position[0]) - START[0] - 1) < 1e-6)
        assert proxy.ServoJ(turned(60), *rest) == 29
        assert proxy.ServoJ(turned(1), *rest) == 14
        assert proxy.ResetAllError() == 0
        assert proxy.ServoMoveEnd() == 0


def test_what_it_measures_may_come_from_elsewhere() -> None:
    asked: list[np.ndarray] = []

    def plant(reference: np.ndarray, dt: float) -> np.ndarray:
        asked.append(reference)
        return reference + 0.01

    with ArmEmulator(ports=(0, 0, 0, 0), start=np.radians(START), plant=plant) as arm, client(arm) as proxy:
        until(lambda: asked)
        assert_allclose(asked[0], np.radians(START))
        until(lambda: proxy.GetActualJointPosRadian(1)[1] != np.radians(START)[0])
        assert_allclose(proxy.GetActualJointPosRadian(1)[1:], np.radians(START) + 0.01)


def test_both_streams_say_the_same(arm: ArmEmulator) -> None:
    names = Subscription(cnde.DEFAULT_NAMES, 8)
    with socket.create_connection(("127.0.0.1", arm.ports[1]), 2.0) as stream:
        stream.sendall(cnde.encode(Frame(Kind.OUTPUT_CONFIG, names.request())))
        deframer, frames = cnde.Deframer(), []
        while not frames:
            frames += deframer.feed(stream.recv(4096))
        assert (frames[0].kind, frames[0].data[:1]) == (Kind.MESSAGE, b"\0")
        stream.sendall(cnde.encode(Frame(Kind.START, b"", 1)))
        while not any(frame.kind is Kind.OUTPUT for frame in frames):
            frames += deframer.feed(stream.recv(4096))
        new = names.unpack(next(frame.data for frame in frames if frame.kind is Kind.OUTPUT))
        stream.sendall(cnde.encode(Frame(Kind.OUTPUT_CONFIG, names.request())))
        frames.clear()
        while not any(frame.kind is Kind.MESSAGE for frame in frames):
            frames += deframer.feed(stream.recv(4096))
        refusal = next(frame for frame in frames if frame.kind is Kind.MESSAGE)
        assert refusal.data[:1] == b"\x01", "it must be stopped before it is configured again"
    with socket.create_connection(("127.0.0.1", arm.ports[2]), 2.0) as stream:
        reader, states = legacy.Deframer(), []
        while not states:
            states += reader.feed(stream.recv(4096))
    old = states[0][1]
    assert_allclose(new["actual_joint_pos"], START)
    assert_allclose(old["actual_joint_pos"], START, atol=0.005)
    for name in ("motion_done", "rbt_enable_state", "robot_mode", "emergency_stop"):
        assert old[name] == new[name]


def test_the_oldest_clients_can_check_the_sum(arm: ArmEmulator) -> None:
    with socket.create_connection(("127.0.0.1", arm.ports[2]), 2.0) as stream:
        data = b""
        while len(data) < legacy.FRAME_SIZE:
            data += stream.recv(4096)
    assert sum(data[: legacy.FRAME_SIZE - 2]) < 65536


def test_a_text_stop_is_obeyed_and_confirmed(arm: ArmEmulator) -> None:
    arm.model.enabled = True
    arm.model.add(np.stack([np.radians(START), np.radians(turned(60))]), 0.3)
    with socket.create_connection(("127.0.0.1", arm.ports[3]), 2.0) as text:
        text.sendall(b"/f/bIII7III102III4IIIStopIII/b/f")
        answer = text.recv(1024)
    assert answer.split(b"III")[4] == b"1" and len(answer.split(b"III")) == 6
    until(lambda: not arm.model.queue)


def test_hostile_clients_do_no_harm(arm: ArmEmulator) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><methodCall><methodName>&a;</methodName></methodCall>'
    for head, body in ((len(bomb), bomb), (10**9, b""), (-1, b""), ("x", b"")):
        with socket.create_connection(("127.0.0.1", arm.ports[0]), 2.0) as http:
            http.sendall(f"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {head}\r\n\r\n".encode() + body)
            assert http.recv(4096).split()[1] in (b"400", b"413")
    with client(arm) as proxy:
        assert proxy.GetControllerIP() == [0, "127.0.0.1"]


def test_unknown_faults_are_named() -> None:
    with pytest.raises(UnknownNameError, match="stuck_joint"):
        FAULTS["broken"]


def test_faults_end_when_they_are_mended(arm: ArmEmulator) -> None:
    with client(arm) as proxy:
        for name in FAULTS:
            arm.inject(name)
            arm.clear()
        arm.model.mode = 0
        assert proxy.ResetAllError() == 0
        assert proxy.RobotEnable(1) == 0
        assert move(proxy, turned(2)) == 0


def test_the_wire_remembers_bytes_and_times(arm: ArmEmulator) -> None:
    at = time.monotonic()
    with client(arm) as proxy:
        proxy.SetSpeed(50)
    sent = arm.wire.wait_for(lambda sent: sent.method == "SetSpeed", at, 2.0)
    assert sent is not None and sent.at >= at
    assert xml_codec.load_call(sent.data) == ("SetSpeed", [50])
    assert arm.wire.wait_for(lambda sent: sent.method == "Jump", at, 0.05) is None
