"""Fuses the cameras' estimates into one pose per decision step."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from std_msgs.msg import String
from vnb_msgs.msg import ErrorCode, ObjectPose, TactileArray

from vnb_grasp.errors import ConfigError, VnbError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.conversions import nanoseconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_perception.estimate import PoseEstimate, Status, no_estimate
from vnb_perception.fusion import FusionConfig, PoseFusion
from vnb_perception.nodes.messages import estimate_from_message, estimate_to_message
from vnb_perception.objects.library import ModelLibrary

_KEPT = 16


@dataclass(frozen=True)
class PoseFusionConfig:
    """Parameters of the node."""

    cameras: tuple[str, ...] = parameter(("astra", "d435i"), "cameras whose estimates are fused; one is enough")
    object_name: str = parameter("mustard_bottle", "object until another is named on target_object")
    meshes: str = parameter("", "folder of mesh files named after objects, as the estimators have it; empty = none")
    lockstep: bool = parameter(True, "true: a step waits for the images of its moment; false: it takes what is there")
    camera_period: int = parameter(10, "decision steps from one image to the next, in lockstep; that of the bridge", 1)
    fusion: FusionConfig = field(default_factory=FusionConfig)


class PoseFusionNode(VnbNode):
    """``<camera>/object_pose`` of each camera in, ``object_pose`` out: one for every step that ``hand/tactile`` opens.

    Touch comes at every decision step and carries its number; images come more slowly. Each step gets what is known of
    the pose at its stamp.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("pose_fusion", **options)
        self.config = config = declare(self, PoseFusionConfig)
        if not config.cameras:
            raise ConfigError("pose fusion cameras: got none, expected at least one")
        self._library = ModelLibrary(config.meshes)
        self._use(config.object_name)
        self._moments: OrderedDict[int, dict[str, PoseEstimate]] = OrderedDict()
        self._fused: set[int] = set()
        self._steps: list[TactileArray] = []
        self._out = self.create_publisher(ObjectPose, "object_pose", qos.CHAIN)
        inputs = MutuallyExclusiveCallbackGroup()
        self.create_subscription(String, "target_object", self._on_target, qos.LATCHED, callback_group=inputs)
        self.create_subscription(TactileArray, "hand/tactile", self._on_step, qos.CHAIN, callback_group=inputs)
        for camera in config.cameras:
            topic = f"{camera}/object_pose"
            self.create_subscription(ObjectPose, topic, self._receiver(camera), qos.CHAIN, callback_group=inputs)

    def _use(self, object_name: str) -> None:
        self._fusion = PoseFusion(self._library.model(object_name).symmetry, self.config.fusion)
        self._object = object_name

    def _on_target(self, message: String) -> None:
        with self.border():
            if message.data != self._object:
                self._use(message.data)

    def _receiver(self, camera: str) -> Any:
        return lambda message: self._on_estimate(camera, message)

    def _on_estimate(self, camera: str, message: ObjectPose) -> None:
        with self.border():
            try:
                estimate = estimate_from_message(message)
            except VnbError as error:
                self.diagnose(int(error.code), str(error))
                estimate = no_estimate(camera, Status.BAD_INPUT, str(error))
            stamp = nanoseconds(message.header.stamp)
            self._moments.setdefault(self._moment_of(stamp), {})[camera] = estimate
            self._moments.move_to_end(self._moment_of(stamp))
            self._fuse_complete()
            self._answer()

    def _moment_of(self, stamp: int) -> int:
        """Return the moment that an estimate belongs to: in lockstep its stamp, else one close to it if there is."""
        if self.config.lockstep:
            return stamp
        window = self.config.fusion.window * 1e9
        return next((moment for moment in self._moments if abs(moment - stamp) <= window), stamp)

    def _fuse_complete(self) -> None:
        """Fuse the moments that every camera has answered, and those that newer ones have overtaken."""
        newest = next(reversed(self._moments))
        for moment in list(self._moments):
            estimates = self._moments[moment]
            complete = len(estimates) == len(self.config.cameras)
            overtaken = moment != newest and not self.config.lockstep
            if not (complete or overtaken):
                continue
            del self._moments[moment]
            ordered = [estimates[camera] for camera in self.config.cameras if camera in estimates]
            fused = self._fusion.update(moment / 1e9, ordered)
            if self.config.lockstep:
                self._fused.add(moment)
            if fused.status is Status.DISAGREE or (self._missing_disagrees() and not fused.ok):
                self.diagnose(ErrorCode.PERCEPTION, fused.reason)
        while len(self._moments) > _KEPT:
            self._moments.popitem(last=False)

    def _missing_disagrees(self) -> bool:
        missing = self._fusion.missing
        return missing is not None and missing.status is Status.DISAGREE

    def _on_step(self, message: TactileArray) -> None:
        with self.border():
            self._steps.append(message)
            self._answer()

    def _answer(self) -> None:
        """Answer the steps that wait for nothing more."""
        while self._steps:
            message = self._steps[0]
            stamp = nanoseconds(message.header.stamp)
            seen = stamp in self._fused
            expects = self.config.lockstep and message.step % self.config.camera_period == 0
            overtaken = any(nanoseconds(step.header.stamp) != stamp for step in self._steps)
            if expects and not seen and not overtaken:
                return
            self._steps.pop(0)
            if seen:
                self._fused.clear()
            estimate = self._fusion.at(stamp / 1e9)
            if expects and not seen and not estimate.has_pose:
                continue  # overtaken before its images came, at the very start: there is nothing to say about it
            self._out.publish(estimate_to_message(estimate, message.header.stamp, message.step, self._object))


def main() -> int:
    """Run the node."""
    return run_node(PoseFusionNode)


if __name__ == "__main__":
    sys.exit(main())
