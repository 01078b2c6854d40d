"""Kinematic closing: where would the fingers touch, and how good would that grasp be. A filter before physics."""

from __future__ import annotations

import mujoco
import numpy as np
import torch
from numpy.typing import NDArray

from vnb_grasp.quality.ferrari_canny import grasp_epsilon
from vnb_sim_bridge.arm.kinematics import ArmKinematics
from vnb_sim_bridge.pregrasp.library import PreGrasp

Array = NDArray[np.float64]

_FRICTION = 0.4
_TORQUE_LENGTH = 0.05


class ClosureFilter:
    """Places the open hand around the object by kinematics alone and closes it finger by finger."""

    def __init__(self, kinematics: ArmKinematics) -> None:
        self._world, self._model = kinematics.world, kinematics.model
        self._data = mujoco.MjData(self._model)
        self._finger_geoms = [
            [geom for geom, finger in self._world.geom_finger.items() if finger == f] for f in range(5)
        ]

    def clearance(self, pregrasp: PreGrasp) -> float:
        """Return the smallest distance between the preshaped hand and the object [m]."""
        self._place(pregrasp)
        return min(self._distance(geom)[0] for geom in self._world.geom_finger)

    def epsilon(self, pregrasp: PreGrasp, levels: int = 14) -> float:
        """Return epsilon of the contacts reached by closing, 0 without the thumb or below three fingers."""
        self._place(pregrasp)
        upper = self._world.joint_upper
        q = pregrasp.preshape()
        touched: dict[int, tuple[Array, Array]] = {}
        for level in np.linspace(0.0, 1.0, levels):
            for finger in range(5):
                if finger in touched:
                    continue
                joint = finger + 1  # joint 0 is the thumb's yaw, which the preshape holds
                q[joint] = pregrasp.preshape()[joint] + level * (upper[joint] - pregrasp.preshape()[joint])
            self._data.qpos[self._world.hand_qpos] = self._world.expand_hand(q)
            mujoco.mj_kinematics(self._model, self._data)
            for finger in range(5):
                if finger not in touched:
                    distance, point, normal = min(
                        (self._distance(geom) for geom in self._finger_geoms[finger]), key=lambda item: item[0]
                    )
                    if distance < 0.002:
                        touched[finger] = (point, normal)
        if 0 not in touched or len(touched) < 3:
            return 0.0
        pose = self._data.xpos[self._world.object_body]
        points = torch.tensor(np.stack([touched[f][0] - pose for f in sorted(touched)]))
        normals = torch.tensor(np.stack([touched[f][1] for f in sorted(touched)]))
        return float(grasp_epsilon(points, normals, _FRICTION, torch.zeros(3, dtype=points.dtype), _TORQUE_LENGTH))

    def _place(self, pregrasp: PreGrasp) -> None:
        world, data = self._world, self._data
        data.qpos[:] = world.data.qpos
        data.qpos[world.hand_qpos] = world.expand_hand(pregrasp.preshape())
        mujoco.mj_kinematics(self._model, data)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = data.xmat[world.hand_body].reshape(3, 3), data.xpos[world.hand_body]
        T_world_object = pose @ np.linalg.inv(pregrasp.T_object_hand())
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, T_world_object[:3, :3].flatten())
        data.qpos[world.object_qpos] = np.concatenate([T_world_object[:3, 3], quaternion])
        mujoco.mj_kinematics(self._model, data)

    def _distance(self, geom: int) -> tuple[float, Array, Array]:
        best = (np.inf, np.zeros(3), np.zeros(3))
        ends = np.zeros(6)
        for other in self._world.object_geoms:
            distance = mujoco.mj_geomDistance(self._model, self._data, geom, other, 0.3, ends)
            if distance < best[0]:
                direction = (ends[3:] - ends[:3]) * (1 if distance >= 0 else -1)
                length = np.linalg.norm(direction)
                best = (distance, ends[3:].copy(), direction / length if length > 1e-9 else np.array([0, 0, 1.0]))
        return best
