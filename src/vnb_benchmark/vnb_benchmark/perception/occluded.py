"""Poses with the hand in the way: at the pre-grasp from which the object would be taken, and while it closes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vnb_benchmark.perception.look import Shot, plain_look
from vnb_benchmark.perception.poses import TrialPose, at_rest
from vnb_grasp.description import known_objects
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.cameras.rig import CameraRig
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import draw_scenario
from vnb_sim_bridge.world.world import World

PREGRASP, CLOSING = "at pre-grasp", "closing"
"""Groups: the fingers preshaped, and after they have closed until two of them touch."""
_SPEED = 0.5
"""Of the closing fingers [rad/s]."""
_PERIOD, _LONGEST = 0.04, 100
"""Decision period [s] and number of them after which the fingers stop, whatever they touch."""


def grasp_poses(repeats: int, seed: int, objects: Sequence[str] = ()) -> tuple[TrialPose, ...]:
    """Return where trials of consecutive seeds put each object: ``repeats`` poses per object, each with both groups."""
    poses = []
    for name in objects or known_objects():
        for i in range(repeats):
            drawn = draw_scenario(name, "nominal", seed + i)
            cosine, sine = np.cos(drawn.object_yaw), np.sin(drawn.object_yaw)
            turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
            place = at_rest(name, turn, drawn.object_x, drawn.object_y)
            poses += [TrialPose(name, place, seed + i, group) for group in (PREGRASP, CLOSING)]
    return tuple(poses)


class LookAtGrasp:
    """Takes pictures with arm and fingers at the best pre-grasp within reach, or closed from there."""

    def __init__(self) -> None:
        self._scenes: dict[str, PlanningScene] = {}

    def __call__(self, pose: TrialPose, world: World, rig: CameraRig) -> Shot:
        """See :data:`~vnb_benchmark.perception.look.Look`; :class:`MotionError` if no pre-grasp is within reach."""
        self.take_hold(pose, world, close=pose.group == CLOSING)
        return plain_look(pose, world, rig)

    def take_hold(self, pose: TrialPose, world: World, *, close: bool) -> None:
        """Put arm and fingers of ``world`` at the pre-grasp, and close the fingers if ``close``."""
        name = pose.object_name
        scene = self._scenes.get(name) or self._scenes.setdefault(name, PlanningScene(name, world.hand.name))
        approach = scene.choose_approach(Pose.from_matrix(torch.from_numpy(pose.T_world_object)), world.arm_q())
        world.teleport_arm(approach.arm_q)
        world.teleport_hand(approach.pregrasp.preshape())
        velocity = np.array([0.0, *[_SPEED] * 5])
        for _ in range(_LONGEST if close else 0):
            world.drive_hand(velocity, None, _PERIOD)
            world.step(round(_PERIOD / world.parameters.timestep))
            if (world.finger_forces() > 0.0).sum() >= 2:
                break
