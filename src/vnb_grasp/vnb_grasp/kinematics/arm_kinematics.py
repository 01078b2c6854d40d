"""Differentiable forward kinematics of an arm, up to its flange and the hand that it carries."""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_grasp.description import ArmDescription
from vnb_grasp.kinematics.tree import KinematicTree, fixed_transform


class ArmKinematics:
    """Forward kinematics in the arm's base frame, batched over leading dimensions.

    Args:
        description: The arm, with the mount of the hand on its last link.
        dtype: Dtype of joint vectors and results.
        device: Device of joint vectors and results.

    Attributes:
        link_names: Links in the order of :meth:`link_poses`.
        joint_names: Joints from base to flange.
        lower, upper: Joint limits (J) [rad].
        world_base: ``T_world_base`` (4, 4).
    """

    def __init__(
        self,
        description: ArmDescription,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self._tree = KinematicTree(description.base, description.links, description.joints, dtype, device)
        self.link_names = self._tree.link_names
        self.joint_names = self._tree.joint_names
        self.lower, self.upper = self._tree.lower, self._tree.upper
        self._last = self.link_names.index(description.joints[-1].child)
        self._flange = fixed_transform(description.flange_offset).to(dtype=dtype, device=device)
        mount = fixed_transform(description.hand_mount_position, description.hand_mount_rpy)
        self._mount = mount.to(dtype=dtype, device=device)
        world_base = fixed_transform(description.base_position, description.base_rpy)
        self.world_base = world_base.to(dtype=dtype, device=device)

    def link_poses(self, q: Tensor) -> Tensor:
        """Return ``T_base_link`` (..., L, 4, 4) of ``q`` (..., J) [rad]; raises ShapeError."""
        return self._tree.link_poses(q)

    def flange(self, q: Tensor) -> Tensor:
        """Return ``T_base_flange`` (..., 4, 4), the controller's pose with tool 0."""
        return self.link_poses(q)[..., self._last, :, :] @ self._flange

    def hand_base(self, q: Tensor) -> Tensor:
        """Return ``T_base_hand`` (..., 4, 4) of the hand_base frame on the mount."""
        return self.link_poses(q)[..., self._last, :, :] @ self._mount

    def world_hand(self, q: Tensor) -> Tensor:
        """Return ``T_world_hand`` (..., 4, 4) of the hand_base frame."""
        return self.world_base @ self.hand_base(q)
