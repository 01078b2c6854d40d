"""Conducts a trial on hardware: perceive, approach, close, lift, hold, judge, put down; no simulator is asked."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import JointState
from vnb_msgs.action import ExecuteGrasp, MoveArm
from vnb_msgs.msg import ErrorCode, ObjectPose, PlannerStatus

from vnb_benchmark.attempts import promise_of
from vnb_benchmark.episode import APPROACH_REST, FIRST_REST
from vnb_bringup.graph.conductor import ANSWER_TIMEOUT, READY_TIMEOUT, TrialConductor
from vnb_bringup.hardware.protocol import (
    HOLD_TIME,
    LIFT_HEIGHT,
    LIFT_TIME,
    Array,
    HardwareTrial,
    displacements,
    judged,
)
from vnb_bringup.hardware.roster import ARM_TOPICS
from vnb_bringup.report.local import TrialSettings
from vnb_grasp.errors import SilenceError, VnbError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.kinematics.arm_kinematics import ArmKinematics
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import Refusal
from vnb_grasp.nodes.conversions import header, in_order, pose_from_message, pose_to_message
from vnb_sim_bridge.pregrasp.approach import Approach, approach_motions, release_motions
from vnb_sim_bridge.pregrasp.scene import PlanningScene

_LIFT_SPEED = 1.0
_MOST_SPREAD = 0.01
"""Largest distance between two readings of an object at rest [m]."""
_READINGS = 5


class HardwareConductor(TrialConductor):
    """A conductor for robots that cannot be reset.

    Args:
        judge: Topic of the poses that slip is judged by.
        arguments: As for :class:`TrialConductor`.
        options: For the node.
    """

    def __init__(self, *arguments: Any, judge: str = "object_pose/measured", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lock = threading.Lock()
        self._kinematics: ArmKinematics | None = None
        self._seen: list[tuple[Array, Array]] | None = None
        self._statuses: list[tuple[float, PlannerStatus]] = []
        self._arm_now: JointState | None = None
        group = MutuallyExclusiveCallbackGroup()
        self.create_subscription(ObjectPose, judge, self._on_pose, qos.CHAIN, callback_group=group)
        self.create_subscription(
            JointState, ARM_TOPICS["arm/joint_states"], self._on_arm, qos.CHAIN, callback_group=group
        )
        self.create_subscription(PlannerStatus, "planner/status", self._on_status, qos.CHAIN, callback_group=group)

    # --- a trial --------------------------------------------------------------------------------------------------

    def run_hardware(
        self, trial: HardwareTrial, settings: TrialSettings, on_phase: Callable[[str], None] = lambda name: None
    ) -> HardwareTrial:
        """Run one trial and return what it left; an error ends it early, with the robot holding, and stands in it.

        Args:
            trial: Object, method, offset and robot of the trial.
            settings: Method and rule.
            on_phase: Called with ``perceive``, ``approach``, ``closing``, ``lift``, ``hold`` and ``release``.
        """
        try:
            on_phase("perceive")
            self.wait_for_robot()
            scene = PlanningScene(trial.object_name, self._settings.hand)
            self._kinematics = ArmKinematics(scene.world.arm)
            estimate, arm_q = self._perceive(scene)
            approach = scene.choose_approach(estimate, arm_q)
            on_phase("approach")
            self._move(approach_motions(approach))
            self._rest(APPROACH_REST)
            on_phase("closing")
            trial = self._close_on(trial, settings, approach)
            on_phase("lift")
            trial = self._lift_and_judge(trial, approach, on_phase)
            on_phase("release")
            self._put_down(approach)
            self._move(release_motions(approach, scene.home))
        except VnbError as error:
            trial = replace(trial, error=str(error), success=False)
        return trial

    def wait_for_robot(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until drivers and planner are there and readings come; raises :class:`Refusal` with code TIMEOUT."""
        due = time.monotonic() + timeout
        for action, name in ((self._arm, "arm/move"), (self._hand, "hand/move"), (self._grasp, "execute_grasp")):
            self._until(action.server_is_ready, due - time.monotonic(), f"action {name}")
        self.wait_for_readings(due - time.monotonic())

    def _perceive(self, scene: PlanningScene) -> tuple[Pose, Array]:
        """Return object pose and arm angles of an object that rests.

        Raises:
            SilenceError: If the pose is not seen, or does not stand still.
        """
        self._watch()
        self._until(lambda: len(self._seen or ()) >= _READINGS, ANSWER_TIMEOUT, f"{_READINGS} readings of the object")
        places = torch.tensor([seen[:3, 3].tolist() for _, seen in self._stop_watching()])
        moved = float((places - places.mean(0)).norm(dim=1).max())
        if moved > _MOST_SPREAD:
            raise SilenceError(
                f"the object's pose moves by {1e3 * moved:.0f} mm between readings, the limit is "
                f"{1e3 * _MOST_SPREAD:.0f} mm; is the object at rest, and does the camera see it?"
            )
        parts = self._rest(FIRST_REST)
        arm_q = in_order(scene.world.arm.joint_names, parts["arm"].name, parts["arm"].position, "arm joints")
        return pose_from_message(parts["object"].pose.pose), arm_q

    def _close_on(self, trial: HardwareTrial, settings: TrialSettings, approach: Approach) -> HardwareTrial:
        promise = promise_of(approach)
        with self._lock:
            self._statuses = []
        result = self._act(
            self._grasp,
            ExecuteGrasp.Goal(
                method=settings.method,
                object_name=trial.object_name,
                beta=settings.beta,
                epsilon_target=math.nan,
                p_fail_limit=settings.rule.delta,
                promise_friction=promise.friction if promise else (),
                promise_success=promise.success if promise else (),
                promise_touch=promise.touch.row() if promise and promise.touch else (),
            ),
        )
        self._until(lambda: len(self._statuses) > result.steps, ANSWER_TIMEOUT, "the planner's last status")
        with self._lock:
            statuses = list(self._statuses)
        return replace(
            trial,
            steps=int(result.steps),
            time=statuses[-1][0] - statuses[0][0],
            epsilon_hat=float(result.epsilon_hat),
            contacts=int(statuses[-1][1].contacts),
            p_fail=float(result.p_fail),
            stop_reason=result.stop_reason,
        )

    def _lift_and_judge(
        self, trial: HardwareTrial, approach: Approach, on_phase: Callable[[str], None]
    ) -> HardwareTrial:
        self._watch()
        self._until(lambda: bool(self._seen), ANSWER_TIMEOUT, "a reading of the object before the lift")
        try:
            self._go(approach.arm_q, LIFT_HEIGHT, LIFT_TIME)
            on_phase("hold")
            self._rest(HOLD_TIME)
        finally:
            seen = self._stop_watching()
        slip = displacements([hand for hand, _ in seen], [found for _, found in seen])
        return replace(trial, slip=slip, success=judged(slip))

    def _put_down(self, approach: Approach) -> None:
        self._go(approach.arm_q, 0.0, LIFT_TIME)

    def _go(self, arm_q: Array, height: float, duration: float) -> None:
        """Bring the hand in a straight line to ``height`` [m] above where it is at ``arm_q`` (6,) [rad]."""
        if self._kinematics is None:
            raise Refusal("no trial is running")
        pose = self._kinematics.world_hand(torch.from_numpy(arm_q))
        pose[2, 3] += height
        target = PoseStamped(
            header=header(self.get_clock().now().to_msg(), "world"), pose=pose_to_message(Pose.from_matrix(pose))
        )
        goal = MoveArm.Goal(
            kind=MoveArm.Goal.CARTESIAN, hand_pose=target, linear=True, speed_scale=_LIFT_SPEED, duration=duration
        )
        self._act(self._arm, goal)

    # --- watching -------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        with self._lock:
            self._seen = []

    def _stop_watching(self) -> list[tuple[Array, Array]]:
        with self._lock:
            seen, self._seen = self._seen or [], None
        return seen

    def _on_pose(self, message: ObjectPose) -> None:
        """Note the hand's and the object's pose of a moment while somebody watches, if the object was seen then."""
        if message.status != ObjectPose.OK:
            return
        with self.border(), self._lock:
            arm, kinematics = self._arm_now, self._kinematics
            if self._seen is None or arm is None or kinematics is None:
                return
            q = in_order(kinematics.joint_names, arm.name, arm.position, "arm joints")
            hand = kinematics.world_hand(torch.from_numpy(q)).numpy()
            self._seen.append((hand, pose_from_message(message.pose.pose).matrix().numpy()))

    def _on_arm(self, message: JointState) -> None:
        self._arm_now = message

    def _on_status(self, message: PlannerStatus) -> None:
        with self._lock:
            if message.error_code == ErrorCode.NONE:
                self._statuses.append((time.monotonic(), message))
