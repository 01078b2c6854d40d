"""Watches the hardware's nodes and says twenty times a second whether the robot may move."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vnb_msgs.msg import ErrorCode, PlannerStatus, TactileArray

from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_hardware.nodes.device import EMERGENCY_STOP, SUPERVISOR
from vnb_hardware.safety.supervisor import Supervisor, Verdict

DEVICE_FAULTS = frozenset({ErrorCode.LINK, ErrorCode.SILENCE, ErrorCode.DEVICE_FAULT})
"""Error codes of a device's status that put the others on hold, too."""

_DRIVERS = frozenset({"hand_driver", "arm_driver"})
"""Nodes that say periodically how they are, and so when a fault is over."""

_ENDED = frozenset({PlannerStatus.DONE, PlannerStatus.FAILED, PlannerStatus.HOLD, PlannerStatus.IDLE})


@dataclass(frozen=True)
class SupervisorConfig:
    """Parameters of the node. A deadline of 0 means that nobody watches that source."""

    period: float = parameter(0.05, "time between two heartbeats of the supervisor [s]", 0.005, 0.2)
    hand_deadline: float = parameter(0.3, "longest silence of hand/joint_states [s]", 0.0, 10.0)
    tactile_deadline: float = parameter(0.5, "longest silence of hand/tactile [s]", 0.0, 10.0)
    arm_deadline: float = parameter(0.3, "longest silence of arm/joint_states [s]", 0.0, 10.0)
    planner_deadline: float = parameter(3.0, "longest silence of planner/status during a grasp [s]", 0.0, 60.0)
    recovery: float = parameter(0.5, "how long all must be well before the robot may move again [s]", 0.0, 60.0)


class SupervisorNode(VnbNode):
    """Publishes ``safety/hold``, the heartbeat that drivers obey; serves ``emergency_stop`` and its release.

    The service ``emergency_stop`` also publishes true on the topic of that name, which drivers hear directly. Whoever
    publishes true there, a button for instance, is heard here too. A supervisor that dies falls silent, which means
    hold to the drivers.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("supervisor", **options)
        config = declare(self, SupervisorConfig)
        watched = {
            "hand/joint_states": config.hand_deadline,
            "hand/tactile": config.tactile_deadline,
            "arm/joint_states": config.arm_deadline,
        }
        working = {"planner/status": config.planner_deadline} if config.planner_deadline else {}
        always = {name: deadline for name, deadline in watched.items() if deadline}
        self._core = Supervisor(always, working, time.monotonic(), config.recovery)
        self._verdict = Verdict(True, ("starting",))
        self._reporting: set[str] = set()
        self._hold_out = self.create_publisher(Bool, SUPERVISOR, qos.COMMAND)
        self._stop_out = self.create_publisher(Bool, EMERGENCY_STOP, qos.COMMAND)
        group = MutuallyExclusiveCallbackGroup()  # the core is not thread-safe, and need not be
        for kind, topic in ((JointState, "hand/joint_states"), (TactileArray, "hand/tactile")):
            self._watch(kind, topic, always, group)
        self._watch(JointState, "arm/joint_states", always, group)
        self.create_subscription(PlannerStatus, "planner/status", self._on_planner, qos.CHAIN, callback_group=group)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, qos.CHAIN, callback_group=group)
        self.create_subscription(Bool, EMERGENCY_STOP, self._on_stop, qos.COMMAND, callback_group=group)
        self.create_service(Trigger, EMERGENCY_STOP, self._serve_stop, callback_group=group)
        self.create_service(Trigger, f"{EMERGENCY_STOP}/release", self._serve_release, callback_group=group)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(config.period, self._beat, clock=clock, callback_group=group)
        self.create_timer(1.0, self._report, clock=clock, callback_group=group)

    def _watch(self, kind: Any, topic: str, watched: dict[str, float], group: MutuallyExclusiveCallbackGroup) -> None:
        if topic in watched:
            heard: Callable[[Any], None] = lambda _: self._core.beat(topic, time.monotonic())  # noqa: E731
            self.create_subscription(kind, topic, heard, qos.CHAIN, callback_group=group)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _on_planner(self, message: PlannerStatus) -> None:
        now = time.monotonic()
        self._core.work(message.phase not in _ENDED, now)
        with self.border():
            self._core.beat("planner/status", now)

    def _on_status(self, message: DiagnosticArray) -> None:
        """A device's faults hold the others; its periodic status, whose name has a colon, says when they are over.

        Who has no such status cannot say so, and its faults would last for ever: they are its own affair.
        """
        for status in message.status:
            node, _, part = status.name.partition(":")
            code = next((int(v.value) for v in status.values if v.key == "error_code" and v.value.isdecimal()), 0)
            if part:
                self._reporting.add(node)
            elif node not in self._reporting and node.rpartition("/")[2] not in _DRIVERS:
                continue
            if status.level == DiagnosticStatus.ERROR and code in DEVICE_FAULTS:
                self._core.fault(node, status.message)
                self._beat()
            elif part and status.level != DiagnosticStatus.ERROR:
                self._core.fault(node, "")

    def _on_stop(self, message: Bool) -> None:
        if message.data:
            self._core.press("somebody published it")
        else:
            self._core.unpress()
        self._beat()

    def _serve_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._core.press("the service was called")
        self._stop_out.publish(Bool(data=True))
        self._beat()
        response.success, response.message = True, "pressed; release it with emergency_stop/release"
        return response

    def _serve_release(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._core.unpress()
        self._stop_out.publish(Bool(data=False))
        response.success = True
        response.message = "released; the devices stay on hold until they are deactivated and activated"
        return response

    # --- outputs ------------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        with self.border():
            before, self._verdict = self._verdict, self._core.check(time.monotonic())
            self._hold_out.publish(Bool(data=self._verdict.hold))
            if self._core.pressed:
                self._stop_out.publish(Bool(data=True))  # for those who join late, and in case one was lost
            if self._verdict.hold != before.hold:
                self._report()
                text = "; ".join(self._verdict.reasons)
                self.get_logger().info(f"hold: {text}" if self._verdict.hold else "the robot may move")

    def _report(self) -> None:
        with self.border():
            hold = self._verdict.hold
            status = DiagnosticStatus(
                level=DiagnosticStatus.WARN if hold else DiagnosticStatus.OK,
                name=f"{self.get_fully_qualified_name()}: safety",
                message="; ".join(self._verdict.reasons) or "the robot may move",
            )
            code = ErrorCode.HOLD if hold else ErrorCode.NONE
            status.values = [KeyValue(key="error_code", value=str(int(code)))]
            report = DiagnosticArray(status=[status])
            report.header.stamp = self.get_clock().now().to_msg()
            self._diagnostics.publish(report)


def main() -> int:
    """Run the node."""
    return run_node(SupervisorNode)


if __name__ == "__main__":
    sys.exit(main())
