"""The cameras as a pose source that only takes pictures: somebody else makes poses of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import CameraDescription
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.cameras.rig import CameraRig, DepthFrame
from vnb_sim_bridge.sensors.pose import PoseReading
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


class CameraImages:
    """Takes pictures and keeps the latest until they are fetched. Use it in the thread that made it.

    Args:
        world: To look at.

    Raises:
        RenderError: If this machine cannot draw; names the packages.
    """

    remembers = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._rig = CameraRig(world)
        self._frames: tuple[DepthFrame, ...] = ()

    def look(self, arm_q: Array, hand_q: Array) -> None:
        """See :class:`~vnb_sim_bridge.sensors.pose.PoseSource`."""
        self._frames = self._rig.take(moment(self._world))

    def fetch(self) -> tuple[DepthFrame, ...]:
        """Return the pictures that have been taken since the last call."""
        frames, self._frames = self._frames, ()
        return frames

    def colour(self, camera: CameraDescription) -> NDArray[np.uint8]:
        """Return the colours (height, width, 3) that a camera sees now, red first."""
        return self._rig.colour(camera)

    def read(self, draw: int) -> PoseReading:
        """See :class:`~vnb_sim_bridge.sensors.pose.PoseSource`; there is never a pose here."""
        return PoseReading(Pose.unknown(), np.full((6, 6), np.nan), 1.0, 0.0, "cameras only take pictures here")

    def close(self) -> None:
        """Give the graphics memory back."""
        self._rig.close()


def moment(world: World) -> int:
    """Return the number of the present moment, from which the noise of its pictures is drawn."""
    return round(world.time / world.parameters.timestep)
