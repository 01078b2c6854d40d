"""Hand, arm and supervisor together: whatever fails, both devices are told to hold, as their wires show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import TransitionCallbackReturn
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vnb_msgs.action import MoveArm
from vnb_msgs.msg import ErrorCode, HandCommand, PlannerStatus

from vnb_grasp.description import load_arm
from vnb_hardware.emulators.arm import ArmEmulator
from vnb_hardware.emulators.arm.testing import MOTIONS
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, VirtualPort
from vnb_hardware.hand.frames import FrameType
from vnb_hardware.hand.state import Mode
from vnb_hardware.nodes.arm_driver_node import ArmDriverNode
from vnb_hardware.nodes.hand_driver_node import HandDriverNode
from vnb_hardware.nodes.supervisor_node import SupervisorNode
from vnb_hardware.nodes.testing import nodes, until

pytestmark = pytest.mark.ros

DOMAIN = 93
READY = np.array(load_arm("fr3").ready)
CLOSING = [0.0, 0.2, 0.4, 0.4, 0.4, 0.4]


@dataclass
class Robot:
    """Both devices with their drivers, moving."""

    observer: Any
    hand_node: HandDriverNode
    arm_node: ArmDriverNode
    supervisor: SupervisorNode
    hand: EmulatedHand
    arm: ArmEmulator

    def move(self) -> None:
        """Set both in motion; the fingers are moved on by :meth:`go_on`."""
        self.out = self.observer.create_publisher(HandCommand, "hand/command", 1)
        goal = MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=(READY + 0.4).tolist(), speed_scale=0.1)
        self.observer.send(MoveArm, "arm/move", goal)
        self.go_on(lambda: self.hand_node.driver.state().q[2] > 0.05, "moving fingers")
        until(lambda: np.abs(self.arm.model.velocity).max() > 0.02, "the arm to move")

    def go_on(self, condition: Callable[[], Any], what: str) -> None:
        """Keep commanding the fingers until a condition holds."""
        due = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < due, f"waited 20 s for {what}"
            message = HandCommand(mode=HandCommand.VELOCITY, velocity=CLOSING)
            message.header.stamp = self.observer.get_clock().now().to_msg()
            self.out.publish(message)
            time.sleep(0.03)

    def positions(self) -> list[bytes]:
        """Return the position frames that the hand got."""
        return [data for _, data in list(self.hand.heard) if data[0] == FrameType.POSITION]

    def require_arm_stopped(self, since: float) -> None:
        """The stop is on the arm's wire, and nothing that moves after it."""
        until(lambda: "StopMotion" in self.arm.wire.methods(since), "the arm's stop on the wire")
        stop = next(sent for sent in self.arm.wire.since(since) if sent.method == "StopMotion")
        until(lambda: np.abs(self.arm.model.velocity).max() < 0.02, "the arm to stand")
        assert MOTIONS.isdisjoint(self.arm.wire.methods(stop.at))

    def require_hand_held(self) -> None:
        """The hand's wire carries one and the same position from now on, although commands go on."""
        self.go_on(lambda: self.hand_node.driver.state().mode is Mode.HOLD, "the hand's hold")
        heard = len(self.positions())
        self.go_on(lambda: len(self.positions()) > heard + 10, "the hold being sent on")
        assert len(set(self.positions()[heard:])) == 1


@contextmanager
def robot(channel: str, **supervisor: float) -> Iterator[Robot]:
    hand, arm = EmulatedHand(), ArmEmulator(ports=(0, 0, 0, 0), start=READY)
    calls, cnde, _, text = arm.ports
    patient = {"supervisor_timeout": 2.0}
    with arm, HandServer(hand, VirtualPort(channel)):
        makers = (
            (
                HandDriverNode,
                {
                    "bus.interface": "virtual",
                    "bus.channel": channel,
                    "driver.silence": 1.5,
                    "command_age": 0.0,
                    **patient,
                },
            ),
            (
                ArmDriverNode,
                {
                    "driver.rpc_port": calls,
                    "driver.stream_port": cnde,
                    "driver.text_port": text,
                    "driver.stale_after": 1.0,
                    **patient,
                },
            ),
            (SupervisorNode, {"hand_deadline": 2.0, "tactile_deadline": 3.0, "arm_deadline": 2.0, **supervisor}),
        )
        with nodes(DOMAIN, *makers) as (observer, hand_node, arm_node, supervisor_node):
            made = Robot(observer, hand_node, arm_node, supervisor_node, hand, arm)
            verdicts = observer.hear(Bool, "safety/hold")
            for node in (hand_node, arm_node):
                assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            until(lambda: verdicts and not verdicts[-1].data, "the supervisor's consent")
            for node in (hand_node, arm_node):
                until(lambda n=node: n.trigger_activate() == TransitionCallbackReturn.SUCCESS, "the activation")
            yield made


