"""Does a planned path keep arm and hand above the table and inside the workspace box? Exact for the primitives.

Table and box are half-spaces, and the lowest point of a box, sphere, cylinder or capsule in a direction has a closed
form (its support function), so no shape is sampled; only the path is, finely enough that what lies between two samples
is covered by a margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from vnb_grasp.description import ArmDescription, HandDescription
from vnb_grasp.errors import ConfigError, MotionError
from vnb_grasp.frames.se3 import quaternion_to_matrix
from vnb_grasp.kinematics import ArmKinematics, HandKinematics
from vnb_grasp.shapes.primitive import Primitive
from vnb_hardware.arm.units import Array

_STEP = 0.001
"""Largest joint motion between two samples [rad]."""

_REACH = 1.05
"""Bound on how far any point moves per radian of all joints together [m]."""

_MARGIN = _STEP * _REACH / 2
"""What lies between two samples is within half a step of one of them [m]."""

_BLOCK = 256
"""Samples that are checked at once: it bounds the memory of a long way."""

_FIXED_LINKS = 2
"""Base and shoulder stand where they are bolted; they do not count."""


@dataclass(frozen=True)
class Workspace:
    """Where the robot may be, in the world frame.

    Attributes:
        table_height: Height of the table's surface [m].
        lower, upper: Corners of the box [m].
        clearance: Distance that is kept from the table and from the box's faces [m].
    """

    table_height: float = 0.777
    lower: tuple[float, float, float] = (-0.75, -0.10, 0.70)
    upper: tuple[float, float, float] = (0.75, 1.40, 2.00)
    clearance: float = 0.002

    def __post_init__(self) -> None:
        numbers = (self.table_height, *self.lower, *self.upper, self.clearance)
        if not all(map(math.isfinite, numbers)) or self.clearance < 0:
            raise ConfigError(f"workspace: got {self}, expected finite numbers and a clearance of at least 0 m")
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ConfigError(f"workspace: got corners {self.lower} and {self.upper}, expected lower below upper")


class ClearanceCheck:
    """Distances of the moving robot to table and workspace box.

    Args:
        arm: The arm with its mount.
        hand: The hand on it.
        workspace: Table and box.

    Attributes:
        slack: By how much the real arm's points may be elsewhere than the description's [m]; added to the clearance.
    """

    def __init__(self, arm: ArmDescription, hand: HandDescription, workspace: Workspace) -> None:
        self.workspace = workspace
        self.slack = 0.0
        self._arm, self._hand = ArmKinematics(arm), HandKinematics(hand)
        self._actuated = len(hand.actuated)
        moving = arm.links[_FIXED_LINKS:]
        last = self._arm.link_names.index(arm.joints[-1].child)
        arm_parts = [(self._arm.link_names.index(link.name), p) for link in moving for p in link.primitives()]
        arm_parts += [(last, geom.primitive()) for geom in arm.mount_geoms]
        hand_parts = [(self._hand.link_names.index(link.name), p) for link in hand.links for p in link.primitives()]
        self._arm_solids = _Solids(arm_parts)
        self._hand_solids = _Solids(hand_parts)
        self._names = [self._arm.link_names[i] for i, _ in arm_parts] + [
            self._hand.link_names[i] for i, _ in hand_parts
        ]
        self._normals = np.concatenate([[[0.0, 0.0, 1.0]], np.eye(3), -np.eye(3)])
        self._offsets = np.array([workspace.table_height, *workspace.lower, *(-x for x in workspace.upper)])
        self._places = ["the table", *(f"the workspace's {side} side" for side in ("-x", "-y", "-z", "+x", "+y", "+z"))]

    def distances(self, q: Array, hand: Array) -> Array:
        """Return the signed distance (N, S, 7) [m] of every solid to table and box faces; negative is beyond.

        Args:
            q: Arm joint angles (N, 6) [rad].
            hand: Actuated hand joint angles (6,) [rad].
        """
        with torch.no_grad():
            angles = torch.from_numpy(np.ascontiguousarray(q))
            links = (self._arm.world_base @ self._arm.link_poses(angles)).numpy()
            base = self._arm.world_hand(angles).numpy()
            fingers = self._hand.link_poses(self._hand.expand(torch.from_numpy(np.asarray(hand, dtype=float)))).numpy()
        arm = self._arm_solids.lowest(links, self._normals)
        gripper = self._hand_solids.lowest(base[:, None] @ fingers[None], self._normals)
        return np.concatenate([arm, gripper], axis=1) - self._offsets

    def require_free(self, path: Array, hand: Array, what: str) -> None:
        """Raise :class:`MotionError` if the path leaves the workspace or comes too near to the table.

        A robot that already stands too near may move, but not nearer.

        Args:
            path: Joint angles (W, 6) [rad], joined by straight lines in joint space.
            hand: Actuated hand joint angles (6,) [rad].
            what: For the message.
        """
        samples = refine(path, _STEP)
        margin = _MARGIN if len(samples) > 1 else 0.0
        wanted = self.workspace.clearance + self.slack + margin
        allowed = np.minimum(wanted, self.distances(samples[:1], hand)[0] - 1e-6)
        worst, found = 0.0, ""
        for begin in range(0, len(samples), _BLOCK):
            distance = self.distances(samples[begin : begin + _BLOCK], hand)
            short = distance - allowed
            if short.min() < worst:
                sample, solid, face = np.unravel_index(int(short.argmin()), short.shape)
                worst, after = float(short.min()), (begin + sample) / max(len(samples) - 1, 1)
                found = (
                    f"{self._names[solid]} would come to {distance[sample, solid, face] * 1000:.1f} mm of "
                    f"{self._places[face]} after {after:.0%} of the way"
                )
        if found:
            raise MotionError(f"{what}: {found}, expected at least {wanted * 1000:.1f} mm; choose another goal or way")


class _Solids:
    """The primitives of several links, as arrays.

    Every kind is a sum of a box, a disc across z and a ball, so one support function serves all.
    """

    def __init__(self, parts: Sequence[tuple[int, Primitive]]) -> None:
        self._links = np.array([link for link, _ in parts], dtype=int)
        self._position = np.array([primitive.position for _, primitive in parts]).reshape(-1, 3)
        quaternions = torch.tensor([primitive.quaternion for _, primitive in parts], dtype=torch.float64)
        self._rotation = quaternion_to_matrix(quaternions.reshape(-1, 4)).numpy()
        shapes = [_extents(primitive) for _, primitive in parts]
        self._box = np.array([box for box, _, _ in shapes]).reshape(-1, 3)
        self._disc = np.array([disc for _, disc, _ in shapes])
        self._ball = np.array([ball for _, _, ball in shapes])

    def lowest(self, links: Array, normals: Array) -> Array:
        """Return the least ``n . x`` over each solid (N, S, F) for link poses (N, L, 4, 4) and normals (F, 3)."""
        frames = links[:, self._links]
        rotation = frames[..., :3, :3]
        centre = (rotation @ self._position[..., None])[..., 0] + frames[..., :3, 3]
        local = normals @ (rotation @ self._rotation)  # (N, S, F, 3): the normals in the solids' own axes
        reach = np.abs(local) @ self._box[..., None]
        reach = reach[..., 0] + np.hypot(local[..., 0], local[..., 1]) * self._disc[:, None] + self._ball[:, None]
        return centre @ normals.T - reach


def _extents(primitive: Primitive) -> tuple[tuple[float, float, float], float, float]:
    size = primitive.size
    if primitive.kind == "box":
        return (size[0], size[1], size[2]), 0.0, 0.0
    if primitive.kind == "sphere":
        return (0.0, 0.0, 0.0), 0.0, size[0]
    if primitive.kind == "cylinder":
        return (0.0, 0.0, size[1]), size[0], 0.0
    return (0.0, 0.0, size[1]), 0.0, size[0]


def refine(path: Array, step: float) -> Array:
    """Return a path (W, 6) with points added so that the joints move by at most ``step`` [rad], summed, between two."""
    pieces = [path[:1]]
    for start, end in pairwise(path):
        count = max(math.ceil(float(np.abs(end - start).sum()) / step), 1)
        pieces.append(start + (end - start) * np.linspace(0.0, 1.0, count + 1)[1:, None])
    return np.concatenate(pieces)
