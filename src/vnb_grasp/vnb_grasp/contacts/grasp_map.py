"""The grasp map from contact forces to object wrenches, and the wrenches of linearised friction cones.

A wrench is (force, torque / torque_length), so that its six entries share one unit [N]; the torque is about ``centre``.
Source: Murray, Li, Sastry, "A Mathematical Introduction to Robotic Manipulation" (1994), equations 5.7-5.14.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_grasp.contacts.contact_frame import contact_frames
from vnb_grasp.contacts.friction_cone import cone_edges
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.frames.se3 import hat


def grasp_map(points: Tensor, frames: Tensor, centre: Tensor, torque_length: float) -> Tensor:
    """Return G (..., 6, 3n) that maps stacked contact forces, each in its contact frame, to the object wrench.

    Args:
        points: Contact points (..., n, 3) [m], object axes.
        frames: Rotations (..., n, 3, 3) from contact to object axes, see :func:`contact_frames`.
        centre: Reference point of the torque (..., 3) [m], usually the centre of mass.
        torque_length: Length [m] by which torques are divided.

    Raises:
        ShapeError: Points and frames do not belong together.
        ConfigError: ``torque_length`` is not positive.
    """
    if points.shape[-1:] != (3,) or frames.shape != (*points.shape, 3):
        raise ShapeError(
            f"contacts: got points {tuple(points.shape)} and frames {tuple(frames.shape)}, "
            "expected (..., n, 3) and (..., n, 3, 3)"
        )
    if not torque_length > 0:
        raise ConfigError(f"torque_length: got {torque_length}, expected a positive length [m]")
    torque = hat(points - centre[..., None, :]) @ frames / torque_length
    blocks = torch.cat((frames, torque), -2)
    return blocks.movedim(-3, -2).flatten(-2)


def edge_wrenches(
    points: Tensor, normals: Tensor, mu: Tensor | float, centre: Tensor, torque_length: float, edges: int = 8
) -> Tensor:
    """Return the wrenches (..., n, m, 6) of all cone edges with unit normal force.

    Args:
        points: Contact points (..., n, 3) [m].
        normals: Unit contact normals into the object (..., n, 3).
        mu: Friction coefficients, a number or (..., n).
        centre: Reference point of the torque (..., 3) [m].
        torque_length: Length [m] by which torques are divided.
        edges: Number m of edges per contact.
    """
    frames = contact_frames(normals)
    maps = grasp_map(points, frames, centre, torque_length).unflatten(-1, (points.shape[-2], 3)).movedim(-2, -3)
    mu = torch.as_tensor(mu, dtype=points.dtype, device=points.device).expand(points.shape[:-1])
    wrenches: Tensor = cone_edges(mu, edges) @ maps.mT
    return wrenches
