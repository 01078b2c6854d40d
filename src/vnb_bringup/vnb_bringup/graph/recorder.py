"""Writes down every decision step of a grasp, the simulator's truth beside what the robot knew.

This is the one reader of ``ground_truth``; nothing of it returns to the control chain.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import JointState
from vnb_msgs.msg import Belief, GraspQuality, GroundTruth, PlannerStatus, TactileArray

from vnb_bringup.report.record import StepRecord, floats, matrix
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import pose_from_message, seconds
from vnb_grasp.nodes.join import StampJoin

OnStep = Callable[[StepRecord], None]

_PHASES = {
    PlannerStatus.IDLE: "idle",
    PlannerStatus.CLOSING: "closing",
    PlannerStatus.DONE: "done",
    PlannerStatus.HOLD: "hold",
    PlannerStatus.FAILED: "failed",
}

_PARTS: tuple[tuple[Any, str, str], ...] = (
    (PlannerStatus, "planner/status", "status"),
    (Belief, "belief", "belief"),
    (GraspQuality, "grasp_quality", "quality"),
    (GroundTruth, "ground_truth", "truth"),
    (TactileArray, "hand/tactile", "tactile"),
    (JointState, "hand/joint_states", "hand"),
    (JointState, "arm/joint_states", "arm"),
)
"""Type, topic and name of the messages that make a step's record."""

_KEPT = 500
"""Steps whose readings wait for their decision: 20 s, as with the wall clock a decision may be slow."""


class Recorder:
    """Collects the steps of one grasp at a time.

    Args:
        node: Node that subscribes.
    """

    def __init__(self, node: VnbNode) -> None:
        self._node = node
        self._arrived = threading.Condition()
        self._steps: list[StepRecord] = []
        self._on_step: OnStep | None = None
        self._recording = False
        self._join = join = StampJoin(tuple(name for _, _, name in _PARTS), self._take, keep=_KEPT)
        group = MutuallyExclusiveCallbackGroup()
        for kind, topic, name in _PARTS:
            node.create_subscription(kind, topic, join.receiver(name), qos.CHAIN, callback_group=group)

    def start(self, on_step: OnStep | None = None) -> None:
        """Begin a new grasp; ``on_step`` is called with every step."""
        self._join.clear()
        with self._arrived:
            self._steps, self._on_step, self._recording = [], on_step, True

    def stop(self, expected: int, timeout: float) -> tuple[StepRecord, ...]:
        """Return the steps, waiting until ``expected`` of them have come."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._steps) >= expected, timeout)
            self._recording = False
            return tuple(self._steps)

    def _take(self, parts: dict[str, Any]) -> None:
        with self._node.border():
            with self._arrived:
                if not self._recording:
                    return
                record = step_record(**parts)
                self._steps.append(record)
                self._arrived.notify_all()
                on_step = self._on_step
            if on_step is not None:
                on_step(record)


def step_record(
    status: PlannerStatus,
    belief: Belief,
    quality: GraspQuality,
    truth: GroundTruth,
    tactile: TactileArray,
    hand: JointState,
    arm: JointState,
) -> StepRecord:
    """Return the record of one step's messages."""
    dimension = max(int(belief.dimension), 1)
    rows = range(0, len(belief.means), dimension)
    position, turn = truth.object_pose.position, truth.object_pose.orientation
    estimate = pose_from_message(belief.reference_pose_hand)
    return StepRecord(
        step=int(status.step),
        time=seconds(status.header.stamp),
        phase=_PHASES[status.phase],
        logits=floats(belief.logits),
        means=matrix(belief.means[i : i + dimension] for i in rows),
        log_stds=matrix(belief.log_stds[i : i + dimension] for i in rows),
        entropy=status.entropy,
        cvar=status.cvar,
        expected_cost=status.expected_cost,
        p_fail=status.p_fail,
        objective=status.objective,
        epsilon_hat=quality.epsilon_hat,
        epsilon_true=truth.epsilon,
        force_sensed=floats(quality.force),
        force_true=floats(truth.finger_force),
        contact=tuple(bool(flag) for flag in quality.contact),
        action=floats(status.action),
        component=int(status.component),
        object_position=(position.x, position.y, position.z),
        planning_time=status.planning_time,
        deadline_met=bool(status.deadline_met),
        object_quaternion=(turn.w, turn.x, turn.y, turn.z),
        object_estimate=floats([*estimate.position.tolist(), *estimate.quaternion.tolist()]),
        hand_joints=floats(hand.position),
        arm_joints=floats(arm.position),
        taxels=tuple(tuple(pad.taxels) for pad in tactile.pads),
        friction=(status.friction_log_mean, status.friction_log_std),
    )
