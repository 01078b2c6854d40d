"""Refine a registration by surface and outline together, and say how sure it is.

Points on a flat face say nothing about where along the face they are: a box seen from one side slides in its own
planes. Its outline in the picture says it. Both are linear in a small motion ``xi = (v, w)`` of the pose (axes of the
world, ``p' = p + v``, ``R' = Exp(w) R``), so one normal matrix holds both, and its inverse, at the noise of the
camera, is the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from vnb_grasp.description import CameraDescription
from vnb_grasp.errors import ConfigError
from vnb_grasp.optics.pinhole import depth_noise
from vnb_perception.images.segment import Cluster
from vnb_perception.objects.model import ObjectModel
from vnb_perception.registration.view import Mask, Patch

Array = NDArray[np.float64]

FULL_TURN = np.pi**2 / 3
"""Variance of an angle of which nothing is known [rad^2]."""


@dataclass(frozen=True)
class RefineConfig:
    """Parameters of the refinement and of its covariance.

    Attributes:
        iterations: Of Gauss-Newton.
        points: Of the cluster that are used.
        gate: Distance beyond which a point is no evidence, in standard deviations of the noise.
        grazing: Cosine of the incidence below which the noise across the surface falls no further.
        outline_noise: Standard deviation of a pixel of the outline [pixels].
        outline_offset: Distance by which the measured mask falls short of the true outline [pixels].
        outline_gate: Distance beyond which an outline pixel is no evidence [pixels].
        floor_translation, floor_rotation: Standard deviation that no estimate falls below [m], [rad]: the model is not
            the object.
        inflation: Factor on the variance of surface and outline, from calibration.
    """

    iterations: int = 4
    points: int = 1200
    gate: float = 4.0
    grazing: float = 0.6
    outline_noise: float = 1.0
    outline_offset: float = 1.0
    outline_gate: float = 6.0
    floor_translation: float = 0.0003
    floor_rotation: float = 0.003
    inflation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("iterations", "points", "gate", "outline_noise", "outline_gate", "inflation"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"refinement {name}: got {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True, eq=False)
class Evidence:
    """A linear system for a motion of the pose: ``information @ xi = vector``.

    Attributes:
        information: (6, 6) [1/m^2, 1/rad^2].
        vector: (6,).
        inliers: Share of the cluster's points that lie on the surface, within the gate of their noise.
    """

    information: Array
    vector: Array
    inliers: float = 0.0

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.information + other.information, self.vector + other.vector, max(self.inliers, other.inliers)
        )


class Surface:
    """The surface of a model, for looking up nearest points.

    Args:
        model: Of the object.
    """

    def __init__(self, model: ObjectModel) -> None:
        self._points, self._normals = model.points - model.centre, model.normals
        self._tree = cKDTree(self._points)

    def evidence(self, cluster: Cluster, T: Array, camera: CameraDescription, config: RefineConfig) -> Evidence:
        """Return what the cluster's points say about the pose ``T`` (4, 4) of the model's centre."""
        step = max(len(cluster.points) // config.points, 1)
        points, sigma = cluster.points[::step], depth_noise(camera, cluster.depth[::step])
        local = (points - T[:3, 3]) @ T[:3, :3]
        distance, index = self._tree.query(local, distance_upper_bound=0.02)
        found = np.isfinite(distance)
        if not found.any():
            return Evidence(np.zeros((6, 6)), np.zeros(6))
        local, index, sigma = local[found], index[found], sigma[found]
        points = points[found]
        normal = self._normals[index]
        residual = np.einsum("ij,ij->i", local - self._points[index], normal)
        normal = normal @ T[:3, :3].T
        # Noise is along the ray. Blocks of pixels share theirs, and every step-th pixel stands for its neighbours.
        ray = points - np.asarray(camera.position)
        along = np.abs(np.einsum("ij,ij->i", ray, normal)) / np.linalg.norm(ray, axis=1)
        # At a grazing angle the noise is larger, and so is what the width of a pixel adds.
        sigma = sigma * np.maximum(along, config.grazing)
        inlier = np.abs(residual) < config.gate * sigma + 0.001
        weight = step / camera.correlation**2 / sigma**2 * inlier
        rows = np.concatenate((normal, np.cross(points - T[:3, 3], normal)), -1)
        share = float(inlier.sum()) / len(found)
        return Evidence(rows.T @ (weight[:, None] * rows), rows.T @ (weight * residual), share)


def outline_evidence(
    patch: Patch,
    seen: Mask,
    expected: Mask,
    free: Mask,
    depth: NDArray[np.float32],
    T: Array,
    focal: float,
    correlation: int,
    config: RefineConfig,
) -> Evidence:
    """Return what the outline says about the pose ``T`` (4, 4) of the model's centre.

    Args:
        patch: Part of the picture (H, W).
        seen: Where the cluster is.
        expected: Where the model should be seen at ``T``.
        free: Where the outline may be looked at: away from whatever else cuts the mask.
        depth: Of the model at ``T`` [m].
        T: Pose of the model's centre.
        focal: Focal length [pixels].
        correlation: Pixels that share their noise.
        config: Parameters.
    """
    nothing = Evidence(np.zeros((6, 6)), np.zeros(6))
    border = expected & ~ndimage.binary_erosion(expected) & free
    if not (border.any() and seen.any()):
        return nothing
    inside = ndimage.distance_transform_edt(seen) - 0.5
    outside = ndimage.distance_transform_edt(~seen) - 0.5
    field = np.where(seen, inside, -outside) * patch.stride
    slope_v, slope_u = np.gradient(ndimage.gaussian_filter(field, 1.0), patch.stride)
    v, u = np.nonzero(border)
    slope = np.stack((slope_v[v, u], slope_u[v, u]), -1)
    length = np.linalg.norm(slope, axis=1)
    # A pixel of the border is half a pixel inside its mask; the measured mask falls short by the filter of edges.
    # Positive: the border lies inside the seen mask, so the model must move against the slope, outwards.
    offset = field[v, u] - 0.5 * patch.stride + config.outline_offset
    kept = (length > 0.5) & (np.abs(offset) < config.outline_gate)
    if kept.sum() < 6:
        return nothing
    v, u, offset, slope = v[kept], u[kept], offset[kept], slope[kept] / length[kept, None]
    z = depth[v, u].astype(np.float64)
    points = patch.eye + patch.rays[v, u] * z[:, None]
    right, down = _image_axes(patch)
    normal = -(slope[:, 1:] * right + slope[:, :1] * down)  # outwards, in the world
    metres = z / focal
    residual = offset * metres
    weight = patch.stride / correlation / (config.outline_noise * metres) ** 2
    rows = np.concatenate((normal, np.cross(points - T[:3, 3], normal)), -1)
    return Evidence(rows.T @ (weight[:, None] * rows), rows.T @ (weight * residual))


def steep(depth: NDArray[np.float32], mask: Mask, step: NDArray[np.float32]) -> Mask:
    """Return where the depth (H, W) within ``mask`` changes by more than ``step`` between neighbours."""
    high = ndimage.maximum_filter(np.where(mask, depth, -np.float32(1e6)), 3)
    low = ndimage.minimum_filter(np.where(mask, depth, np.float32(1e6)), 3)
    return np.asarray(mask & (high - low > step))


def _image_axes(patch: Patch) -> tuple[Array, Array]:
    """Return the directions (3,) of the picture's columns and rows in the world."""
    right = patch.rays[0, -1] - patch.rays[0, 0]
    down = patch.rays[-1, 0] - patch.rays[0, 0]
    return right / np.linalg.norm(right), down / np.linalg.norm(down)


