"""Pictures without a simulator: rays cast at a table and at objects on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import open3d as o3d
import pytest

from vnb_grasp.description import load_camera
from vnb_grasp.optics.pinhole import depth_noise, intrinsics_of, place_of
from vnb_perception.objects.model import ObjectModel, described_model

TABLE = 0.777
Draw = Callable[..., np.ndarray]


def standing(model: ObjectModel, x: float = -0.05, y: float = 0.88, yaw: float = 0.4) -> np.ndarray:
    """Return the pose (4, 4) of an object that stands on the table."""
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = x, y, TABLE - model.vertices[:, 2].min()
    return T


@pytest.fixture(scope="session")
def stand() -> Callable[..., np.ndarray]:
    return standing


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Return what draws depth (height, width) [m] of objects at poses, with the camera's noise if a seed is given."""

    def picture(
        camera_name: str, things: list[tuple[str | ObjectModel, np.ndarray]], seed: int | None = None
    ) -> np.ndarray:
        camera = load_camera(camera_name)
        place, intrinsics = place_of(camera), intrinsics_of(camera)
        scene: Any = o3d.t.geometry.RaycastingScene(nthreads=1)
        table = o3d.geometry.TriangleMesh.create_box(2.0, 2.0, 0.02).translate((-1.0, 0.0, TABLE - 0.02))
        scene.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(table))
        for thing, T in things:
            model = described_model(thing) if isinstance(thing, str) else thing
            vertices = (model.vertices @ T[:3, :3].T + T[:3, 3]).astype(np.float32)
            scene.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(model.triangles.astype(np.uint32)))
        v, u = np.mgrid[: camera.height, : camera.width]
        rays = np.empty((camera.height, camera.width, 6), dtype=np.float32)
        rays[..., :3], rays[..., 3:] = place[:3, 3], intrinsics.rays(v, u) @ place[:3, :3].T
        depth = scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)["t_hit"].numpy()
        depth = np.where(np.isfinite(depth), depth, 0.0)
        if seed is not None:
            n = camera.correlation
            rng = np.random.default_rng(seed)
            blocks = rng.standard_normal((camera.height // n + 1, camera.width // n + 1))
            noise = blocks.repeat(n, 0).repeat(n, 1)[: camera.height, : camera.width]
            depth = np.where(depth > 0, depth + depth_noise(camera, depth) * noise, 0.0)
        return depth.astype(np.float32)

    return picture
