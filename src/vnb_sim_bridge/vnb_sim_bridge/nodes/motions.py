"""The bridge's actions: move arm and hand, and the stress test. One at a time; all can be canceled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import CallbackGroup
from vnb_msgs.action import MoveArm, MoveHand, StressTest
from vnb_msgs.msg import ErrorCode

from vnb_grasp.errors import ConfigError
from vnb_grasp.nodes.action_server import RESULT_TIMEOUT
from vnb_grasp.nodes.base import Canceled, fill
from vnb_grasp.nodes.conversions import in_order, require_finite_array, require_pose
from vnb_sim_bridge.nodes.messages import fill_stress_result

if TYPE_CHECKING:
    from vnb_sim_bridge.nodes.sim_bridge_node import SimBridgeNode

Array = NDArray[np.float64]

_PUBLISH_EVERY = 5
"""Motion chunks between two publications of the joints."""


def _accept_cancel(handle: Any) -> CancelResponse:
    return CancelResponse.ACCEPT


class MotionServers:
    """Serves ``arm/move``, ``hand/move`` and ``stress_test``."""

    def __init__(self, node: SimBridgeNode, group: CallbackGroup) -> None:
        self._node = node
        self._servers = [
            ActionServer(
                node,
                kind,
                name,
                execute,
                callback_group=group,
                cancel_callback=_accept_cancel,
                result_timeout=RESULT_TIMEOUT,
            )
            for kind, name, execute in (
                (MoveArm, "arm/move", self._move_arm),
                (MoveHand, "hand/move", self._move_hand),
                (StressTest, "stress_test", self._stress_test),
            )
        ]

    # --- arm ------------------------------------------------------------------------------------------------------

    def _move_arm(self, handle: Any) -> MoveArm.Result:
        node, result = self._node, MoveArm.Result()

        def feedback(progress: float) -> MoveArm.Feedback:
            return MoveArm.Feedback(progress=progress, positions=node.bridge.world.arm_q().tolist())

        if self._run(handle, result, "arm/move", lambda: self._arm_motion(handle.request), feedback):
            with node.border():
                result.final_positions = node.in_world(node.bridge.world.arm_q).tolist()
        return self._end(handle, result)

    def _arm_motion(self, goal: MoveArm.Goal) -> Iterator[float]:
        """Plan a goal's motion; in the world's thread."""
        bridge = self._node.bridge
        scale = float(goal.speed_scale)
        numbers = np.array([scale, goal.duration, *goal.positions])
        require_finite_array(numbers, "arm goal: speed scale, duration, positions")
        if goal.kind == MoveArm.Goal.JOINT:
            names = bridge.world.arm.joint_names
            target = in_order(names, goal.joint_names, goal.positions, "arm goal")
            self._require_within_limits(target)
            return bridge.run_arm(bridge.plan_joint_motion(target, scale, goal.duration))
        if goal.kind == MoveArm.Goal.CARTESIAN:
            return self._cartesian_motion(goal)
        raise ConfigError(f"arm goal: got kind {goal.kind}, expected JOINT or CARTESIAN")

    def _cartesian_motion(self, goal: MoveArm.Goal) -> Iterator[float]:
        bridge = self._node.bridge
        frame = goal.hand_pose.header.frame_id
        if frame not in ("", "world"):
            raise ConfigError(f"arm goal: got a pose in frame {frame!r}, expected world")
        pose = require_pose(goal.hand_pose.pose, "arm goal").matrix().numpy()
        if goal.linear:
            return bridge.run_arm(bridge.plan_linear_motion(pose, goal.speed_scale, goal.duration))
        kinematics, world = bridge.kinematics, bridge.world
        seeds = kinematics.seeds((world.arm_q(),))
        target = kinematics.solve_free(pose, seeds, world.hand_q())
        return bridge.run_arm(bridge.plan_joint_motion(target, goal.speed_scale, goal.duration))

    def _require_within_limits(self, target: Array) -> None:
        for joint, value in zip(self._node.bridge.world.arm.joints, target.tolist(), strict=True):
            if not joint.lower <= value <= joint.upper:
                raise ConfigError(
                    f"arm goal: got {value} rad for {joint.name}, expected {joint.lower} to {joint.upper} rad"
                )

    # --- hand -----------------------------------------------------------------------------------------------------

    def _move_hand(self, handle: Any) -> MoveHand.Result:
        node, result = self._node, MoveHand.Result()

        def feedback(progress: float) -> MoveHand.Feedback:
            return MoveHand.Feedback(progress=progress)

        if self._run(handle, result, "hand/move", lambda: self._hand_motion(handle.request), feedback):
            with node.border():
                result.final_positions = node.in_world(node.bridge.world.hand_target.tolist)
        return self._end(handle, result)

    def _hand_motion(self, goal: MoveHand.Goal) -> Iterator[float]:
        bridge = self._node.bridge
        names = [joint.name for joint in bridge.world.hand.actuated]
        target = in_order(names, goal.joint_names, goal.positions, "hand goal")
        require_finite_array(np.append(target, goal.duration), "hand goal: positions, duration")
        if goal.duration <= 0:
            raise ConfigError(f"hand goal: got a duration of {goal.duration} s, expected more than 0")
        return bridge.run_hand(target, goal.duration)

    # --- stress test ----------------------------------------------------------------------------------------------

    def _stress_test(self, handle: Any) -> StressTest.Result:
        node, result, goal = self._node, StressTest.Result(), handle.request
        result.survival = result.creep = result.time_to_slip = float("nan")

        def progress(name: str, done: int, total: int) -> None:
            self._stop_if_canceled(handle, "stress_test")
            handle.publish_feedback(StressTest.Feedback(test=name, done=done, total=total))

        with node.border(fill(result)):
            node.in_world(node.claim, "stress_test")
            try:
                fill_stress_result(result, node.in_world(node.bridge.stress_test, goal.nominal, goal.battery, progress))
            finally:
                node.in_world(node.release)
        return self._end(handle, result)

    # --- running --------------------------------------------------------------------------------------------------

    def _run(
        self,
        handle: Any,
        result: Any,
        what: str,
        start: Callable[[], Iterator[float]],
        feedback: Callable[[float], Any],
    ) -> bool:
        """Run a motion chunk by chunk; return whether it began."""
        node = self._node
        began = False
        with node.border(fill(result)):
            node.in_world(node.claim, what)
            try:
                motion = node.in_world(start)
                began = True
                self._drive(handle, what, motion, feedback)
            finally:
                node.in_world(node.release)
        return began

    def _drive(self, handle: Any, what: str, motion: Iterator[float], feedback: Callable[[float], Any]) -> None:
        node = self._node
        world, due = node.bridge.world, time.monotonic()
        count, at = 0, world.time
        while (progress := node.in_world(next, motion, None)) is not None:
            self._stop_if_canceled(handle, what)
            count += 1
            if count % _PUBLISH_EVERY == 0:
                node.in_world(node.publish_joints)
                handle.publish_feedback(feedback(progress))
            if not node.config.lockstep:
                due, at = due + world.time - at, world.time
                node.closing.wait(max(due - time.monotonic(), 0.0))

    def _stop_if_canceled(self, handle: Any, what: str) -> None:
        if handle.is_cancel_requested or self._node.closing.is_set():
            raise Canceled(f"{what} was canceled; the robot stays where it is")

    def _end(self, handle: Any, result: Any) -> Any:
        """Give the goal its final state, whatever happened."""
        with self._node.border():
            if result.error_code == ErrorCode.NONE:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        return result
