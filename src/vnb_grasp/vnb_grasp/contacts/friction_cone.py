"""Coulomb friction cones of hard point contacts, exact and linearised.

Forces are in the contact frame (tangent, tangent, normal), [N] or in units of the normal force. Source: Murray, Li,
Sastry, "A Mathematical Introduction to Robotic Manipulation" (1994), section 5.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError, ShapeError


def in_cone(force: Tensor, mu: Tensor | float, tolerance: float = 0.0) -> Tensor:
    """Return whether forces (..., 3) obey ``|f_t| <= mu f_n`` (...); ``tolerance`` [N] is granted on ``|f_t|``."""
    _require_vector(force, "force")
    return _tangential(force) <= mu * force[..., 2] + tolerance


def cone_support(direction: Tensor, mu: Tensor | float, max_normal_force: Tensor | float = 1.0) -> Tensor:
    """Return the largest ``direction . f`` over the exact cone with ``f_n <= max_normal_force``, shape (...).

    Closed form ``f_max max(0, d_n + mu |d_t|)``; the bound on the normal force makes the set compact;
    it contains 0.

    Args:
        direction: Directions (..., 3) in the contact frame.
        mu: Friction coefficient, a number or (...).
        max_normal_force: Bound on the normal force, a number or (...).
    """
    _require_vector(direction, "direction")
    return max_normal_force * (direction[..., 2] + mu * _tangential(direction)).relu()


def cone_edges(mu: Tensor, edges: int) -> Tensor:
    """Return the edges (..., m, 3) of the inscribed m-sided pyramid, with unit normal force: (mu cos, mu sin, 1).

    The first edge lies on the first tangent. The pyramid's friction is between ``mu cos(pi / m)`` and ``mu``.

    Args:
        mu: Friction coefficients (...).
        edges: Number m of edges, at least 3.

    Raises:
        ConfigError: Fewer than 3 edges.
    """
    if edges < 3:
        raise ConfigError(f"edges of a linearised friction cone: got {edges}, expected at least 3")
    angle = torch.arange(edges, dtype=mu.dtype, device=mu.device) * (2 * math.pi / edges)
    ones = torch.ones_like(angle).expand(*mu.shape, edges)
    return torch.stack((mu[..., None] * angle.cos(), mu[..., None] * angle.sin(), ones), -1)


def _require_vector(value: Tensor, name: str) -> None:
    if value.shape[-1:] != (3,):
        raise ShapeError(f"{name}: got shape {tuple(value.shape)}, expected (..., 3)")


def _tangential(force: Tensor) -> Tensor:
    """Length of the tangential part; its gradient at 0 is 0 (vector_norm takes that subgradient)."""
    length: Tensor = torch.linalg.vector_norm(force[..., :2], dim=-1)
    return length
