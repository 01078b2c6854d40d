"""A depth image as points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import ShapeError
from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.images.depth import Depth


def organised_cloud(depth: Depth, intrinsics: Intrinsics) -> NDArray[np.float32]:
    """Return the point of every pixel (height, width, 3) [m] in the optical frame; NaN where nothing was measured.

    Raises:
        ShapeError: If the image is not of the intrinsics' size.
    """
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise ShapeError(
            f"depth image for a cloud: got {depth.shape}, expected {(intrinsics.height, intrinsics.width)} as its "
            "camera info says"
        )
    v, u = np.ogrid[: intrinsics.height, : intrinsics.width]
    z = np.where(depth > 0, depth, np.float32(np.nan))
    return np.asarray(intrinsics.rays(v, u) * z[..., None], dtype=np.float32)
