"""The cameras' whole way without middleware: pictures, an estimate per camera, one pose; what the nodes do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vnb_perception.fusion import PoseFusion
from vnb_perception.images.robot import RobotShape
from vnb_perception.objects.model import described_model
from vnb_perception.tracking import CameraTracker, RawImage
from vnb_sim_bridge.cameras.rig import CameraRig, DepthFrame
from vnb_sim_bridge.cameras.source import moment
from vnb_sim_bridge.sensors.pose import PoseReading, PoseSensor, PoseSource
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


class CameraPoseSource:
    """Estimates the pose from simulated depth images. Use it in the thread that made it.

    Args:
        world: To look at.

    Raises:
        RenderError: If this machine cannot draw; names the packages.
    """

    remembers = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._rig = CameraRig(world)
        model = described_model(world.object.name)
        robot = RobotShape(world.hand, world.arm)
        self._trackers = [CameraTracker(camera, model, robot) for camera in self._rig.cameras]
        self._fusion = PoseFusion(model.symmetry)

    def look(self, arm_q: Array, hand_q: Array) -> None:
        """See :class:`~vnb_sim_bridge.sensors.pose.PoseSource`."""
        time, frames = self._time(), self._rig.take(moment(self._world))
        pairs = zip(self._trackers, frames, strict=True)
        self._fusion.update(time, [tracker.update(time, raw(frame), (arm_q, hand_q)) for tracker, frame in pairs])

    def read(self, draw: int) -> PoseReading:
        """See :class:`~vnb_sim_bridge.sensors.pose.PoseSource`."""
        found = self._fusion.at(self._time())
        return PoseReading(
            found.pose, found.covariance, found.occlusion, found.segmentation, "" if found.has_pose else found.reason
        )

    def close(self) -> None:
        """Give the graphics memory back."""
        self._rig.close()

    def _time(self) -> float:
        return round(self._world.time * 1e9) / 1e9  # as a stamp says it


def raw(frame: DepthFrame) -> RawImage:
    """Return a picture as it comes over the wire."""
    height, width = frame.depth.shape
    return RawImage(frame.depth.astype("<u2").tobytes(), "16UC1", height, width)


def pose_source_maker(name: str) -> Callable[[World], PoseSource]:
    """Return what makes the pose source of a name of :data:`~vnb_sim_bridge.sensors.pose.POSE_SOURCES`."""
    return CameraPoseSource if name == "cameras" else PoseSensor
