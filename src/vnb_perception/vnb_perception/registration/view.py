"""What a camera should see of an object at a pose: its depth, its mask, and what the hand hides of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy import ndimage

from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.images.segment import Cluster

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a picture, every ``stride``-th pixel of it.

    Attributes:
        rows, columns: Pixels (H,), (W,).
        rays: Directions in the world (H, W, 3), of length 1 along the optical axis.
        eye: Of the camera in the world (3,) [m].
        stride: [pixels].
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    rays: Array
    eye: Array
    stride: int

    def cast(self, scene: Any, T_world_scene: Array | None = None) -> NDArray[np.float32]:
        """Return the depth (H, W) [m] of a scene of open3d's along the optical axis; infinite where rays miss."""
        origin, rays = self.eye, self.rays
        if T_world_scene is not None:
            origin = (origin - T_world_scene[:3, 3]) @ T_world_scene[:3, :3]
            rays = rays @ T_world_scene[:3, :3]
        both = np.empty((*rays.shape[:2], 6), dtype=np.float32)
        both[..., :3], both[..., 3:] = origin, rays
        return np.asarray(scene.cast_rays(o3d.core.Tensor(both), nthreads=1)["t_hit"].numpy())

    def points(self, depth: NDArray[np.float32]) -> Array:
        """Return the points of the world (H, W, 3) at a depth [m]."""
        return np.asarray(self.eye + self.rays * depth[..., None])

    def mask(self, cluster: Cluster) -> Mask:
        """Return which pixels (H, W) show the cluster; pin-holes are closed."""
        v, u = cluster.rows - self.rows[0], cluster.columns - self.columns[0]
        height, width = (len(self.rows) - 1) * self.stride + 1, (len(self.columns) - 1) * self.stride + 1
        inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
        full = np.zeros((height, width), dtype=bool)
        full[v[inside], u[inside]] = True
        return np.asarray(ndimage.binary_closing(full, np.ones((3, 3)))[:: self.stride, :: self.stride])


def patch_around(cluster: Cluster, intrinsics: Intrinsics, T_world_optical: Array, margin: int, most: int) -> Patch:
    """Return the patch around a cluster.

    Args:
        cluster: To look at.
        intrinsics, T_world_optical: Of the camera.
        margin: Around the cluster [pixels].
        most: Rays at most; the stride follows.
    """
    low = np.array([cluster.rows.min(), cluster.columns.min()]) - margin
    high = np.array([cluster.rows.max(), cluster.columns.max()]) + margin
    low = np.maximum(low, 0)
    high = np.minimum(high, [intrinsics.height - 1, intrinsics.width - 1])
    stride = max(int(np.ceil(np.sqrt(np.prod(high - low + 1) / most))), 1)
    rows, columns = np.arange(low[0], high[0] + 1, stride), np.arange(low[1], high[1] + 1, stride)
    rays = intrinsics.rays(rows[:, None], columns[None, :]) @ T_world_optical[:3, :3].T
    return Patch(rows, columns, rays, T_world_optical[:3, 3].copy(), stride)