def test_a_fault_of_the_hand_stops_the_arm() -> None:
    with robot("both-hand") as r:
        r.move()
        since = time.monotonic()
        r.hand.faults.switch("fault_bits")
        r.require_hand_held()
        r.require_arm_stopped(since)
        until(lambda: r.observer.problem("the supervisor says hold: on hold"), "the diagnostic")


def test_a_fault_of_the_arm_stops_the_hand() -> None:
    with robot("both-arm") as r:
        r.move()
        since = time.monotonic()
        r.arm.inject("safety_stop")
        r.require_arm_stopped(since)
        r.require_hand_held()


def test_the_emergency_stop_service_reaches_both_wires_and_stays_until_released() -> None:
    with robot("both-stop") as r:
        r.move()
        since = time.monotonic()
        assert r.observer.call(Trigger, "emergency_stop", Trigger.Request()).success
        r.require_arm_stopped(since)
        r.require_hand_held()
        for node in (r.hand_node, r.arm_node):
            assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
            assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        assert r.observer.call(Trigger, "emergency_stop/release", Trigger.Request()).success
        heard, called = len(r.hand.heard), time.monotonic()
        time.sleep(0.5)
        assert len(r.hand.heard) == heard, "nothing moves by itself after the release"
        assert MOTIONS.isdisjoint(r.arm.wire.methods(called))


def status(name: str, code: int) -> DiagnosticArray:
    level = DiagnosticStatus.ERROR if code else DiagnosticStatus.OK
    values = [KeyValue(key="error_code", value=str(code))]
    return DiagnosticArray(status=[DiagnosticStatus(name=name, level=level, message="unplugged", values=values)])


def test_only_who_says_when_a_fault_is_over_can_hold_the_robot_by_one() -> None:
    alone = {"hand_deadline": 0.0, "tactile_deadline": 0.0, "arm_deadline": 0.0, "recovery": 0.0}
    with nodes(DOMAIN, (SupervisorNode, alone)) as (_, node):
        for name in ("/d435i_driver", "/decision"):
            node._on_status(status(name, ErrorCode.LINK))
        assert not node._core.check(time.monotonic()).hold
        node._on_status(status("/arm_driver", ErrorCode.LINK))
        assert node._core.check(time.monotonic()).reasons == ("/arm_driver: unplugged",)
        node._on_status(status("/arm_driver: arm", ErrorCode.NONE))
        assert not node._core.check(time.monotonic()).hold
        node._on_status(status("/gripper: health", ErrorCode.NONE))
        node._on_status(status("/gripper", ErrorCode.SILENCE))
        assert node._core.check(time.monotonic()).hold


def test_a_dead_supervisor_stops_both() -> None:
    with robot("both-supervisor") as r:
        r.move()
        since = time.monotonic()
        r.supervisor.destroy_node()
        r.require_arm_stopped(since)
        r.require_hand_held()
        until(lambda: r.observer.problem("the supervisor is silent"), "the diagnostic")


def test_a_planner_that_dies_while_it_works_stops_both() -> None:
    with robot("both-planner", planner_deadline=0.5) as r:
        r.move()
        since = time.monotonic()
        out = r.observer.create_publisher(PlannerStatus, "planner/status", 10)
        until(lambda: out.get_subscription_count() > 0, "the supervisor to listen")
        out.publish(PlannerStatus(phase=PlannerStatus.CLOSING))
        r.require_arm_stopped(since)
        r.require_hand_held()
        until(lambda: r.observer.problem("planner/status is silent"), "the diagnostic")
