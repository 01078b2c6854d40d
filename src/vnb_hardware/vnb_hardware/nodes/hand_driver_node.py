"""The L6 hand as a lifecycle node."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from vnb_msgs.action import MoveHand
from vnb_msgs.msg import ErrorCode, HandCommand, TactileArray

from vnb_grasp.description import ACTUATED_JOINTS
from vnb_grasp.errors import ConfigError, HardwareError, HoldError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_server import RESULT_TIMEOUT
from vnb_grasp.nodes.base import Canceled, fill
from vnb_grasp.nodes.conversions import in_order
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_hardware.hand.driver import Bus, HandDriver
from vnb_hardware.hand.settings import HandSettings
from vnb_hardware.hand.transport import BusSettings, HandBus
from vnb_hardware.nodes import messages
from vnb_hardware.nodes.device import DeviceNode

_DIAGNOSE_EVERY = 1.0


@dataclass(frozen=True)
class HandDriverConfig:
    """Parameters of the node."""

    bus: BusSettings = field(default_factory=BusSettings)
    driver: HandSettings = field(default_factory=HandSettings)
    publish_period: float = parameter(0.04, "time between two publications of joints and pads [s]", 0.005, 1.0)
    command_age: float = parameter(
        1.0, "age of the measurement that a command answers beyond which it is refused [s]; 0 = any", 0.0, 60.0
    )
    supervisor_timeout: float = parameter(0.0, "silence of the supervisor that means hold [s]; 0 = none", 0.0, 10.0)
    autostart: str = parameter("no", "transitions at start: no, configure or activate")


OpenBus = Callable[[BusSettings, int], Bus]


class HandDriverNode(DeviceNode):
    """``hand/command`` in; ``hand/joint_states``, ``hand/target`` and ``hand/tactile`` out; serves ``hand/move``.

    Args:
        open_bus: Opens the bus from its settings and the hand's id; for tests.
        options: For the node.
    """

    def __init__(self, open_bus: OpenBus = HandBus, **options: Any) -> None:
        super().__init__("hand_driver", **options)
        self.config = config = declare(self, HandDriverConfig)
        self.driver = HandDriver(
            partial(open_bus, config.bus, config.driver.hand_id), config.driver, on_fault=self._on_fault
        )
        self._connected = False
        self._refused_at = -np.inf
        self._joints_out = self.create_publisher(JointState, "hand/joint_states", qos.CHAIN)
        self._target_out = self.create_publisher(JointState, "hand/target", qos.CHAIN)
        self._tactile_out = self.create_publisher(TactileArray, "hand/tactile", qos.CHAIN)
        self.create_subscription(
            HandCommand, "hand/command", self._on_command, qos.COMMAND, callback_group=MutuallyExclusiveCallbackGroup()
        )
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, "hand/clear_faults", self._serve_clear, callback_group=group)
        self._server = ActionServer(
            self,
            MoveHand,
            "hand/move",
            self._move,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT,
        )
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        for period, job in ((config.publish_period, self._publish), (_DIAGNOSE_EVERY, self._diagnose_hand)):
            self.create_timer(period, job, clock=clock, callback_group=MutuallyExclusiveCallbackGroup())
        self.watch_safety(config.supervisor_timeout, config.autostart)

    # --- lifecycle ----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """See :class:`DeviceNode`: opens the bus and listens."""
        identity = self.driver.connect()
        self._connected = True
        versions = ", ".join(f"{name} {number}" for name, number in sorted(identity.versions.items()))
        self.get_logger().info(f"hand {identity.serial or 'without a serial number'}; {versions or 'no versions'}")

    def enable(self) -> None:
        """See :class:`DeviceNode`."""
        self.driver.enable()

    def hold(self, code: int, reason: str) -> None:
        """See :class:`DeviceNode`; without an error the driver only listens afterwards."""
        if code == ErrorCode.NONE:
            self.driver.disable()
        else:
            self.driver.hold(HoldError(reason) if code == ErrorCode.HOLD else HardwareError(reason), reason)

    def release(self) -> None:
        """See :class:`DeviceNode`: leaves the final frames on the bus if anything was ever commanded."""
        self._connected = False
        self.driver.release()

    def _on_fault(self, error: HardwareError) -> None:
        with self.border():
            self.diagnose(int(error.code), f"{error}; the hand is on hold: deactivate, cure it, activate")

    # --- commands -----------------------------------------------------------------------------------------------------

    def _on_command(self, message: HandCommand) -> None:
        with self.border():
            try:
                self._command(message)
            except HoldError as error:
                self._note_refusal(error)

    def _command(self, message: HandCommand) -> None:
        if message.mode == HandCommand.HOLD:
            self.driver.command_stop()
            return
        now, what = self.get_clock().now().nanoseconds / 1e9, f"hand command of step {message.step}"
        messages.require_young(message.header.stamp, now, self.config.command_age, what)
        if message.mode == HandCommand.VELOCITY:
            self.driver.command_velocity(messages.velocities(message), messages.effort_limits(message))
        elif message.mode == HandCommand.OPEN:
            self.driver.command_open()
        else:
            raise ConfigError(f"hand command: got mode {message.mode}, expected VELOCITY, HOLD or OPEN")

    def _note_refusal(self, error: HoldError) -> None:
        """Diagnose refused commands, but not every one of a stream."""
        if time.monotonic() - self._refused_at > _DIAGNOSE_EVERY:
            self._refused_at = time.monotonic()
            self.diagnose(error.code, str(error))

    def _move(self, handle: Any) -> MoveHand.Result:
        result = MoveHand.Result()
        with self.border(fill(result)):
            goal = handle.request
            target = in_order(ACTUATED_JOINTS, goal.joint_names, goal.positions, "hand goal")

            def go_on(share: float) -> bool:
                handle.publish_feedback(MoveHand.Feedback(progress=share))
                return not (handle.is_cancel_requested or self.closing.is_set())

            reached = self.driver.move_to(target, goal.duration, go_on)
            result.final_positions = reached.tolist()
            if handle.is_cancel_requested or self.closing.is_set():
                raise Canceled("hand/move was canceled; the fingers stay where they are")
        with self.border():
            if result.error_code == ErrorCode.NONE:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        return result

    def _serve_clear(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def failed(code: int, message: str) -> None:
            response.success, response.message = False, message

        response.success = True
        with self.border(failed):
            self.driver.clear_faults()
        return response

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        if not self._connected:
            return
        with self.border():
            state = self.driver.state()
            if state.time - state.q_time > self.config.driver.silence:
                return  # old angles with a new stamp would be a lie
            stamp = self.get_clock().now().to_msg()
            hand = self.driver.core.hand
            self._target_out.publish(messages.hand_target(state, stamp))
            self._joints_out.publish(messages.hand_joint_state(state, hand, stamp))
            tactile = messages.tactile_array(state, stamp)
            if tactile.pads:  # silence says that there are none, and is what the supervisor watches for
                self._tactile_out.publish(tactile)

    def _diagnose_hand(self) -> None:
        if not self._connected:
            return
        with self.border():
            status = messages.hand_status(self.driver.state(), f"{self.get_fully_qualified_name()}: hand")
            report = DiagnosticArray(status=[status])
            report.header.stamp = self.get_clock().now().to_msg()
            self._diagnostics.publish(report)


def main() -> int:
    """Run the node."""
    return run_node(HandDriverNode)


if __name__ == "__main__":
    sys.exit(main())
