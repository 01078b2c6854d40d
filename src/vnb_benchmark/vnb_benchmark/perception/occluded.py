"""Poses with the hand in the way: the arm at the pre-grasp from which the object would be taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vnb_benchmark.perception.poses import TrialPose, at_rest
from vnb_grasp.description import known_objects
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import draw_scenario
from vnb_sim_bridge.world.world import World


def grasp_poses(repeats: int, seed: int, objects: Sequence[str] = ()) -> tuple[TrialPose, ...]:
    """Return where trials of consecutive seeds put each object: ``repeats`` poses per object."""
    poses = []
    for name in objects or known_objects():
        for i in range(repeats):
            drawn = draw_scenario(name, "nominal", seed + i)
            cosine, sine = np.cos(drawn.object_yaw), np.sin(drawn.object_yaw)
            turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
            poses.append(TrialPose(name, at_rest(name, turn, drawn.object_x, drawn.object_y), seed + i, "at pre-grasp"))
    return tuple(poses)


class AtPregrasp:
    """Places arm and fingers at the best pre-grasp within reach."""

    def __init__(self) -> None:
        self._scenes: dict[str, PlanningScene] = {}

    def __call__(self, pose: TrialPose, world: World) -> None:
        """Teleport the robot of ``world``; raises :class:`MotionError` if no pre-grasp is within reach."""
        name = pose.object_name
        scene = self._scenes.get(name) or self._scenes.setdefault(name, PlanningScene(name, world.hand.name))
        approach = scene.choose_approach(Pose.from_matrix(torch.from_numpy(pose.T_world_object)), world.arm_q())
        world.teleport_arm(approach.arm_q)
        world.teleport_hand(approach.pregrasp.preshape())
