"""A pose in the form in which it travels between nodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_grasp.errors import ShapeError
from vnb_grasp.frames.se3 import make_transform, matrix_to_quaternion, quaternion_to_matrix


@dataclass(frozen=True, eq=False)
class Pose:
    """Position and quaternion of a frame in a target frame.

    A matrix does not survive the way through a quaternion bit for bit. Whoever computes with a pose that may come from
    a message therefore keeps these seven numbers and makes the matrix from them, so that a trial does not depend on
    whether a message lay in between.

    Attributes:
        position: (3,) [m].
        quaternion: (w, x, y, z), of any length but zero.

    Raises:
        ShapeError: If a shape is another one.
    """

    position: Tensor
    quaternion: Tensor

    def __post_init__(self) -> None:
        if tuple(self.position.shape) != (3,) or tuple(self.quaternion.shape) != (4,):
            raise ShapeError(
                f"pose: got {tuple(self.position.shape)} and {tuple(self.quaternion.shape)}, expected (3,) and (4,)"
            )

    @classmethod
    def from_matrix(cls, transform: Tensor) -> Pose:
        """Make the pose of ``T_target_source`` (4, 4)."""
        return cls(transform[:3, 3].clone(), matrix_to_quaternion(transform[:3, :3]))

    def matrix(self) -> Tensor:
        """Return ``T_target_source`` (4, 4)."""
        return make_transform(quaternion_to_matrix(self.quaternion), self.position)

    @classmethod
    def unknown(cls) -> Pose:
        """Return a pose of NaN."""
        return cls(torch.full((3,), torch.nan, dtype=torch.float64), torch.full((4,), torch.nan, dtype=torch.float64))
