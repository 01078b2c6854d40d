"""The FR3 arm as a lifecycle node."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from vnb_msgs.action import MoveArm
from vnb_msgs.msg import ErrorCode, HandCommand

from vnb_grasp.description import ACTUATED_JOINTS, load_arm, load_hand
from vnb_grasp.errors import ConfigError, HardwareError, HoldError, VnbError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_server import RESULT_TIMEOUT
from vnb_grasp.nodes.base import Canceled, fill
from vnb_grasp.nodes.conversions import in_order, require_finite_array, require_pose
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.arm.driver import ArmDriver
from vnb_hardware.arm.planning import MotionPlan
from vnb_hardware.arm.units import Array
from vnb_hardware.nodes.arm_messages import arm_joint_state, arm_status, correction
from vnb_hardware.nodes.device import DeviceNode
from vnb_hardware.nodes.messages import require_young

Velocities = tuple[Array, Array]

_DIAGNOSE_EVERY = 1.0


@dataclass(frozen=True)
class ArmDriverConfig:
    """Parameters of the node."""

    driver: ArmConfig = field(default_factory=ArmConfig)
    hand: str = parameter("l6_v31", "hand variant on the arm, for the clearance to table and workspace box")
    publish_period: float = parameter(0.02, "time between two publications of the joints [s]", 0.005, 1.0)
    command_age: float = parameter(
        1.0, "age of the measurement that a correction answers beyond which it is refused [s]; 0 = any", 0.0, 60.0
    )
    supervisor_timeout: float = parameter(0.0, "silence of the supervisor that means hold [s]; 0 = none", 0.0, 10.0)
    autostart: str = parameter("no", "transitions at start: no, configure or activate")


class ArmDriverNode(DeviceNode):
    """Serves ``arm/move`` and ``arm/reset_errors``; ``arm/joint_states`` out, ``arm/correction`` in.

    A ``hand/command`` with a lift speed is a correction too; ``hand/joint_states`` tells how far the fingers reach.

    Args:
        options: For the node.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("arm_driver", **options)
        self.config = config = declare(self, ArmDriverConfig)
        self.driver = ArmDriver(load_arm("fr3"), load_hand(config.hand), config.driver, self._on_fault)
        self._connected = False
        self._refused_at = -np.inf
        self._joints_out = self.create_publisher(JointState, "arm/joint_states", qos.CHAIN)
        self._listen()
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, "arm/reset_errors", self._serve_reset, callback_group=group)
        self._server = ActionServer(
            self,
            MoveArm,
            "arm/move",
            self._move,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT,
        )
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        for period, job in ((config.publish_period, self._publish), (_DIAGNOSE_EVERY, self._diagnose_arm)):
            self.create_timer(period, job, clock=clock, callback_group=MutuallyExclusiveCallbackGroup())
        self.watch_safety(config.supervisor_timeout, config.autostart)

    def _listen(self) -> None:
        for kind, topic, take in (
            (TwistStamped, "arm/correction", self._on_correction),
            (HandCommand, "hand/command", self._on_hand_command),
            (JointState, "hand/joint_states", self._on_hand_joints),
        ):
            group = MutuallyExclusiveCallbackGroup()
            self.create_subscription(kind, topic, take, qos.COMMAND, callback_group=group)

    # --- lifecycle ----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """See :class:`DeviceNode`: opens all connections and reads the controller."""
        identity = self.driver.connect()
        self._connected = True
        self.get_logger().info(f"arm {identity.model} at {identity.address}, software {identity.firmware}")

    def enable(self) -> None:
        """See :class:`DeviceNode`."""
        self.driver.enable()

    def hold(self, code: int, reason: str) -> None:
        """See :class:`DeviceNode`."""
        wrong = code not in (ErrorCode.NONE, ErrorCode.HOLD)
        self.driver.hold(HardwareError(reason) if wrong else HoldError(reason))

    def release(self) -> None:
        """See :class:`DeviceNode`: leaves the stop as the last command if anything was ever commanded."""
        self._connected = False
        self.driver.disconnect()

    def _on_fault(self, error: VnbError) -> None:
        with self.border():
            self.diagnose(int(error.code), f"{error}; the arm is on hold: deactivate, cure it, activate")

    # --- motion -------------------------------------------------------------------------------------------------------

    def _move(self, handle: Any) -> MoveArm.Result:
        result = MoveArm.Result()

        def canceled() -> bool:
            return bool(handle.is_cancel_requested or self.closing.is_set())

        def feedback(progress: float, q: Array) -> None:
            handle.publish_feedback(MoveArm.Feedback(progress=progress, positions=q.tolist()))

        with self.border(fill(result)):
            plan = self._plan(handle.request)
            try:
                self.driver.run(plan, canceled, feedback)
            finally:
                with self.border():
                    result.final_positions = self.driver.state().position.tolist()
            if canceled():
                raise Canceled("arm/move was canceled; the arm stays where it is")
        with self.border():
            if result.error_code == ErrorCode.NONE:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        return result

    def _plan(self, goal: MoveArm.Goal) -> MotionPlan:
        scale, duration = float(goal.speed_scale), float(goal.duration)
        require_finite_array(np.array([scale, duration, *goal.positions]), "arm goal: speed scale, duration, positions")
        planner, start, hand = self.driver.require_planner(), self.driver.state().position, self.driver.hand_posture
        if goal.kind == MoveArm.Goal.JOINT:
            names = self.driver.arm.joint_names
            target = in_order(names, goal.joint_names, goal.positions, "arm goal")
            return planner.joint_motion(start, target, hand, scale, duration)
        if goal.kind != MoveArm.Goal.CARTESIAN:
            raise ConfigError(f"arm goal: got kind {goal.kind}, expected JOINT or CARTESIAN")
        frame = goal.hand_pose.header.frame_id
        if frame not in ("", "world"):
            raise ConfigError(f"arm goal: got a pose in frame {frame!r}, expected world")
        pose = require_pose(goal.hand_pose.pose, "arm goal").matrix().numpy()
        plan = planner.line_motion if goal.linear else planner.pose_motion
        return plan(start, pose, hand, scale, duration)

    def _on_correction(self, message: TwistStamped) -> None:
        self._correct(message, "arm correction", lambda: correction(message))

    def _on_hand_command(self, message: HandCommand) -> None:
        if message.mode == HandCommand.VELOCITY and message.lift_speed > 0:
            what = f"hand command of step {message.step}, lift"
            self._correct(message, what, lambda: (np.array([0.0, 0.0, message.lift_speed]), np.zeros(3)))

    def _correct(self, message: TwistStamped | HandCommand, what: str, velocities: Callable[[], Velocities]) -> None:
        try:
            now = self.get_clock().now().nanoseconds / 1e9
            require_young(message.header.stamp, now, self.config.command_age, what)
            self.driver.correct(*velocities())
        except VnbError as error:
            if time.monotonic() - self._refused_at > _DIAGNOSE_EVERY:  # not every one of a stream
                self._refused_at = time.monotonic()
                self.diagnose(int(error.code), str(error))

    def _on_hand_joints(self, message: JointState) -> None:
        with self.border():
            posture = in_order(ACTUATED_JOINTS, message.name, message.position, "hand joints")
            self.driver.hand_posture = require_finite_array(posture, "hand joints")

    def _serve_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def failed(code: int, message: str) -> None:
            response.success, response.message = False, message

        response.success = True
        with self.border(failed):
            self.driver.reset_errors()
        return response

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        if not self._connected:
            return
        try:
            state = self.driver.state()
        except VnbError:
            return  # old angles with a new stamp would be a lie; the stream's loss has its own diagnostic
        with self.border():
            stamp = self.get_clock().now().to_msg()
            self._joints_out.publish(arm_joint_state(state, self.driver.arm.joint_names, stamp))

    def _diagnose_arm(self) -> None:
        if not self._connected:
            return
        with self.border():
            report = DiagnosticArray(status=[arm_status(self.driver, f"{self.get_fully_qualified_name()}: arm")])
            report.header.stamp = self.get_clock().now().to_msg()
            self._diagnostics.publish(report)


def main() -> int:
    """Run the node."""
    return run_node(ArmDriverNode)


if __name__ == "__main__":
    sys.exit(main())
