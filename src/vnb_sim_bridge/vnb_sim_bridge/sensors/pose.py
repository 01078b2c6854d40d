"""Where estimates of the object's pose come from: a sensor with a stated error, or whoever looks at pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.errors import PerceptionError
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.scenario import Scenario, stream
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

POSE_SOURCES = ("sensor", "cameras")
"""Ways to an estimate, by the names that commands know."""


@dataclass(frozen=True)
class PoseReading:
    """An estimate of the object's pose at one time.

    Attributes:
        pose: In the world; NaN if there is none.
        covariance: (6, 6), world axes, order x, y, z, rot x, rot y, rot z [m^2, rad^2].
        occlusion, segmentation: In [0, 1].
        reason: Why there is no pose; empty if there is one.
    """

    pose: Pose
    covariance: Array
    occlusion: float = 0.0
    segmentation: float = 1.0
    reason: str = ""

    def known(self) -> Pose:
        """Return the pose; raises :class:`PerceptionError` if there is none."""
        if not torch.isfinite(self.pose.position).all():
            raise PerceptionError(f"the object's pose is not known: {self.reason or 'nothing has looked'}")
        return self.pose


class PoseSource(Protocol):
    """Estimates the pose of the object of one world."""

    remembers: bool
    """Whether readings depend on what was seen earlier."""

    def look(self, arm_q: Array, hand_q: Array) -> None:
        """Take pictures now, with the arm at (6,) and the hand at (11,) [rad] as encoders say."""
        ...

    def read(self, draw: int) -> PoseReading:
        """Return the present estimate; noise that is drawn depends on the scenario's seed and ``draw`` only."""
        ...

    def close(self) -> None:
        """Give back what is held; called in the world's thread."""
        ...


@dataclass(frozen=True)
class PoseSensorModel:
    """White noise of the pose sensor, beside the scenario's constant bias; the stated covariance holds both.

    Attributes:
        translation, rotation: Standard deviation per axis and reading [m], [rad].
    """

    translation: float = 0.0015
    rotation: float = 0.015

    def covariance(self, scenario: Scenario) -> Array:
        """Return the stated covariance (6, 6)."""
        translation = self.translation**2 + scenario.pose_translation_std**2
        rotation = self.rotation**2 + scenario.pose_rotation_std**2
        return np.diag(np.repeat([translation, rotation], 3))


class PoseSensor:
    """The truth with the scenario's constant error and white noise; it sees everything.

    Args:
        world: To measure in.
        model: Of the noise.
    """

    remembers = False

    def __init__(self, world: World, model: PoseSensorModel | None = None) -> None:
        self._world = world
        self.model = model or PoseSensorModel()

    def look(self, arm_q: Array, hand_q: Array) -> None:
        """See :class:`PoseSource`; it takes no pictures."""

    def read(self, draw: int) -> PoseReading:
        """See :class:`PoseSource`."""
        world, model = self._world, self.model
        noise = stream(world.scenario.seed, "pose", draw).standard_normal(6)
        error = np.asarray(world.scenario.pose_bias) + noise * np.repeat([model.translation, model.rotation], 3)
        angle = float(np.linalg.norm(error[3:]))
        turn, quaternion = np.zeros(4), np.zeros(4)
        mujoco.mju_axisAngle2Quat(turn, error[3:] / max(angle, 1e-12), angle)
        mujoco.mju_mulQuat(quaternion, turn, world.data.xquat[world.object_body])
        position = world.object_pose()[:3, 3] + error[:3]
        pose = Pose(torch.from_numpy(position), torch.from_numpy(quaternion))
        return PoseReading(pose, model.covariance(world.scenario))

    def close(self) -> None:
        """See :class:`PoseSource`."""
