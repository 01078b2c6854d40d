"""Estimates the object's pose from the depth images of one camera."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import String
from vnb_msgs.msg import ErrorCode, ObjectPose

from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.errors import VnbError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import in_order, nanoseconds, seconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_perception.estimate import PoseEstimate, Status, no_estimate
from vnb_perception.estimator import EstimatorConfig
from vnb_perception.images.cloud import organised_cloud
from vnb_perception.images.robot import RobotShape
from vnb_perception.nodes.alignment import JointHistory
from vnb_perception.nodes.messages import cloud_message, estimate_to_message, intrinsics_from_message, raw_image
from vnb_perception.objects.library import ModelLibrary
from vnb_perception.tracking import CameraTracker

_QUIET = (Status.NO_OBJECT, Status.POOR, Status.AMBIGUOUS)
"""What a camera cannot see is no fault of anybody; it stands in the estimate and in no diagnostic."""


_KEPT = 4
"""Images that wait for their joints at most."""
_INFOS = 32
"""Camera infos that are kept: of the images that come while one is looked at."""
_LATE = 22
"""Readings of joints of another time after which an image's own will not come: more than the topics can have queued."""


@dataclass
class _Waiting:
    """An image that waits for its joints.

    Attributes:
        image: The message.
        time: Its stamp [s].
        off, gap: Readings of joints too far from it so far, and the last one's distance [s].
    """

    image: Image
    time: float
    off: int = 0
    gap: float = 0.0


@dataclass(frozen=True)
class PoseEstimatorConfig:
    """Parameters of the node."""

    camera: str = parameter("astra", "camera whose images are looked at; its topics begin with this name")
    object_name: str = parameter("mustard_bottle", "object to look for until another is named on target_object")
    meshes: str = parameter("", "folder of mesh files named after objects, in place of descriptions; empty = none")
    hand: str = parameter("l6_v31", "hand variant")
    arm: str = parameter("fr3", "arm")
    max_age: float = parameter(0.5, "difference to the joints' time beyond which an image is stale [s]", 0.0)
    track_within: float = parameter(0.5, "age up to which the last estimate is where a registration begins [s]", 0.0)
    every_image: bool = parameter(
        True,
        "whether every image is answered; false: of those that come while one is looked at, only the newest is",
    )
    points: bool = parameter(
        True, "publish <camera>/depth/points while somebody listens; not beside a driver that does"
    )
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