def moved(T: Array, xi: Array) -> Array:
    """Return ``T`` (4, 4) moved by a tangent (6,)."""
    result = T.copy()
    result[:3, :3] = Rotation.from_rotvec(xi[3:]).as_matrix() @ T[:3, :3]
    result[:3, 3] += xi[:3]
    return result


def solve(evidence: Evidence, damping: tuple[float, float] = (0.01, 0.1)) -> Array:
    """Return the motion (6,) that the evidence asks for; unobserved directions stay (a prior of ``damping``)."""
    prior = np.diag(np.repeat(1.0 / np.square(damping), 3))
    return np.asarray(np.linalg.solve(evidence.information + prior, evidence.vector))


def covariance(
    evidence: Evidence, T: Array, model: ObjectModel, camera: CameraDescription, config: RefineConfig
) -> Array:
    """Return the covariance (6, 6) of a refined pose of the model's centre, axes of the world.

    Surface and outline at the camera's noise, the uncertainty of the camera's own place, what the model may differ from
    the object, and a full turn of variance about axes of symmetry.
    """
    information = evidence.information / config.inflation
    axes = model.symmetry.axes @ T[:3, :3].T
    known = np.eye(6)
    known[3:, 3:] -= axes.T @ axes
    information = known @ information @ known
    prior = np.diag(np.repeat([1.0 / 0.05**2, 1.0 / FULL_TURN], 3))
    spread = np.linalg.inv(information + prior)
    lever = T[:3, 3] - np.asarray(camera.position)
    swing = np.array([[0, lever[2], -lever[1]], [-lever[2], 0, lever[0]], [lever[1], -lever[0], 0]])
    turn = camera.calibration_rotation**2
    # An error of the camera's direction moves everything that it sees, and turns it.
    place = np.block([[swing @ swing.T, swing], [swing.T, np.eye(3)]]) * turn
    place[:3, :3] += np.eye(3) * camera.calibration_translation**2
    floor = np.diag(np.repeat([config.floor_translation**2, config.floor_rotation**2], 3))
    return np.asarray(spread + known @ (place + floor) @ known)
