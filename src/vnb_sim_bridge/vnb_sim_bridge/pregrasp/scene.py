"""The robot's own picture of the scene, in which it plans: the object as described, at its estimated pose."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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

    Attributes:
        estimate: Pose of the object in the world that was planned with last.
        home: Where the arm begins (6,) [rad].
    """

    def __init__(self, object_name: str, hand: str) -> None:
        self.world = World(Scenario(object_name, hand=hand))
        self._kinematics = ArmKinematics(self.world)
        self._forward = ForwardKinematics(self.world.arm)
        self.home = np.array(self.world.arm.home)
        self.estimate = Pose.from_matrix(torch.from_numpy(self.world.object_pose()))

    def choose_approach(
        self, estimate: Pose, arm_q: Array, only: int | None = None, order: Sequence[int] | None = None
    ) -> Approach:
        """Return the best pre-grasp of the library that the arm can reach from ``arm_q`` (6,) [rad].

        Args:
            estimate: Pose of the object in the world.
            arm_q: Where the arm is.
            only: Index of the one pre-grasp to consider; None considers all.
            order: Indices of the pre-grasps to consider, the preferred first; None is the library's order.

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
        elif order is not None:
            library = tuple(library[i] for i in order)
        self.estimate = estimate
        self.world.set_object_pose(estimate.position.numpy(), estimate.quaternion.numpy())
        reasons = []
        for pregrasp in library:
            try:
                return plan_approach(self._kinematics, pregrasp, estimate.matrix().numpy(), arm_q)
            except MotionError as error:
                reasons.append(str(error))
        raise MotionError(f"no pre-grasp of {self.world.object.name} can be reached: {'; '.join(reasons)}")

    def ranking(
        self, friction: Array, weights: Array, leave_out: Collection[int] = ()
    ) -> tuple[tuple[int, float], ...]:
        """Return pre-grasps, by index, with the failure probability that the library promises, the surest first.

        Pre-grasps that were not measured promise nothing and are left out.

        Args:
            friction: Nodes (N,) of the believed effective friction.
            weights: Their probabilities (N,).
            leave_out: Indices of those that are not to be considered.
        """
        library = load_pregrasps(self.world.object.name, self.world.hand.name)
        promises = [
            (p.index, 1.0 - float(weights @ p.success(friction)))
            for p in library
            if p.robust and p.index not in leave_out
        ]
        return tuple(sorted(promises, key=lambda item: item[1]))

    def lift_pose(self, arm_q: Array) -> Pose:
        """Return the hand's pose in the world 5 cm above that at arm angles ``arm_q`` (6,) [rad]."""
        pose = self._forward.world_hand(torch.from_numpy(arm_q))
        pose[2, 3] += LIFT_HEIGHT
        return Pose.from_matrix(pose)
