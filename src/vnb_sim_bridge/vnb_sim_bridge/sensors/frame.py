"""One decision step's worth of readings, and the suite that makes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.frames.pose import Pose
from vnb_grasp.kinematics.arm_kinematics import ArmKinematics
from vnb_sim_bridge.sensors.pose import PoseReading, PoseSensor, PoseSource
from vnb_sim_bridge.sensors.tactile import TactileModel, read_tactile
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

ENCODER_LEVELS = 255
"""The hand reports joint positions as bytes over each joint's range."""


@dataclass(frozen=True)
class SensorFrame:
    """What the robot senses at one step.

    Attributes:
        step: Decision step.
        time: Measurement time [s].
        object_pose: Estimated pose of the object in the world.
        pose_covariance: (6, 6), world axes, order x, y, z, rot x, rot y, rot z [m^2, rad^2].
        T_world_hand: Pose of the hand's base from the arm's encoders (4, 4).
        tactile: (5, rows, columns) bytes.
        hand_q, hand_qd: (11,) [rad], [rad/s]; passive joints follow from their coupling.
        hand_target: Servo targets of the six actuated joints (6,) [rad].
        arm_q: (6,) [rad].
        occlusion, segmentation: In [0, 1]; the pose sensor sees everything, so 0 and 1.
        pose_reason: Why there is no pose, which is NaN then; empty if there is one.
    """

    step: int
    time: float
    object_pose: Pose
    pose_covariance: Array
    T_world_hand: Array
    tactile: NDArray[np.uint8]
    hand_q: Array
    hand_qd: Array
    hand_target: Array
    arm_q: Array
    occlusion: float = 0.0
    segmentation: float = 1.0
    pose_reason: str = ""

    def known_pose(self) -> Pose:
        """Return the estimated pose; raises :class:`PerceptionError` if there is none."""
        return PoseReading(self.object_pose, self.pose_covariance, reason=self.pose_reason).known()

    @property
    def T_world_object(self) -> Array:
        """Estimated object pose (4, 4)."""
        return self.object_pose.matrix().numpy()


_DRAWS = 100_000
"""Noise streams of one grasp: more than it has steps."""


class SensorSuite:
    """Reads all sensors of a world; encoder velocities are differences of successive readings.

    Args:
        world: To read.
        tactile: Model of the pads.
        pose: Where pose estimates come from; the pose sensor if None.

    Attributes:
        grasp: Number of the grasp in the scenario, from 0: each has noise of its own.
    """

    def __init__(self, world: World, tactile: TactileModel | None = None, pose: PoseSource | None = None) -> None:
        self.world = world
        self.tactile_model = tactile or TactileModel()
        self.pose: PoseSource = pose or PoseSensor(world)
        self._arm = ArmKinematics(world.arm)
        self.grasp = 0
        self.reset()

    def reset(self) -> None:
        """Forget the previous reading (after a reset of the world)."""
        self._last: tuple[float, Array] | None = None

    def read(self, step: int) -> SensorFrame:
        """Return the readings of decision step ``step``; noise depends on (seed, grasp, step) only."""
        world = self.world
        q = self._encoders()
        if self._last is None or world.time <= self._last[0]:
            qd = np.zeros(6)
        else:
            qd = (q - self._last[1]) / (world.time - self._last[0])
        self._last = (world.time, q)
        arm_q = world.arm_q()
        reading = self.pose.read(self._draw(step))
        return SensorFrame(
            step=step,
            time=world.time,
            object_pose=reading.pose,
            pose_covariance=reading.covariance,
            T_world_hand=self._arm.world_hand(torch.from_numpy(arm_q)).numpy(),
            tactile=read_tactile(world, self.tactile_model, self._draw(step)),
            hand_q=world.expand_hand(q),
            hand_qd=world.expand_hand(qd),
            hand_target=world.hand_target.copy(),
            arm_q=arm_q,
            occlusion=reading.occlusion,
            segmentation=reading.segmentation,
            pose_reason=reading.reason,
        )

    def look(self) -> None:
        """Have the pose source take pictures, if it does."""
        self.pose.look(self.world.arm_q(), self.world.expand_hand(self._encoders()))

    def _draw(self, step: int) -> int:
        return step + _DRAWS * self.grasp

    def _encoders(self) -> Array:
        lower, upper = self.world.joint_lower, self.world.joint_upper
        level = np.rint((self.world.hand_q()[:6] - lower) / (upper - lower) * ENCODER_LEVELS)
        return lower + np.clip(level, 0, ENCODER_LEVELS) / ENCODER_LEVELS * (upper - lower)
