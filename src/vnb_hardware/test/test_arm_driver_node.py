"""The arm as a lifecycle node: transitions, topics, actions, emergency stop, and what is on the wire meanwhile."""

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
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vnb_msgs.action import MoveArm
from vnb_msgs.msg import ErrorCode, HandCommand

from vnb_grasp.description import load_arm
from vnb_hardware.arm.driver import Phase
from vnb_hardware.emulators.arm import ArmEmulator
from vnb_hardware.emulators.arm.testing import MOTIONS, PATIENT
from vnb_hardware.nodes.arm_driver_node import ArmDriverNode
from vnb_hardware.nodes.testing import nodes, until

pytestmark = pytest.mark.ros

DOMAIN = 92
READY = np.array(load_arm("fr3").ready)
TURN = np.array([0.4, 0.0, 0.0, 0.0, 0.0, 0.0])


@contextmanager
def running(**parameters: Any) -> Iterator[tuple[Any, ArmDriverNode, ArmEmulator]]:
    with ArmEmulator(ports=(0, 0, 0, 0), start=READY) as arm:
        calls, cnde, _, text = arm.ports
        given = {"driver.rpc_port": calls, "driver.stream_port": cnde, "driver.text_port": text}
        given["driver.stale_after"] = PATIENT.stale_after
        with nodes(DOMAIN, (ArmDriverNode, {**given, **parameters})) as (observer, node):
            yield observer, node, arm


def activate(node: ArmDriverNode) -> None:
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def turn(observer: Any, scale: float = 0.1) -> Any:
    """Send a goal that takes seconds, and return its handle."""
    goal = MoveArm.Goal(kind=MoveArm.Goal.JOINT, positions=(READY + TURN).tolist(), speed_scale=scale)
    return observer.send(MoveArm, "arm/move", goal)


