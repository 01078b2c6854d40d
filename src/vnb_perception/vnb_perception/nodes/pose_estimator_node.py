"""Estimates the object's pose from the depth images of one camera."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from vnb_msgs.msg import ErrorCode, ObjectPose

from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import in_order, seconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_perception.estimate import PoseEstimate, Status, no_estimate
from vnb_perception.estimator import EstimatorConfig
from vnb_perception.images.robot import RobotShape
from vnb_perception.nodes.alignment import JointHistory
from vnb_perception.nodes.messages import estimate_to_message, intrinsics_from_message, raw_image
from vnb_perception.objects.model import described_model
from vnb_perception.tracking import CameraTracker

_QUIET = (Status.NO_OBJECT, Status.POOR, Status.AMBIGUOUS)
"""What a camera cannot see is no fault of anybody; it stands in the estimate and in no diagnostic."""


@dataclass(frozen=True)
class PoseEstimatorConfig:
    """Parameters of the node."""

    camera: str = parameter("astra", "camera whose images are looked at; its topics begin with this name")
    object_name: str = parameter("mustard_bottle", "object to look for until another is named on target_object")
    hand: str = parameter("l6_v31", "hand variant")
    arm: str = parameter("fr3", "arm")
    max_age: float = parameter(0.5, "difference to the joints' time beyond which an image is stale [s]", 0.0)
    track_within: float = parameter(0.5, "age up to which the last estimate is where a registration begins [s]", 0.0)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


class PoseEstimatorNode(VnbNode):
    """``<camera>/depth/image_rect_raw``, its ``camera_info`` and joints in, ``<camera>/object_pose`` out.

    Every image is answered: with a pose, or with a status that says why there is none.
    """

    def __init__(self, **options: Any) -> None:
        name = options.pop("node_name", "pose_estimator")
        super().__init__(name, **options)
        self.config = config = declare(self, PoseEstimatorConfig)
        self._camera = load_camera(config.camera)
        self._hand, self._arm = load_hand(config.hand), load_arm(config.arm)
        self._robot = RobotShape(self._hand, self._arm)
        self._look_for(config.object_name)
        self._joints = JointHistory(("arm", "hand"), config.max_age)
        self._info: CameraInfo | None = None
        self._pending: Image | None = None
        self._out = self.create_publisher(ObjectPose, f"{config.camera}/object_pose", qos.CHAIN)
        inputs = MutuallyExclusiveCallbackGroup()
        for kind, topic, take, profile in (
            (String, "target_object", self._on_target, qos.LATCHED),
            (CameraInfo, f"{config.camera}/depth/camera_info", self._on_info, qos.CHAIN),
            (Image, f"{config.camera}/depth/image_rect_raw", self._on_image, qos.CHAIN),
            (JointState, "arm/joint_states", lambda message: self._on_joints("arm", message), qos.CHAIN),
            (JointState, "hand/joint_states", lambda message: self._on_joints("hand", message), qos.CHAIN),
        ):
            self.create_subscription(kind, topic, take, profile, callback_group=inputs)

    def _look_for(self, object_name: str) -> None:
        self._object = object_name
        model, config = described_model(object_name), self.config
        self._tracker = CameraTracker(self._camera, model, self._robot, config.estimator, config.track_within)

    def _on_target(self, message: String) -> None:
        with self.border():
            if message.data != self._object:
                self._look_for(message.data)

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message
        self._try()

    def _on_image(self, message: Image) -> None:
        if self._pending is not None:
            self._answer(self._pending, self._stale(self._pending, "another one has come before its joints"))
        self._pending = message
        self._try()

    def _on_joints(self, part: str, message: JointState) -> None:
        self._joints.add(part, seconds(message.header.stamp), message)
        self._try()

    def _try(self) -> None:
        """Answer the image that waits, once the joints of its time and its intrinsics are there."""
        image = self._pending
        if image is None:
            return
        time = seconds(image.header.stamp)
        late = self._joints.verdict(time)
        if late:
            self._pending = None
            self._answer(image, self._stale(image, late))
            return
        joints = self._joints.at(time)
        if joints is None or self._info is None or self._info.header.stamp != image.header.stamp:
            return
        self._pending = None
        self._answer(image, self._estimate(time, image, joints))

    def _estimate(self, time: float, image: Image, joints: dict[str, JointState]) -> PoseEstimate:
        failed: list[PoseEstimate] = []

        def note(code: int, text: str) -> None:
            failed.append(no_estimate(self._camera.name, Status.BAD_INPUT, text))

        with self.border(note):
            intrinsics = intrinsics_from_message(self._info)
            q = tuple(
                np.asarray(in_order(names, joints[part].name, joints[part].position, f"{part} joints"))
                for part, names in (("arm", self._arm.joint_names), ("hand", self._hand.joint_names))
            )
            estimate = self._tracker.update(time, raw_image(image), q, intrinsics)  # type: ignore[arg-type]
            if not estimate.ok and estimate.status not in _QUIET:
                self.diagnose(ErrorCode.PERCEPTION, estimate.reason)
            return estimate
        return failed[0] if failed else no_estimate(self._camera.name, Status.BAD_INPUT, "the node is closing")

    def _stale(self, image: Image, why: str) -> PoseEstimate:
        reason = f"image of {self._camera.name} at {seconds(image.header.stamp):.3f} s: {why}"
        self.diagnose(ErrorCode.PERCEPTION, reason)
        return no_estimate(self._camera.name, Status.STALE, reason)

    def _answer(self, image: Image, estimate: PoseEstimate) -> None:
        self._out.publish(estimate_to_message(estimate, image.header.stamp, 0, self._object))


def main() -> int:
    """Run the node."""
    return run_node(PoseEstimatorNode)


if __name__ == "__main__":
    sys.exit(main())
