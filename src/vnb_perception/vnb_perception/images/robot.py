"""Where the robot's own links are in the picture: known from its joints, so they can be taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray

from vnb_grasp.description import ArmDescription, HandDescription
from vnb_grasp.errors import NonFiniteError
from vnb_grasp.kinematics.arm_kinematics import ArmKinematics
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_perception.objects.model import primitive_mesh

Array = NDArray[np.float64]


class RobotShape:
    """Hand, its mount and the arm as solids that follow the joints.

    Args:
        hand: Hand description.
        arm: Arm description.
    """

    def __init__(self, hand: HandDescription, arm: ArmDescription) -> None:
        self._hand, self._arm = HandKinematics(hand), ArmKinematics(arm)
        self._mount_link = self._arm.link_names.index(arm.joints[-1].child)
        hand_links = {link.name: link.primitives() for link in hand.links}
        arm_links = {link.name: link.primitives() for link in arm.links}
        parts = [arm_links[name] for name in self._arm.link_names]
        parts.append(tuple(geom.primitive() for geom in arm.mount_geoms))
        parts.extend(hand_links[name] for name in self._hand.link_names)
        self._present = [i for i, primitives in enumerate(parts) if primitives]
        self._distances = [SignedDistance(parts[i]) for i in self._present]
        self._meshes = []
        for i in self._present:
            mesh = primitive_mesh(parts[i])
            self._meshes.append((np.asarray(mesh.vertices), np.asarray(mesh.faces, dtype=np.uint32)))
        self._reach = [float(np.linalg.norm(vertices, axis=1).max()) for vertices, _ in self._meshes]

    def place(self, arm_q: Array, hand_q: Array) -> PlacedRobot:
        """Return the robot at arm angles (6,) and hand angles (11,) [rad].

        Raises:
            NonFiniteError: If an angle is not finite.
        """
        if not (np.isfinite(arm_q).all() and np.isfinite(hand_q).all()):
            raise NonFiniteError(f"joints for the hand's removal: got {arm_q} and {hand_q}; look at the drivers")
        q = torch.from_numpy(np.asarray(arm_q, dtype=np.float64))
        arm = self._arm.world_base @ self._arm.link_poses(q)
        base = self._arm.world_hand(q)
        hand = base @ self._hand.link_poses(torch.from_numpy(np.asarray(hand_q, dtype=np.float64)))
        poses = torch.cat((arm, arm[self._mount_link][None], hand)).numpy()
        return PlacedRobot(self, poses[self._present])


class PlacedRobot:
    """A robot at one configuration; made by :meth:`RobotShape.place`."""

    def __init__(self, shape: RobotShape, poses: Array) -> None:
        self._shape, self._poses = shape, poses

    def near(self, points: Array, margin: float) -> NDArray[np.bool_]:
        """Return which of ``points`` (N, 3) [m], world, are within ``margin`` [m] of the robot."""
        result = np.zeros(len(points), dtype=bool)
        if len(points) == 0:
            return result
        centre = points.mean(0)
        radius = float(np.linalg.norm(points - centre, axis=1).max())
        for pose, distance, reach in zip(self._poses, self._shape._distances, self._shape._reach, strict=True):
            if np.linalg.norm(pose[:3, 3] - centre) > radius + reach + margin:
                continue
            local = (points - pose[:3, 3]) @ pose[:3, :3]
            result |= distance.distance(torch.from_numpy(local)).numpy() < margin
        return result

    def scene(self, centre: Array, radius: float) -> Any:
        """Return the links within ``radius`` [m] of ``centre`` (3,), world, for casting rays; None without any."""
        scene, empty = o3d.t.geometry.RaycastingScene(nthreads=1), True
        for pose, (vertices, triangles), reach in zip(
            self._poses, self._shape._meshes, self._shape._reach, strict=True
        ):
            if np.linalg.norm(pose[:3, 3] - centre) > radius + reach:
                continue
            placed = (vertices @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
            scene.add_triangles(o3d.core.Tensor(placed), o3d.core.Tensor(triangles))
            empty = False
        return None if empty else scene
