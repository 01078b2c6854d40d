"""Differentiable forward kinematics of a hand from its description."""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_grasp.description import FINGERS, HandDescription
from vnb_grasp.errors import ShapeError
from vnb_grasp.kinematics.tree import KinematicTree, fixed_transform


class HandKinematics:
    """Forward kinematics in the hand_base frame, batched over leading dimensions.

    Args:
        description: The hand variant.
        dtype: Dtype of joint vectors and results.
        device: Device of joint vectors and results.

    Attributes:
        link_names: Links in the order of :meth:`link_poses`.
        joint_names: The eleven joints, six actuated and then five passive.
        fingers: Order of pads and tips.
        lower, upper: Joint limits (11) [rad].
    """

    fingers = FINGERS

    def __init__(
        self,
        description: HandDescription,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self._tree = KinematicTree(description.base, description.links, description.joints, dtype, device)
        self.link_names = self._tree.link_names
        self.joint_names = self._tree.joint_names
        self.lower, self.upper = self._tree.lower, self._tree.upper
        names = [joint.name for joint in description.actuated]
        coupling = torch.eye(len(self.joint_names), len(names), dtype=torch.float64)
        for row, joint in enumerate(description.joints):
            if joint.mimic is not None and joint.ratio is not None:
                coupling[row] = 0.0
                coupling[row, names.index(joint.mimic)] = joint.ratio
        self._coupling = coupling.to(dtype=dtype, device=device)
        pads = description.pads
        self._pad_links = torch.tensor([self.link_names.index(pad.link) for pad in pads], device=device)
        frames = torch.stack([fixed_transform(pad.position, pad.rpy) for pad in pads])
        self._pad_frames = frames.to(dtype=dtype, device=device)
        self._tips = torch.tensor([[*pad.tip, 1.0] for pad in pads], dtype=dtype, device=device)[..., None]

    def expand(self, q_actuated: Tensor) -> Tensor:
        """Return all joint angles (..., 11) [rad] of the actuated ones (..., 6) by the linear couplings.

        Also maps velocities, because the couplings have no offset.

        Raises:
            ShapeError: The last dimension is not 6.
        """
        if q_actuated.shape[-1:] != self._coupling.shape[1:]:
            raise ShapeError(f"q_actuated: got shape {tuple(q_actuated.shape)}, expected (..., 6)")
        return q_actuated @ self._coupling.mT

    def link_poses(self, q: Tensor) -> Tensor:
        """Return ``T_hand_link`` (..., L, 4, 4) of ``q`` (..., 11) [rad]; raises ShapeError."""
        return self._tree.link_poses(q)

    def pad_frames(self, q: Tensor) -> Tensor:
        """Return ``T_hand_pad`` (..., 5, 4, 4) of ``q`` (..., 11): x along the finger, z out of the pad."""
        return self.pads_on(self.link_poses(q))

    def tips(self, q: Tensor) -> Tensor:
        """Return the fingertips (..., 5, 3) [m] in the hand_base frame of ``q`` (..., 11)."""
        return self.tips_on(self.link_poses(q))

    def pads_on(self, link_poses: Tensor) -> Tensor:
        """Return ``T_hand_pad`` (..., 5, 4, 4) of known link poses (..., L, 4, 4), to compute these only once."""
        return link_poses[..., self._pad_links, :, :] @ self._pad_frames

    def tips_on(self, link_poses: Tensor) -> Tensor:
        """Return the fingertips (..., 5, 3) [m] of known link poses (..., L, 4, 4)."""
        return (link_poses[..., self._pad_links, :3, :] @ self._tips)[..., 0]
