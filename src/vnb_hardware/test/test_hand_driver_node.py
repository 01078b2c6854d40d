"""The hand as a lifecycle node: transitions, topics, actions, emergency stop, and what is on the wire meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from action_msgs.msg import GoalStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vnb_msgs.action import MoveHand
from vnb_msgs.msg import ErrorCode, HandCommand, TactileArray

from vnb_grasp.nodes.run import THREADS
from vnb_hardware.emulators.hand.hand import EmulatedHand
from vnb_hardware.emulators.hand.server import HandServer, VirtualPort
from vnb_hardware.hand.frames import FrameType
from vnb_hardware.hand.state import Mode
from vnb_hardware.nodes.hand_driver_node import HandDriverNode
from vnb_hardware.nodes.testing import nodes, until

pytestmark = pytest.mark.ros

DOMAIN = 91
CLOSING = [0.0, 0.2, 0.4, 0.4, 0.4, 0.4]


@contextmanager
def running(channel: str, **parameters: Any) -> Iterator[tuple[Any, HandDriverNode, EmulatedHand]]:
    hand = EmulatedHand()
    given = {"bus.interface": "virtual", "bus.channel": channel, "driver.silence": 1.5} | parameters
    given["driver.tactile_silence"] = 1.5
    with HandServer(hand, VirtualPort(channel)), nodes(DOMAIN, (HandDriverNode, given)) as (observer, node):
        yield observer, node, hand


def positions(hand: EmulatedHand) -> list[bytes]:
    return [data for _, data in list(hand.heard) if data[0] == FrameType.POSITION]


def activate(node: HandDriverNode) -> None:
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


class Stream:
    """Closes the fingers by commands, as a planner would."""

    def __init__(self, observer: Any) -> None:
        self._node = observer
        self._out = observer.create_publisher(HandCommand, "hand/command", 1)

    def send(self, age: float = 0.0, velocity: list[float] = CLOSING) -> None:
        message = HandCommand(mode=HandCommand.VELOCITY, velocity=velocity)
        now = self._node.get_clock().now().nanoseconds - int(age * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
        self._out.publish(message)

    def until(self, condition: Any, what: str, **options: Any) -> None:
        due = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < due, f"waited 20 s for {what}"
            self.send(**options)
            time.sleep(0.03)


def test_a_life() -> None:
    with running("node-life") as (observer, node, hand):
        joints = observer.hear(JointState, "hand/joint_states")
        targets = observer.hear(JointState, "hand/target")
        pads = observer.hear(TactileArray, "hand/tactile")
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        until(lambda: joints and targets and pads, "the first readings")
        assert len(joints[0].name) == 11 and len(targets[0].name) == 6
        until(lambda: len(pads[-1].pads) == 5, "all pads")
        assert pads[-1].pads[0].finger == "thumb" and len(pads[-1].pads[0].taxels) == 72
        assert not hand.heard, "configuring must not command anything"

        answer = observer.call(
            ChangeState, "hand_driver/change_state", ChangeState.Request(transition=Transition(id=3))
        )
        assert answer.success and node.enabled
        stream = Stream(observer)
        stream.until(lambda: node.driver.state().q[2] > 0.1, "closing fingers")
        handle = observer.send(
            MoveHand, "hand/move", MoveHand.Goal(positions=[0.1, 0.1, 0.3, 0.3, 0.3, 0.3], duration=0.3)
        )
        done = handle.get_result_async()
        until(done.done, "the result of hand/move")
        assert done.result().status == GoalStatus.STATUS_SUCCEEDED
        assert_allclose(done.result().result.final_positions, [0.1, 0.1, 0.3, 0.3, 0.3, 0.3], atol=1e-6)

        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        final = positions(hand)[-2:]
        assert final[0] == final[1] and not node.enabled
        heard = len(hand.heard)
        stream.until(lambda: observer.problem("the hand is not enabled"), "a diagnosed refusal")
        assert len(hand.heard) == heard
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert len(hand.heard) == heard


def test_a_hand_that_is_not_there_fails_the_transition_with_its_reason() -> None:
    with running("node-silent") as (observer, node, hand):
        hand.faults.silent = True
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        until(lambda: observer.problem("check power, the CAN wiring"), "the diagnostic")
        assert [s.values[0].value for s in observer.problems] == [str(ErrorCode.SILENCE)]
        hand.faults.silent = False
        activate(node)


def test_a_fault_is_diagnosed_and_nothing_moves_until_it_is_activated_again() -> None:
    with running("node-fault") as (observer, node, hand):
        activate(node)
        stream = Stream(observer)
        stream.until(lambda: node.driver.state().q[2] > 0.1, "closing fingers")
        hand.faults.switch("fault_bits")
        stream.until(lambda: observer.problem("reports a fault: phase b overcurrent"), "the diagnostic")
        assert node.driver.state().mode is Mode.HOLD
        heard = len(positions(hand))
        stream.until(lambda: len(positions(hand)) > heard + 10, "the hold being sent on")
        assert len(set(positions(hand)[heard:])) == 1
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert observer.call(Trigger, "hand/clear_faults", Trigger.Request()).success
        time.sleep(0.4)
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        stream.until(lambda: node.driver.state().q[2] > 0.3, "closing fingers again")


def test_emergency_stop_reaches_the_wire_and_stays() -> None:
    with running("node-estop") as (observer, node, hand):
        activate(node)
        stream = Stream(observer)
        stop = observer.create_publisher(Bool, "emergency_stop", 1)
        stream.until(lambda: node.driver.state().q[2] > 0.1, "closing fingers")
        stop.publish(Bool(data=True))
        stream.until(lambda: node.driver.state().mode is Mode.HOLD, "the hold")
        heard = len(positions(hand))
        stream.until(lambda: len(positions(hand)) > heard + 10, "the hold being sent on")
        assert len(set(positions(hand)[heard:])) == 1
        until(lambda: observer.problem("emergency stop: on hold"), "the diagnostic")
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE, "it is still pressed"
        stop.publish(Bool(data=False))
        until(lambda: node.trigger_activate() == TransitionCallbackReturn.SUCCESS, "the activation")


def test_a_silent_supervisor_means_hold() -> None:
    with running("node-supervisor", supervisor_timeout=0.3) as (observer, node, _hand):
        heartbeat = observer.create_publisher(Bool, "safety/hold", 1)
        timer = observer.create_timer(0.05, lambda: heartbeat.publish(Bool(data=False)))
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        until(lambda: node.trigger_activate() == TransitionCallbackReturn.SUCCESS, "the activation")
        stream = Stream(observer)
        stream.until(lambda: node.driver.state().q[2] > 0.1, "closing fingers")
        timer.cancel()
        stream.until(lambda: node.driver.state().mode is Mode.HOLD, "the hold")
        until(lambda: observer.problem("the supervisor is silent"), "the diagnostic")


def test_commands_that_are_none_or_too_old_do_not_move_it() -> None:
    with running("node-commands") as (observer, node, _hand):
        activate(node)
        stream = Stream(observer)
        before = node.driver.state().target
        stream.until(lambda: observer.problem("s old, the limit is 1.0 s"), "a diagnosed refusal", age=5.0)
        stream.until(
            lambda: observer.problem("expected finite numbers"), "a diagnosed refusal", velocity=[float("nan")] * 6
        )
        assert_allclose(node.driver.state().target, before)


def test_pads_that_are_silent_are_not_published() -> None:
    with running("node-pads") as (observer, node, hand):
        joints = observer.hear(JointState, "hand/joint_states")
        pads = observer.hear(TactileArray, "hand/tactile")
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        until(lambda: pads and len(pads[-1].pads) == 5, "all pads")
        hand.faults.drop_rows = 1.0
        until(lambda: not node.driver.state().tactile_known.any(), "old pads")
        heard, more = len(pads), len(joints) + 10
        until(lambda: len(joints) > more, "angles, which go on")
        assert len(pads) <= heard + 1, "one may have been under way"
        hand.faults.drop_rows = 0.0
        until(lambda: len(pads) > heard + 1, "pads again")


def test_a_canceled_motion_stops() -> None:
    with running("node-cancel") as (observer, node, _hand):
        activate(node)
        handle = observer.send(MoveHand, "hand/move", MoveHand.Goal(positions=[0.8] * 6, duration=5.0))
        until(lambda: node.driver.state().q[2] > 0.1, "motion")
        handle.cancel_goal_async()
        done = handle.get_result_async()
        until(done.done, "the result")
        assert done.result().status == GoalStatus.STATUS_CANCELED
        assert done.result().result.error_code == ErrorCode.CANCELED
        assert (node.driver.state().target < np.array(0.7)).all()


def test_many_goals_do_not_keep_the_emergency_stop_out() -> None:
    with running("node-many") as (observer, node, _hand):
        activate(node)
        stop = observer.create_publisher(Bool, "emergency_stop", 1)
        goal = MoveHand.Goal(positions=[0.8] * 6, duration=30.0)
        handles = [observer.send(MoveHand, "hand/move", goal) for _ in range(THREADS + 2)]
        others = [handle.get_result_async() for handle in handles[1:]]
        until(lambda: all(other.done() for other in others), "the refusals")
        assert {other.result().result.error_code for other in others} == {ErrorCode.HOLD}
        assert node.driver.state().mode is Mode.ENABLED

        def stopped() -> bool:
            stop.publish(Bool(data=True))
            time.sleep(0.03)
            return node.driver.state().mode is Mode.HOLD

        until(stopped, "the hold")


def test_closing_the_node_leaves_the_final_frames() -> None:
    with running("node-close") as (observer, node, hand):
        activate(node)
        Stream(observer).until(lambda: node.driver.state().q[2] > 0.1, "closing fingers")
        node.close()
        final = positions(hand)[-2:]
        assert final[0] == final[1]
        heard = len(hand.heard)
        time.sleep(0.1)
        assert len(hand.heard) == heard


def test_a_node_that_ends_connects_and_activates_nothing() -> None:
    with running("node-ending") as (_, node, hand):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        node.close()
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        assert not node.enabled and not hand.heard


def test_a_node_that_ends_while_it_connects_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    with running("node-late") as (_, node, hand):
        connect = node.driver.connect

        def late() -> Any:
            node.close()
            return connect()

        monkeypatch.setattr(node.driver, "connect", late)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert node.driver._bus is None
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert node.driver._bus is None and not hand.heard


def test_autostart() -> None:
    with running("node-auto", autostart="activate") as (_, node, _hand):
        until(lambda: node.enabled, "the activation")
