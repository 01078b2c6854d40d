"""What the emulated robot says beside its devices: the pose sensor, the truth, reset and stress test."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from std_msgs.msg import String
from vnb_msgs.action import StressTest
from vnb_msgs.msg import ErrorCode, GroundTruth, ObjectPose, PlannerStatus
from vnb_msgs.srv import ResetWorld

from vnb_bringup.hardware.plant import WorldPlant
from vnb_grasp.errors import SilenceError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.action_server import RESULT_TIMEOUT
from vnb_grasp.nodes.base import Canceled, VnbNode, fill
from vnb_grasp.nodes.conversions import seconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_hardware.nodes.decision_node import ENDED
from vnb_sim_bridge.cameras.rig import CAMERAS
from vnb_sim_bridge.nodes import messages
from vnb_sim_bridge.scenario import draw_scenario

_LOOK_TIME = 25.0
"""Longest wait for the cameras after a reset [s]: less than the conductor's patience."""


@dataclass(frozen=True)
class EmulatedRobotConfig:
    """Parameters of the node."""

    pose_period: float = parameter(0.1, "time between two readings of the pose sensor [s]", 0.02, 10.0)
    pose_source: str = parameter("sensor", "who says where the object is: sensor, or cameras")


class EmulatedRobotNode(VnbNode):
    """``object_pose/measured`` and ``ground_truth`` out; serves reset and ``stress_test`` as the simulated robot does.

    It has the simulated robot's name, so that whoever conducts trials finds the same services. The pose sensor stands
    in for cameras and pose estimators, unless these are there too: then a reset is over when every camera has looked.

    Args:
        plant: The world.
        options: For the node.
    """

    def __init__(self, plant: WorldPlant, **options: Any) -> None:
        super().__init__("sim_bridge", **options)
        config = declare(self, EmulatedRobotConfig)
        self._plant = plant
        self._readings = 0
        self._grasping = False
        self._seen: dict[str, float] = {}
        self._measured_at = 0.0
        self._truth_out = self.create_publisher(GroundTruth, "ground_truth", qos.CHAIN)
        group = ReentrantCallbackGroup()
        inputs = MutuallyExclusiveCallbackGroup()
        self.create_subscription(ObjectPose, "object_pose", self._on_step, qos.CHAIN, callback_group=inputs)
        self.create_subscription(PlannerStatus, "planner/status", self._on_status, qos.CHAIN, callback_group=inputs)
        self._target_out = self.create_publisher(String, "target_object", qos.LATCHED)
        self._target_out.publish(String(data=plant.bridge.world.object.name))
        if config.pose_source == "cameras":
            self._seen = dict.fromkeys(CAMERAS, 0.0)
            for camera in CAMERAS:
                topic = f"{camera}/object_pose"
                self.create_subscription(
                    ObjectPose, topic, self._camera_receiver(camera), qos.CHAIN, callback_group=inputs
                )
            self.create_subscription(
                ObjectPose, "object_pose/measured", self._on_measured, qos.CHAIN, callback_group=inputs
            )
        self.create_service(ResetWorld, "~/reset", self._serve_reset, callback_group=group)
        self._server = ActionServer(
            self,
            StressTest,
            "stress_test",
            self._stress_test,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT,
        )
        if config.pose_source == "sensor":
            self._pose_out = self.create_publisher(ObjectPose, "object_pose/measured", qos.CHAIN)
            self.create_timer(
                config.pose_period,
                self._sense,
                clock=Clock(clock_type=ClockType.STEADY_TIME),
                callback_group=MutuallyExclusiveCallbackGroup(),
            )

    def _sense(self) -> None:
        with self.border():
            frame = self._plant.run(self._plant.bridge.sensors.read, self._readings)
            self._readings += 1
            stamp, name = self.get_clock().now().to_msg(), self._plant.bridge.world.object.name
            self._pose_out.publish(messages.object_pose_message(frame, stamp, name))

    def _on_step(self, message: ObjectPose) -> None:
        """Say what was true at a decision step, with the step's stamp."""

        def look() -> GroundTruth:
            bridge = self._plant.bridge
            truth = messages.ground_truth_message(bridge.ground_truth(), bridge, message.header.stamp)
            truth.step = message.step
            return truth

        with self.border():
            self._truth_out.publish(self._plant.run(look))

    def _on_status(self, message: PlannerStatus) -> None:
        """Tell the world's observers when a grasp begins and ends."""
        with self.border():
            ended = message.phase in ENDED
            if not self._grasping and (message.step == 0 or not ended):
                self._grasping = True
                self._plant.run(self._plant.bridge.begin_grasp)
            if self._grasping and ended:
                self._grasping = False
                self._plant.run(self._plant.bridge.end_grasp)

    def _serve_reset(self, request: ResetWorld.Request, response: ResetWorld.Response) -> ResetWorld.Response:
        with self.border(fill(response)):
            if request.use_scenario:
                scenario = messages.scenario_from_message(request.scenario)
            else:
                scenario = draw_scenario(request.object_name, request.regime, request.seed, request.hand or "l6_v31")
            self._plant.reset(scenario)
            self._target_out.publish(String(data=scenario.object_name))
            self._require_seen(time.time())
            response.scenario = messages.scenario_to_message(scenario)
        return response

    def _camera_receiver(self, camera: str) -> Callable[[ObjectPose], None]:
        def receive(message: ObjectPose) -> None:
            self._seen[camera] = seconds(message.header.stamp)

        return receive

    def _on_measured(self, message: ObjectPose) -> None:
        self._measured_at = seconds(message.header.stamp)

    def _require_seen(self, since: float) -> None:
        """Wait until what the cameras say is about the world as it has been ``since`` then [s].

        Raises:
            SilenceError: If one says nothing for too long.
        """
        due = time.monotonic() + _LOOK_TIME
        answered = math.inf
        while self._seen and self._measured_at <= answered:
            late = [camera for camera, at in self._seen.items() if at < since]
            if not late:
                answered = min(answered, time.time())
            if self.closing.is_set() or time.monotonic() > due:
                raise SilenceError(
                    f"no answer about the new scene within {_LOOK_TIME:.0f} s from {', '.join(late) or 'the fusion'}; "
                    "look at the cameras' diagnostics"
                )
            time.sleep(0.01)

    def _stress_test(self, handle: Any) -> StressTest.Result:
        result, goal = StressTest.Result(), handle.request
        result.survival = result.creep = result.time_to_slip = float("nan")

        def progress(name: str, done: int, total: int) -> None:
            if handle.is_cancel_requested or self.closing.is_set():
                raise Canceled("stress_test was canceled; the robot stays where it is")
            handle.publish_feedback(StressTest.Feedback(test=name, done=done, total=total))

        with self.border(fill(result)):
            report = self._plant.run(self._plant.bridge.stress_test, goal.nominal, goal.battery, progress)
            messages.fill_stress_result(result, report)
        with self.border():
            if result.error_code == ErrorCode.NONE:
                handle.succeed()
            elif handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        return result
