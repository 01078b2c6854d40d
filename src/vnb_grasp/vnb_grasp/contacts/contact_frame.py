"""Contact frames: an orthonormal basis on every contact normal."""

from __future__ import annotations

import torch
from torch import Tensor

from vnb_grasp.errors import ShapeError


def contact_frames(normals: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) from contact to object axes, whose columns are two tangents and the normal.

    A contact normal points *into* the object, so that a pushing force has a positive third component in its frame. The
    tangents follow Duff et al., "Building an orthonormal basis, revisited" (JCGT 2017): no square root and no branch.
    They jump only where the normal crosses the plane z = 0.

    Args:
        normals: Unit contact normals (..., 3), object axes.

    Raises:
        ShapeError: The last dimension is not 3.
    """
    if normals.shape[-1:] != (3,):
        raise ShapeError(f"normals: got shape {tuple(normals.shape)}, expected (..., 3)")
    x, y, z = normals.unbind(-1)
    sign = torch.ones_like(z).copysign(z.detach())
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack((1 + sign * x * x * a, sign * b, -sign * x), -1)
    second = torch.stack((b, sign + y * y * a, -y), -1)
    return torch.stack((first, second, normals), -1)