def stamped(observer: Any, message: Any, age: float = 0.0) -> Any:
    """Return the message with a stamp that is ``age`` [s] old."""
    now = observer.get_clock().now().nanoseconds - int(age * 1e9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
    return message


def result_of(handle: Any) -> Any:
    done = handle.get_result_async()
    until(done.done, "the result of arm/move")
    return done.result()


def moving(arm: ArmEmulator) -> bool:
    return bool(np.abs(arm.model.velocity).max() > 0.02)


def require_stopped(arm: ArmEmulator, since: float) -> None:
    """The stop is on the wire, nothing that moves after it, and the arm stands."""
    until(lambda: "StopMotion" in arm.wire.methods(since), "the stop on the wire")
    until(lambda: not moving(arm), "the arm to stand")
    stop = next(sent for sent in arm.wire.since(since) if sent.method == "StopMotion")
    assert MOTIONS.isdisjoint(arm.wire.methods(stop.at))


def test_a_life() -> None:
    with running() as (observer, node, arm):
        joints = observer.hear(JointState, "arm/joint_states")
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        until(lambda: joints, "the first angles")
        assert joints[0].name == list(load_arm("fr3").joint_names)
        assert_allclose(joints[0].position, READY, atol=1e-6)
        assert {name for name in arm.wire.methods() if not name.startswith("Get")} == set(), "configuring only reads"
        result = result_of(turn(observer)).result
        assert result.error_code == ErrorCode.HOLD and not arm.model.enabled

        answer = observer.call(ChangeState, "arm_driver/change_state", ChangeState.Request(transition=Transition(id=3)))
        assert answer.success and node.enabled and arm.model.enabled
        done = result_of(turn(observer, 1.0))
        assert done.status == GoalStatus.STATUS_SUCCEEDED and done.result.error_code == ErrorCode.NONE
        assert_allclose(done.result.final_positions, READY + TURN, atol=1e-3)
        assert_allclose(arm.model.position, READY + TURN, atol=1e-6)

        at = time.monotonic()
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        require_stopped(arm, at)
        assert result_of(turn(observer)).result.error_code == ErrorCode.HOLD
        at = time.monotonic()
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert MOTIONS.isdisjoint(arm.wire.methods(at))


def test_a_controller_that_is_not_there_fails_the_transition_with_its_reason() -> None:
    with running() as (observer, node, arm):
        arm.inject("refuse")
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        # The call is refused, or reset if the system had accepted it already: the words differ, the address is there.
        until(lambda: observer.problem("127.0.0.1"), "the diagnostic")
        assert [s.values[0].value for s in observer.problems] == [str(ErrorCode.LINK)]
        arm.clear()
        activate(node)


def test_a_pose_is_reached_and_a_pose_below_the_table_is_refused() -> None:
    with running() as (observer, node, arm):
        activate(node)
        planner = node.driver.require_planner()
        goal = MoveArm.Goal(kind=MoveArm.Goal.CARTESIAN, linear=True, speed_scale=1.0)
        pose = planner.hand_pose(READY)
        x, y, z = pose[:3, 3].tolist()
        target = goal.hand_pose.pose
        target.position.x, target.position.y, target.position.z = x, y, z + 0.04
        turned = _quaternion(pose[:3, :3])
        target.orientation.w, target.orientation.x, target.orientation.y, target.orientation.z = turned
        done = result_of(observer.send(MoveArm, "arm/move", goal))
        assert done.status == GoalStatus.STATUS_SUCCEEDED
        assert_allclose(planner.hand_pose(arm.model.position)[:3, 3], [x, y, z + 0.04], atol=1e-4)
        at = time.monotonic()
        target.position.z = 0.70
        done = result_of(observer.send(MoveArm, "arm/move", goal))
        assert done.status == GoalStatus.STATUS_ABORTED and done.result.error_code == ErrorCode.MOTION
        assert "the table" in done.result.error_message
        goal.hand_pose.header.frame_id = "camera"
        assert result_of(observer.send(MoveArm, "arm/move", goal)).result.error_code == ErrorCode.CONFIG
        assert MOTIONS.isdisjoint(arm.wire.methods(at))


def _quaternion(rotation: np.ndarray) -> list[float]:
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return [w, x, y, z]


def test_a_canceled_motion_stops() -> None:
    with running() as (observer, node, arm):
        activate(node)
        handle = turn(observer)
        until(lambda: moving(arm), "motion")
        at = time.monotonic()
        handle.cancel_goal_async()
        done = result_of(handle)
        assert done.status == GoalStatus.STATUS_CANCELED and done.result.error_code == ErrorCode.CANCELED
        require_stopped(arm, at)
        assert_allclose(done.result.final_positions, arm.model.position, atol=1e-3)
        assert node.driver.phase is Phase.READY, node.driver.fault


def test_a_fault_is_diagnosed_and_nothing_moves_until_it_is_activated_again() -> None:
    with running() as (observer, node, arm):
        activate(node)
        handle = turn(observer)
        until(lambda: moving(arm), "motion")
        at = time.monotonic()
        arm.inject("collision")
        done = result_of(handle)
        assert done.status == GoalStatus.STATUS_ABORTED and done.result.error_code == ErrorCode.DEVICE_FAULT
        require_stopped(arm, at)
        until(lambda: observer.problem("collision detected"), "the diagnostic")
        assert result_of(turn(observer)).result.error_code == ErrorCode.HOLD
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE, "the controller still has its error"
        assert observer.call(Trigger, "arm/reset_errors", Trigger.Request()).success
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert result_of(turn(observer, 1.0)).result.error_code == ErrorCode.NONE


def test_emergency_stop_reaches_the_wire_and_stays() -> None:
    with running() as (observer, node, arm):
        activate(node)
        stop = observer.create_publisher(Bool, "emergency_stop", 1)
        handle = turn(observer)
        until(lambda: moving(arm) and stop.get_subscription_count(), "motion")
        at = time.monotonic()
        stop.publish(Bool(data=True))
        assert result_of(handle).result.error_code == ErrorCode.HOLD
        require_stopped(arm, at)
        until(lambda: observer.problem("emergency stop: on hold"), "the diagnostic")
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE, "it is still pressed"
        stop.publish(Bool(data=False))
        until(lambda: node.trigger_activate() == TransitionCallbackReturn.SUCCESS, "the activation")


def test_a_silent_supervisor_means_hold() -> None:
    with running(supervisor_timeout=0.3) as (observer, node, arm):
        heartbeat = observer.create_publisher(Bool, "safety/hold", 1)
        timer = observer.create_timer(0.05, lambda: heartbeat.publish(Bool(data=False)))
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        until(lambda: node.trigger_activate() == TransitionCallbackReturn.SUCCESS, "the activation")
        handle = turn(observer)
        until(lambda: moving(arm), "motion")
        at = time.monotonic()
        timer.cancel()
        assert result_of(handle).result.error_code == ErrorCode.HOLD
        require_stopped(arm, at)
        until(lambda: observer.problem("the supervisor is silent"), "the diagnostic")


def test_corrections_are_streamed_and_end_by_themselves() -> None:
    with running() as (observer, node, arm):
        activate(node)
        lifts = observer.create_publisher(HandCommand, "hand/command", 1)
        twists = observer.create_publisher(TwistStamped, "arm/correction", 1)
        planner = node.driver.require_planner()
        low = planner.hand_pose(arm.model.position)[2, 3]

        def lifted() -> bool:
            lifts.publish(stamped(observer, HandCommand(mode=HandCommand.VELOCITY, lift_speed=0.02)))
            time.sleep(0.03)
            return bool(planner.hand_pose(arm.model.position)[2, 3] > low + 0.004)

        until(lifted, "the lift")
        until(lambda: "ServoMoveEnd" in arm.wire.methods(), "the end of the stream")
        until(lambda: not moving(arm), "the arm to stand")
        assert node.driver.phase is Phase.READY, node.driver.fault
        at, fast = time.monotonic(), TwistStamped()
        fast.twist.linear.x = 1.0

        def refused() -> bool:
            twists.publish(stamped(observer, fast))
            time.sleep(0.03)
            return observer.problem("correction: got 1.000 m/s")

        until(refused, "a diagnosed refusal")
        assert "ServoJ" not in arm.wire.methods(at)


def test_corrections_that_answer_old_measurements_do_not_move_it() -> None:
    with running() as (observer, node, arm):
        activate(node)
        lift, twist = HandCommand(mode=HandCommand.VELOCITY, lift_speed=0.02, step=7), TwistStamped()
        twist.twist.linear.z = 0.02
        for topic, message, text in (
            ("hand/command", lift, "hand command of step 7, lift: it answers measurements that are"),
            ("arm/correction", twist, "arm correction: it answers measurements that are"),
        ):
            out = observer.create_publisher(type(message), topic, 1)

            def refused(out: Any = out, message: Any = message, text: str = text) -> bool:
                out.publish(stamped(observer, message, age=5.0))
                time.sleep(0.03)
                return observer.problem(text)

            until(refused, "a diagnosed refusal")
        assert MOTIONS.isdisjoint(arm.wire.methods())


def test_closing_the_node_stops_the_arm() -> None:
    with running() as (observer, node, arm):
        activate(node)
        turn(observer)
        until(lambda: moving(arm), "motion")
        at = time.monotonic()
        node.close()
        require_stopped(arm, at)
        assert arm.model.enabled, "the drives hold the arm"


def test_autostart() -> None:
    with running(autostart="activate") as (_, node, _arm):
        until(lambda: node.enabled, "the activation")


def test_every_parameter_says_what_it_is() -> None:
    with running() as (_, node, _arm):
        names = [
            name for name in node._parameters if name.startswith(("driver.", "publish", "supervisor", "autostart"))
        ]
        assert {"driver.host", "driver.workspace.table_height", "driver.servo_timeout", "autostart"} <= set(names)
        assert [name for name in names if not node.describe_parameter(name).description] == []
