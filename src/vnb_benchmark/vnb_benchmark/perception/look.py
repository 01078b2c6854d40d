"""What the cameras and the robot's encoders give at one pose: the usual way of looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_benchmark.perception.poses import TrialPose
from vnb_sim_bridge.cameras.rig import CameraRig, DepthFrame
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shot:
    """One moment as the estimators get it.

    Attributes:
        frames: One image per camera.
        arm_q, hand_q: Joints as the encoders tell them (6,), (11,) [rad].
    """

    frames: tuple[DepthFrame, ...]
    arm_q: Array
    hand_q: Array


Look = Callable[[TrialPose, World, CameraRig], Shot]
"""Takes a shot of a world in which the object has been put at its pose; may change that world first."""


def plain_look(pose: TrialPose, world: World, rig: CameraRig) -> Shot:
    """Take the pictures as they are."""
    return Shot(rig.take(0), world.arm_q(), world.hand_q())
