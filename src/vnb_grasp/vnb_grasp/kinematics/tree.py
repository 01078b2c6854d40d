"""Forward kinematics of a tree of revolute joints in few tensor operations: all joints of one depth at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vnb_grasp.description import Joint, Link
from vnb_grasp.errors import DescriptionError, ShapeError
from vnb_grasp.frames.se3 import hat, make_transform, rpy_to_matrix


def fixed_transform(position: Sequence[float], rpy: Sequence[float] = (0.0, 0.0, 0.0)) -> Tensor:
    """Return the transform (4, 4), float64, of a description's ``position`` [m] and ``rpy`` [rad]."""
    rotation = rpy_to_matrix(torch.tensor(rpy, dtype=torch.float64))
    return make_transform(rotation, torch.tensor(position, dtype=torch.float64))


class KinematicTree:
    """Differentiable forward kinematics of links connected by revolute joints.

    A joint's transform is linear in (1, sin q, cos q) with constant matrices (Rodrigues), so that all of them cost four
    operations; one batched product per depth of the tree follows.

    Args:
        base: Name of the root link.
        links: All links; their order is that of the result.
        joints: All joints; their order is that of the joint vector.
        dtype: Dtype of the constants, to which joint vectors must conform.
        device: Device of the constants.

    Raises:
        DescriptionError: The joints do not form a tree below ``base``.
    """

    def __init__(
        self,
        base: str,
        links: Sequence[Link],
        joints: Sequence[Joint],
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.link_names = tuple(link.name for link in links)
        self.joint_names = tuple(joint.name for joint in joints)
        self.lower = torch.tensor([joint.lower for joint in joints], dtype=dtype, device=device)
        self.upper = torch.tensor([joint.upper for joint in joints], dtype=dtype, device=device)
        levels = _levels(base, joints)
        order = [k for level in levels for k in level]
        self._sizes = [len(level) for level in levels]
        self._order = torch.tensor(order, device=device)
        self._parents = [
            torch.tensor([[joints[i].child for i in above].index(joints[k].parent) for k in level], device=device)
            for above, level in pairwise(levels)
        ]
        computed = [base, *(joints[k].child for k in order)]
        self._links = torch.tensor([computed.index(name) for name in self.link_names], device=device)
        constants = [_rodrigues(joints[k]) for k in order]
        self._constant, self._sine, self._cosine = (
            torch.stack(part).to(dtype=dtype, device=device) for part in zip(*constants, strict=True)
        )
        self._root = torch.eye(4, dtype=dtype, device=device)

    def link_poses(self, q: Tensor) -> Tensor:
        """Return ``T_base_link`` (..., L, 4, 4) of joint angles ``q`` (..., J) [rad], links in ``link_names`` order.

        Raises:
            ShapeError: The last dimension is not the number of joints.
        """
        if q.shape[-1:] != (len(self.joint_names),):
            raise ShapeError(
                f"q: got shape {tuple(q.shape)}, expected (..., {len(self.joint_names)}) in joint_names order"
            )
        angle = q[..., self._order, None, None]
        moving = torch.addcmul(torch.addcmul(self._constant, self._sine, angle.sin()), self._cosine, angle.cos())
        first, *rest = moving.split(self._sizes, -3)
        poses = [first]
        for local, parents in zip(rest, self._parents, strict=True):
            poses.append(poses[-1][..., parents, :, :] @ local)
        root = self._root.expand(*q.shape[:-1], 1, 4, 4)
        return torch.cat((root, *poses), -3)[..., self._links, :, :]


def _levels(base: str, joints: Sequence[Joint]) -> list[list[int]]:
    """Return the joints' indices by their depth below ``base``; raises DescriptionError if they form no tree."""
    levels: list[list[int]] = []
    parents, left = {base}, dict(enumerate(joints))
    while level := [k for k, joint in left.items() if joint.parent in parents]:
        levels.append(level)
        parents = {left.pop(k).child for k in level}
    children = [joint.child for joint in joints]
    if left or base in children or len(set(children)) != len(children):
        got = ", ".join(f"{joint.parent} -> {joint.child}" for joint in joints)
        raise DescriptionError(f"joints: got {got}; expected a tree below {base!r}, every link moved by one joint")
    return levels


def _rodrigues(joint: Joint) -> tuple[Tensor, Tensor, Tensor]:
    """Return (A, B, C) such that the transform parent from child is ``A + B sin q + C cos q``."""
    origin = fixed_transform(joint.position, joint.rpy)
    axis = torch.tensor(joint.axis, dtype=torch.float64)
    skew = torch.zeros(4, 4, dtype=torch.float64)
    skew[:3, :3] = hat(axis / axis.norm())
    square = skew @ skew
    return origin + origin @ square, origin @ skew, -origin @ square
