"""The robot's own picture of the scene, in which it plans: the object as described, at its estimated pose."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.errors import ConfigError, MotionError
from vnb_grasp.frames.pose import Pose
from vnb_grasp.kinematics.arm_kinematics import ArmKinematics as ForwardKinematics
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.pregrasp.approach import Approach, plan_approach
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

LIFT_HEIGHT = 0.05
"""Height of the lift [m]."""


class PlanningScene:
    """Arm, hand, table and object as the robot believes them to be; nothing of the simulation's state enters.

    Args:
        object_name: Object description.
        hand: Hand variant.
    """

    def __init__(self, object_name: str, hand: str) -> None:
        self.world = World(Scenario(object_name, hand=hand))
        self._kinematics = ArmKinematics(self.world)
        self._forward = ForwardKinematics(self.world.arm)

    def choose_approach(self, estimate: Pose, arm_q: Array, only: int | None = None) -> Approach:
        """Return the best pre-grasp of the library that the arm can reach from ``arm_q`` (6,) [rad].

        Args:
            estimate: Pose of the object in the world.
            arm_q: Where the arm is.
            only: Index of the one pre-grasp to consider; None considers all, best first.

        Raises:
            ConfigError: If the library has no pre-grasp ``only``.
            MotionError: If none can be reached.
        """
        library = load_pregrasps(self.world.object.name, self.world.hand.name)
        if only is not None:
            if not 0 <= only < len(library):
                raise ConfigError(
                    f"pre-grasp of {self.world.object.name}: got index {only}, expected 0 to {len(library) - 1}"
                )
            library = (library[only],)
        self.world.set_object_pose(estimate.position.numpy(), estimate.quaternion.numpy())
        reasons = []
        for pregrasp in library:
            try:
                return plan_approach(self._kinematics, pregrasp, estimate.matrix().numpy(), arm_q)
            except MotionError as error:
                reasons.append(str(error))
        raise MotionError(f"no pre-grasp of {self.world.object.name} can be reached: {'; '.join(reasons)}")

    def lift_pose(self, arm_q: Array) -> Pose:
        """Return the hand's pose in the world 5 cm above that at arm angles ``arm_q`` (6,) [rad]."""
        pose = self._forward.world_hand(torch.from_numpy(arm_q))
        pose[2, 3] += LIFT_HEIGHT
        return Pose.from_matrix(pose)