class PoseEstimatorNode(VnbNode):
    """``<camera>/depth/image_rect_raw``, its ``camera_info`` and joints in, ``<camera>/object_pose`` out.

    Every image is answered: with a pose, or with a status that says why there is none. Cameras that are faster than the
    estimates are not answered image by image (``every_image``). While somebody listens to ``<camera>/depth/points``, an
    image that is answered with an estimate becomes a cloud too, in its own frame.
    """

    def __init__(self, **options: Any) -> None:
        name = options.pop("node_name", "pose_estimator")
        super().__init__(name, **options)
        self.config = config = declare(self, PoseEstimatorConfig)
        self._camera = load_camera(config.camera)
        self._hand, self._arm = load_hand(config.hand), load_arm(config.arm)
        self._robot = RobotShape(self._hand, self._arm)
        self._lock = threading.Lock()
        self._library = ModelLibrary(config.meshes)
        self._look_for(config.object_name)
        self._joints = JointHistory(("arm", "hand"), config.max_age)
        self._infos: OrderedDict[int, CameraInfo] = OrderedDict()
        self._waiting: deque[_Waiting] = deque()
        self._out = self.create_publisher(ObjectPose, f"{config.camera}/object_pose", qos.CHAIN)
        # An estimate takes longer than joints may queue, so they are taken meanwhile.
        self._work = self.create_guard_condition(self._answer_ready, callback_group=MutuallyExclusiveCallbackGroup())
        self._points_out = None
        if config.points:
            self._points_out = self.create_publisher(PointCloud2, f"{config.camera}/depth/points", qos.VIEW)
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
        model, config = self._library.model(object_name), self.config
        tracker = CameraTracker(self._camera, model, self._robot, config.estimator, config.track_within)
        with self._lock:
            self._object, self._tracker = object_name, tracker

    def _on_target(self, message: String) -> None:
        with self.border():
            if message.data != self._object:
                self._look_for(message.data)

    def _on_info(self, message: CameraInfo) -> None:
        with self._lock:
            self._infos[nanoseconds(message.header.stamp)] = message
            while len(self._infos) > _INFOS:
                self._infos.popitem(last=False)
        self._work.trigger()

    def _on_image(self, message: Image) -> None:
        with self._lock:
            self._waiting.append(_Waiting(message, seconds(message.header.stamp)))
            if not self.config.every_image and len(self._waiting) > _KEPT:
                self._waiting.popleft()
        self._work.trigger()

    def _on_joints(self, part: str, message: JointState) -> None:
        time = seconds(message.header.stamp)
        with self._lock:
            self._joints.add(part, time, message)
            for waiting in self._waiting:
                if abs(time - waiting.time) > self.config.max_age:
                    waiting.off, waiting.gap = waiting.off + 1, time - waiting.time
        self._work.trigger()

    def _answer_ready(self) -> None:
        """Answer the images, in order, whose joints and intrinsics are there or will never come."""
        while (job := self._next()) is not None:
            waiting, look, name = job
            self._out.publish(estimate_to_message(look(), waiting.image.header.stamp, 0, name))
            self._show(waiting.image)

    def _next(self) -> tuple[_Waiting, Callable[[], PoseEstimate], str] | None:
        """Return the next image that can be answered, what gives its answer, and the object; None if none can."""
        with self._lock:
            if not self.config.every_image:
                self._drop_overtaken()
            if len(self._waiting) > _KEPT:
                old = self._waiting.popleft()
                return old, lambda: self._stale(old, "its joints or its intrinsics have not come"), self._object
            if not self._waiting:
                return None
            first = self._waiting[0]
            ready = self._parts_of(first)
            if ready is not None:
                self._waiting.popleft()
                tracker = self._tracker
                return first, lambda: self._estimate(tracker, first, *ready), self._object
            if first.off >= _LATE:
                self._waiting.popleft()
                where = "old" if first.gap > 0 else "in the future"
                why = f"by the joints it is {abs(first.gap):.2f} s {where}"
                return first, lambda: self._stale(first, why), self._object
            return None

    def _parts_of(self, waiting: _Waiting) -> tuple[CameraInfo, dict[str, JointState]] | None:
        """Return intrinsics and joints of an image, None if they have not come."""
        joints = self._joints.at(waiting.time)
        info = self._infos.get(nanoseconds(waiting.image.header.stamp))
        return None if joints is None or info is None else (info, joints)

    def _drop_overtaken(self) -> None:
        """Forget the images that are older than one that can be looked at."""
        ready = [i for i, waiting in enumerate(self._waiting) if self._parts_of(waiting) is not None]
        for _ in range(ready[-1] if ready else 0):
            self._waiting.popleft()

    def _estimate(
        self, tracker: CameraTracker, waiting: _Waiting, info: CameraInfo, joints: dict[str, JointState]
    ) -> PoseEstimate:
        failed: list[PoseEstimate] = []

        def note(code: int, text: str) -> None:
            failed.append(no_estimate(self._camera.name, Status.BAD_INPUT, text))

        with self.border(note):
            intrinsics = intrinsics_from_message(info)
            q = [
                in_order(names, joints[part].name, joints[part].position, f"{part} joints")
                for part, names in (("arm", self._arm.joint_names), ("hand", self._hand.joint_names))
            ]
            estimate = tracker.update(waiting.time, raw_image(waiting.image), (q[0], q[1]), intrinsics)
            if not estimate.ok and estimate.status not in _QUIET:
                self.diagnose(ErrorCode.PERCEPTION, estimate.reason)
            return estimate
        return failed[0] if failed else no_estimate(self._camera.name, Status.BAD_INPUT, "the node is closing")

    def _stale(self, waiting: _Waiting, why: str) -> PoseEstimate:
        reason = f"image of {self._camera.name} at {waiting.time:.3f} s: {why}"
        self.diagnose(ErrorCode.PERCEPTION, reason)
        return no_estimate(self._camera.name, Status.STALE, reason)

    def _show(self, image: Image) -> None:
        """Publish the cloud of an image, if somebody listens; what is wrong with the image stands in the estimate."""
        if self._points_out is None or not self._points_out.get_subscription_count():
            return
        with self._lock:
            info = self._infos.get(nanoseconds(image.header.stamp))
        if info is None:
            return
        with suppress(VnbError):
            points = organised_cloud(raw_image(image).metres(self._camera.name), intrinsics_from_message(info))
            self._points_out.publish(cloud_message(points, image.header))


def main() -> int:
    """Run the node."""
    return run_node(PoseEstimatorNode)


if __name__ == "__main__":
    sys.exit(main())
