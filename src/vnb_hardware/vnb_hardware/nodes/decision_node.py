"""Makes decision steps of what the drivers measure: the readings of one step share a stamp and a number."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from vnb_msgs.msg import HandCommand, ObjectPose, PlannerStatus, TactileArray
from vnb_msgs.srv import BeginGrasp

from vnb_grasp.errors import SilenceError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode, fill
from vnb_grasp.nodes.conversions import header
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node

MEASURED = {
    "hand/driver/joint_states": (JointState, "hand/joint_states"),
    "hand/driver/target": (JointState, "hand/target"),
    "hand/driver/tactile": (TactileArray, "hand/tactile"),
    "arm/driver/joint_states": (JointState, "arm/joint_states"),
    "object_pose/measured": (ObjectPose, "object_pose"),
}
"""Topics of the drivers, with the type and the topic of the decision loop that each becomes."""

_POSE = "object_pose/measured"
_POSES = (ObjectPose.OK, ObjectPose.HELD)
ENDED = frozenset({PlannerStatus.DONE, PlannerStatus.FAILED, PlannerStatus.HOLD})
"""Phases in which no decision is under way any more."""


@dataclass(frozen=True)
class DecisionConfig:
    """Parameters of the node."""

    period: float = parameter(0.04, "time for which a command moves the fingers: one decision period [s]", 0.01, 1.0)
    idle_period: float = parameter(0.2, "time between two publications of step 0 between grasps [s]", 0.02, 10.0)
    max_age: float = parameter(0.25, "largest age of a reading of hand or arm in a step [s]", 0.02, 10.0)
    pose_age: float = parameter(
        10.0, "largest age of the object's pose in a step [s]; the hand may hide it while it closes", 0.02, 600.0
    )
    margin: float = parameter(
        0.0, "time after the end of a motion from which on readings count as after it [s]", 0.0, 1.0
    )
    settle: float = parameter(0.15, "longest wait for readings from after the motion [s]", 0.0, 10.0)
    patience: float = parameter(15.0, "time without a command after which a grasp is taken to be over [s]", 0.1, 600.0)


class DecisionNode(VnbNode):
    """Paces the decision loop on real devices, as the simulated robot does in lockstep.

    Between grasps it publishes step 0 again and again. ``begin_grasp`` begins one; then step n + 1 follows when the
    command of step n has moved the fingers for one period and readings from after that motion are in. While the planner
    thinks, the fingers hold. Readings that are missing or too old make no step: the planner then runs into its timeout.
    A message that says that the object's pose is not known is no reading of it.

    Args:
        options: For the node.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("decision", **options)
        self.config = declare(self, DecisionConfig)
        self._lock = threading.RLock()
        self._latest: dict[str, tuple[float, Any]] = {}
        self._step = 0
        self._deciding = False
        self._moved_at = 0.0
        self._due: float | None = None
        self._heard_at = time.monotonic()
        self._complained = ""
        self._no_pose = ""
        self._outs: dict[str, Any] = {}
        inputs = MutuallyExclusiveCallbackGroup()
        for source, (kind, topic) in MEASURED.items():
            self._outs[source] = self.create_publisher(kind, topic, qos.CHAIN)
            self.create_subscription(kind, source, self._receiver(source), qos.CHAIN, callback_group=inputs)
        loop = MutuallyExclusiveCallbackGroup()
        self.create_subscription(HandCommand, "hand/command", self._on_command, qos.COMMAND, callback_group=loop)
        self.create_subscription(PlannerStatus, "planner/status", self._on_status, qos.CHAIN, callback_group=loop)
        self.create_service(BeginGrasp, "begin_grasp", self._serve_begin, callback_group=ReentrantCallbackGroup())
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.01, self._tick, clock=clock, callback_group=MutuallyExclusiveCallbackGroup())
        self._idle_due = 0.0

    def _receiver(self, source: str) -> Callable[[Any], None]:
        def receive(message: Any) -> None:
            with self._lock:
                if source == _POSE and message.status not in _POSES:
                    self._no_pose = f" ({message.reason})"
                    return
                self._latest[source] = (time.monotonic(), message)

        return receive

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _serve_begin(self, request: BeginGrasp.Request, response: BeginGrasp.Response) -> BeginGrasp.Response:
        with self.border(fill(response)), self._lock:
            self._require_fresh()
            self._step, self._deciding, self._due = 0, True, None
            self._heard_at = time.monotonic()
            response.stamp = self._publish()
        return response

    def _on_command(self, message: HandCommand) -> None:
        with self._lock:
            if not self._deciding or message.step != self._step:
                return  # the driver takes it or refuses it; it makes no step
            now = time.monotonic()
            self._heard_at, self._moved_at = now, now + self.config.period + self.config.margin
            self._due = self._moved_at

    def _on_status(self, message: PlannerStatus) -> None:
        with self._lock:
            self._heard_at = time.monotonic()
            if message.phase in ENDED:
                self._deciding, self._due = False, None

    def _tick(self) -> None:
        with self.border(), self._lock:
            now = time.monotonic()
            if self._deciding and now - self._heard_at > self.config.patience:
                self._deciding, self._due = False, None
            if self._deciding:
                self._next_step(now)
            elif now >= self._idle_due:
                self._idle_due = now + self.config.idle_period
                self._step = 0
                if not self._stale():
                    self._publish()

    def _next_step(self, now: float) -> None:
        if self._due is None or now < self._due:
            return
        hand = (self._latest[name][0] for name in MEASURED if name != _POSE)
        if min(hand) < self._moved_at and now < self._moved_at + self.config.settle:
            return  # readings from after the motion are under way
        stale = self._stale()
        if stale:
            self._complain(stale)
            return
        self._complained = ""
        self._due = None
        self._step += 1
        self._publish()

    def _publish(self) -> Any:
        """Publish the latest readings as those of the present step; return their stamp."""
        stamp = self.get_clock().now().to_msg()
        for source, out in self._outs.items():
            message = self._latest[source][1]
            message.header = header(stamp, message.header.frame_id)
            if hasattr(message, "step"):
                message.step = self._step
            out.publish(message)
        return stamp

    # --- age ----------------------------------------------------------------------------------------------------------

    def _stale(self) -> str:
        """Return which readings are missing or too old; empty if none."""
        now = time.monotonic()
        bad = []
        for source in MEASURED:
            why = self._no_pose if source == _POSE else ""
            limit = self.config.pose_age if source == _POSE else self.config.max_age
            at = self._latest.get(source, (None, None))[0]
            if at is None:
                bad.append(f"{source} never came{why}")
            elif now - at > limit:
                bad.append(f"{source} is {now - at:.2f} s old, the limit is {limit} s{why}")
        return "; ".join(bad)

    def _require_fresh(self) -> None:
        stale = self._stale()
        if stale:
            raise SilenceError(f"no grasp can begin: {stale}; are the drivers configured and the cameras running?")

    def _complain(self, stale: str) -> None:
        if not self._complained:
            self._complained = stale
            self.diagnose(SilenceError.code, f"step {self._step + 1} cannot be made: {stale}; the fingers hold")


def main() -> int:
    """Run the node."""
    return run_node(DecisionNode)


if __name__ == "__main__":
    sys.exit(main())
