"""Rotations and rigid transforms, batched and differentiable.

Transforms are homogeneous matrices ``T_target_source`` of shape (..., 4, 4) in metres. A pose tangent ``xi = (v, w)``
is (..., 6): translation [m] first, then a rotation vector [rad], both in the axes of the target frame. All functions
broadcast over leading dimensions, follow the dtype and device of their arguments, have finite gradients everywhere
except for :func:`log_so3` at exactly pi (where the logarithm jumps), and let NaN through instead of hiding it.

Formulas: Sola, Deray, Atchuthan, "A micro Lie theory for state estimation in robotics" (2018), equations 132-146, with
the tangent order and the decoupled retraction that docs/architecture.md states.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vnb_grasp.errors import ShapeError

_SERIES_BELOW = 1e-4
"""Squared angle below which series replace closed forms; the first omitted term is then below 1e-15."""

_GIMBAL_LOCK = 1e-7
"""Cosine of the pitch below which roll and yaw cannot be told apart."""


def _require(value: Tensor, tail: Sequence[int], name: str) -> None:
    if tuple(value.shape[-len(tail) :]) != tuple(tail):
        expected = ", ".join(str(n) for n in tail)
        raise ShapeError(f"{name}: got shape {tuple(value.shape)}, expected (..., {expected})")


def hat(w: Tensor) -> Tensor:
    """Return the skew matrix of ``w`` (..., 3), so that ``hat(a) @ b = a x b``. Shape (..., 3, 3)."""
    _require(w, (3,), "w")
    x, y, z = w.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack((o, -z, y, z, o, -x, -y, x, o), -1).reshape(*w.shape[:-1], 3, 3)


def exp_so3(w: Tensor) -> Tensor:
    """Return the rotation by angle ``|w|`` about ``w`` (..., 3) [rad] as a matrix (..., 3, 3) (Rodrigues)."""
    _require(w, (3,), "w")
    squared = (w * w).sum(-1)
    small = squared < _SERIES_BELOW
    # Both branches of `where` are differentiated, so the closed form must not see a zero angle.
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    half_sine = (0.5 * angle).sin()
    a = torch.where(small, 1 - squared / 6 * (1 - squared / 20), angle.sin() / angle)
    b = torch.where(small, 0.5 - squared / 24 * (1 - squared / 30), 2 * (half_sine / angle) ** 2)
    skew = hat(w)
    eye = torch.eye(3, dtype=w.dtype, device=w.device)
    return eye + a[..., None, None] * skew + b[..., None, None] * (skew @ skew)


def log_so3(rotation: Tensor) -> Tensor:
    """Return the rotation vector (..., 3) [rad] of ``rotation`` (..., 3, 3), of length in [0, pi].

    Accurate at all angles, near 0 and near pi too. At exactly pi one of the two opposite vectors is returned.
    """
    q = matrix_to_quaternion(rotation)
    w, v = q[..., 0], q[..., 1:]
    squared = (v * v).sum(-1)
    small = squared < _SERIES_BELOW
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    ratio = squared / torch.where(small, w, torch.ones_like(w)) ** 2
    series = 1 - ratio * (1 / 3 - ratio * (1 / 5 - ratio / 7))
    scale = torch.where(small, series / torch.where(small, w, torch.ones_like(w)), torch.atan2(sine, w) / sine)
    return 2 * scale[..., None] * v


def make_transform(rotation: Tensor, position: Tensor) -> Tensor:
    """Return (..., 4, 4) from ``rotation`` (..., 3, 3) and ``position`` (..., 3) [m]."""
    _require(rotation, (3, 3), "rotation")
    _require(position, (3,), "position")
    batch = torch.broadcast_shapes(rotation.shape[:-2], position.shape[:-1])
    top = torch.cat((rotation.expand(*batch, 3, 3), position.expand(*batch, 3)[..., None]), -1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device)
    return torch.cat((top, bottom.expand(*batch, 1, 4)), -2)


def invert(transform: Tensor) -> Tensor:
    """Return ``T_source_target`` of ``T_target_source`` (..., 4, 4)."""
    _require(transform, (4, 4), "transform")
    inverse = transform[..., :3, :3].mT
    return make_transform(inverse, -(inverse @ transform[..., :3, 3:])[..., 0])


def retract(transform: Tensor, xi: Tensor) -> Tensor:
    """Move a pose by a tangent: ``p' = p + v``, ``R' = Exp(w) R``, both in the axes of the target frame.

    Args:
        transform: ``T_target_source`` (..., 4, 4).
        xi: Tangent (..., 6) = (v [m], w [rad]).

    Returns:
        The moved pose (..., 4, 4).
    """
    _require(transform, (4, 4), "transform")
    _require(xi, (6,), "xi")
    return make_transform(exp_so3(xi[..., 3:]) @ transform[..., :3, :3], transform[..., :3, 3] + xi[..., :3])


def local(transform: Tensor, moved: Tensor) -> Tensor:
    """Return the tangent ``xi`` (..., 6) for which ``retract(transform, xi) = moved``, with ``|w| <= pi``."""
    _require(transform, (4, 4), "transform")
    _require(moved, (4, 4), "moved")
    v = moved[..., :3, 3] - transform[..., :3, 3]
    w = log_so3(moved[..., :3, :3] @ transform[..., :3, :3].mT)
    return torch.cat(torch.broadcast_tensors(v, w), -1)


def transform_points(transform: Tensor, points: Tensor) -> Tensor:
    """Map ``points`` (..., N, 3) [m] from source to target by ``T_target_source`` (..., 4, 4)."""
    _require(transform, (4, 4), "transform")
    _require(points, (3,), "points")
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]


def transform_vectors(transform: Tensor, vectors: Tensor) -> Tensor:
    """Rotate free ``vectors`` (..., N, 3) from source to target axes by ``T_target_source`` (..., 4, 4)."""
    _require(transform, (4, 4), "transform")
    _require(vectors, (3,), "vectors")
    return vectors @ transform[..., :3, :3].mT


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Return the rotation (..., 3, 3) of ``quaternion`` (..., 4) = (w, x, y, z), of any length but zero."""
    _require(quaternion, (4,), "quaternion")
    w, x, y, z = (quaternion / torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([entry for row in rows for entry in row], -1).reshape(*quaternion.shape[:-1], 3, 3)


def matrix_to_quaternion(rotation: Tensor) -> Tensor:
    """Return the unit quaternion (..., 4) = (w, x, y, z), w >= 0, of ``rotation`` (..., 3, 3).

    The outer product ``4 q q^T`` is linear in the rotation matrix; its row with the largest diagonal entry is a
    multiple of q by at least 2, so that the division is safe at every angle (Shepperd 1978).
    """
    _require(rotation, (3, 3), "rotation")
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = rotation.flatten(-2).unbind(-1)
    wx, wy, wz = m21 - m12, m02 - m20, m10 - m01
    xy, xz, yz = m01 + m10, m02 + m20, m12 + m21
    diagonal = torch.stack((1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22), -1)
    ww, xx, yy, zz = diagonal.unbind(-1)
    outer = torch.stack((ww, wx, wy, wz, wx, xx, xy, xz, wy, xy, yy, yz, wz, xz, yz, zz), -1)
    outer = outer.reshape(*diagonal.shape[:-1], 4, 4)
    largest = diagonal.argmax(-1)[..., None, None].expand(*diagonal.shape[:-1], 1, 4)
    row = outer.gather(-2, largest)[..., 0, :]
    row = torch.where(row[..., :1] < 0, -row, row)
    unit: Tensor = row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)
    return unit


