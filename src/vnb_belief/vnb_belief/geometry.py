"""Where the fingertips are relative to sampled poses of the object: hand kinematics and the object's distance field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_grasp.description import HandDescription, ObjectDescription
from vnb_grasp.frames.se3 import invert
from vnb_grasp.kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance


@dataclass(frozen=True, eq=False)
class Fingertips:
    """The fingertips at one step, hand_base frame.

    Attributes:
        frames: ``T_hand_pad``, shape ``(5, 4, 4)``; z points out of the pad.
        centres: Centres of the spheres behind the pads [m], shape ``(5, 3)``.
    """

    frames: Tensor
    centres: Tensor


class GraspGeometry:
    """Distances between the fingertips and the object, in double precision.

    Args:
        hand: Its pads' radii are those of the fingertip spheres.
        obj: Its primitives are its shape.
    """

    def __init__(self, hand: HandDescription, obj: ObjectDescription) -> None:
        self._kinematics = HandKinematics(hand, torch.float64)
        self._radius = torch.tensor([pad.radius for pad in hand.pads], dtype=torch.float64)
        self._distance = SignedDistance(obj.primitives())

    def fingertips(self, q: Tensor) -> Fingertips:
        """Return the fingertips at joint positions ``q (11,)`` [rad]."""
        frames = self._kinematics.pad_frames(q.double())
        return Fingertips(frames, frames[..., :3, 3] - self._radius[:, None] * frames[..., :3, 2])

    def gaps(self, T_hand_object: Tensor, tips: Fingertips) -> tuple[Tensor, Tensor]:
        """Return gap ``(N, 5)`` [m] and outward surface normal ``(N, 5, 3)``, object frame, for poses ``(N, 4, 4)``.

        The gap is the signed distance between the surfaces of fingertip sphere and object, negative in contact.
        """
        distance, normal = self._distance.distance_and_normal(_in_object(T_hand_object, tips.centres))
        return distance - self._radius, normal

    def slip_speed(self, before: Tensor, then: Fingertips, after: Tensor, now: Fingertips, period: float) -> Tensor:
        """Return the tangential speed ``(N, 5)`` [m/s] of each fingertip's contact point along the object's surface.

        The point of the finger nearest to the object moves with the pad, so that rolling is no slip.

        Args:
            before, after: ``T_hand_object`` of both steps, shape ``(N, 4, 4)``.
            then, now: Fingertips of both steps.
            period: Time between the steps [s].
        """
        _, normal = self.gaps(before, then)
        centres = _in_object(before, then.centres)
        touched = centres - self._radius[:, None] * normal  # (N, 5, 3), object frame
        point = (before[:, None] @ _homogeneous(touched)[..., None])[..., :3, 0]
        carried = (now.frames @ invert(then.frames) @ _homogeneous(point)[..., None])[..., :3, 0]
        moved = ((carried - after[:, None, :3, 3])[..., None, :] @ after[:, None, :3, :3])[..., 0, :] - touched
        tangential = moved - (moved * normal).sum(-1, keepdim=True) * normal
        return torch.linalg.vector_norm(tangential, dim=-1) / period


def _in_object(T_hand_object: Tensor, points: Tensor) -> Tensor:
    """Return points ``(5, 3)`` of the hand in each of the object frames ``(N, 4, 4)``, shape ``(N, 5, 3)``."""
    return (points - T_hand_object[:, None, :3, 3]) @ T_hand_object[:, :3, :3]


def _homogeneous(points: Tensor) -> Tensor:
    return torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