def wxyz_to_xyzw(quaternion: Tensor) -> Tensor:
    """Reorder (..., 4) from the inside order (w, x, y, z) to the message order (x, y, z, w)."""
    _require(quaternion, (4,), "quaternion")
    return quaternion.roll(-1, -1)


def xyzw_to_wxyz(quaternion: Tensor) -> Tensor:
    """Reorder (..., 4) from the message order (x, y, z, w) to the inside order (w, x, y, z)."""
    _require(quaternion, (4,), "quaternion")
    return quaternion.roll(1, -1)


def rpy_to_matrix(rpy: Tensor) -> Tensor:
    """Return ``Rz(yaw) Ry(pitch) Rx(roll)`` (..., 3, 3) of ``rpy`` (..., 3) [rad] (the convention of URDF)."""
    _require(rpy, (3,), "rpy")
    axes = torch.eye(3, dtype=rpy.dtype, device=rpy.device)
    roll, pitch, yaw = exp_so3(rpy[..., None] * axes).unbind(-3)
    return yaw @ pitch @ roll


def matrix_to_rpy(rotation: Tensor) -> Tensor:
    """Return (roll, pitch, yaw) (..., 3) [rad] of ``rotation`` (..., 3, 3), with pitch in [-pi/2, pi/2].

    At a pitch of a quarter turn, where only the sum or difference of the others is determined, yaw is 0.
    """
    _require(rotation, (3, 3), "rotation")
    cosine = torch.hypot(rotation[..., 0, 0], rotation[..., 1, 0])
    locked = cosine < _GIMBAL_LOCK
    pitch = torch.atan2(-rotation[..., 2, 0], cosine)
    free_roll = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = torch.where(locked, torch.atan2(-rotation[..., 1, 2], rotation[..., 1, 1]), free_roll)
    yaw = torch.where(locked, 0.0, torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0]))
    return torch.stack((roll, pitch, yaw), -1)


def random_rotation(
    generator: torch.Generator, shape: Sequence[int] = (), dtype: torch.dtype = torch.float64
) -> Tensor:
    """Return rotations (*shape, 3, 3), uniform on SO(3), on the generator's device."""
    q = torch.randn(*shape, 4, generator=generator, dtype=dtype, device=generator.device)
    return quaternion_to_matrix(q)
