"""Find what stands on the table: crop, remove the plane and the robot, cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vnb_grasp.errors import ConfigError
from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.images.depth import Depth
from vnb_perception.images.robot import PlacedRobot

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentConfig:
    """Parameters of the segmentation; world frame.

    Attributes:
        low, high: Corners of the workspace [m].
        table_height: Height of the table's surface [m], as the robot knows it.
        table_band: Distance from it within which points make the plane [m].
        table_margin: Height above the plane up to which points are the table's [m].
        robot_margin: Distance from the robot within which points are the robot's [m].
        edge: Step of depth between neighbours that makes an edge, for a surface seen head-on at 1 m [m].
        smallest: Pixels of the smallest piece that is looked at.
        bridge: Gap between pieces that may be one object behind a finger [m].
    """

    low: tuple[float, float, float] = (-0.35, 0.60, 0.75)
    high: tuple[float, float, float] = (0.25, 1.15, 1.20)
    table_height: float = 0.777
    table_band: float = 0.012
    table_margin: float = 0.006
    robot_margin: float = 0.008
    edge: float = 0.018
    smallest: int = 12
    bridge: float = 0.022

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ConfigError(f"workspace: got corners {self.low} and {self.high} m, expected low < high")
        for name in ("table_band", "table_margin", "robot_margin", "edge", "smallest", "bridge"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"segmentation {name}: got {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True, eq=False)
class Cluster:
    """Points that may be one object.

    Attributes:
        points: In the world (N, 3) [m].
        rows, columns: Their pixels (N,).
        depth: Along the optical axis (N,) [m].
    """

    points: Array
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: Array


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a picture shows in the workspace.

    Attributes:
        clusters: The largest first.
        workspace: Pixels of the picture that show the workspace at all.
        plane: The table as ``z = a x + b y + c`` (3,), as this camera sees it.
        table_found: Whether the plane was seen and fitted; if not, it is at its stated height.
    """

    clusters: tuple[Cluster, ...]
    workspace: int
    plane: Array
    table_found: bool


def window(intrinsics: Intrinsics, T_world_optical: Array, low: Array, high: Array) -> tuple[slice, slice]:
    """Return rows and columns of the picture that can show a box of the world with these corners."""
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    inside = (corners - T_world_optical[:3, 3]) @ T_world_optical[:3, :3]
    v, u = intrinsics.project(inside)
    if not np.isfinite(v).all():  # a corner behind the camera: the whole picture
        return slice(0, intrinsics.height), slice(0, intrinsics.width)
    rows = slice(max(int(v.min()), 0), min(int(v.max()) + 2, intrinsics.height))
    return rows, slice(max(int(u.min()), 0), min(int(u.max()) + 2, intrinsics.width))


def segment(
    depth: Depth,
    intrinsics: Intrinsics,
    T_world_optical: Array,
    robot: PlacedRobot | None = None,
    config: SegmentConfig | None = None,
) -> Segmentation:
    """Return the clusters of points in the workspace that are neither table nor robot.

    Args:
        depth: (height, width) [m]; 0 where there is nothing.
        intrinsics: Of the camera.
        T_world_optical: Its place (4, 4).
        robot: The robot at the image's time; None removes nothing.
        config: Parameters.
    """
    config = config or SegmentConfig()
    low, high = np.array(config.low), np.array(config.high)
    rows, columns = window(intrinsics, T_world_optical, low, high)
    z = depth[rows, columns]
    valid = z > 0
    clean = valid & ~_edges(z, valid, intrinsics, config)
    v, u = np.nonzero(clean)
    deep = z[v, u].astype(np.float64)
    rays = intrinsics.rays(v + rows.start, u + columns.start)
    points = rays * deep[:, None] @ T_world_optical[:3, :3].T + T_world_optical[:3, 3]
    kept = ((points > low) & (points < high)).all(-1)
    workspace = int(kept.sum())
    v, u, deep, points = v[kept], u[kept], deep[kept], points[kept]
    plane, found = _plane(points, config)
    kept = points[:, 2] - (points[:, :2] @ plane[:2] + plane[2]) > config.table_margin
    v, u, deep, points = v[kept], u[kept], deep[kept], points[kept]
    if robot is not None:
        kept = ~robot.near(points, config.robot_margin)
        v, u, deep, points = v[kept], u[kept], deep[kept], points[kept]
    clusters = _clusters(points, v, u, deep, z.shape, config)
    offset = np.array([rows.start, columns.start])
    placed = [Cluster(c.points, c.rows + offset[0], c.columns + offset[1], c.depth) for c in clusters]
    return Segmentation(tuple(placed), workspace, plane, found)


def _edges(z: Depth, valid: Mask, intrinsics: Intrinsics, config: SegmentConfig) -> Mask:
    """Return pixels next to a step of depth, where the measured depth may be anything between both sides."""
    high = ndimage.maximum_filter(z, 3)
    low = ndimage.minimum_filter(np.where(valid, z, np.float32(np.inf)), 3)
    return np.asarray(high - low > edge_step(z, intrinsics, config))


def edge_step(z: Depth, intrinsics: Intrinsics, config: SegmentConfig) -> Depth:
    """Return the step of depth around a pixel [m] that makes an edge at depth ``z`` [m].

    A surface seen at an angle rises from pixel to pixel too, by its distance over the focal length.
    """
    step = np.float32(config.edge) * np.maximum(z, np.float32(0.5)) ** 2 + 2.0 * z / np.float32(intrinsics.fx)
    return np.asarray(step, dtype=np.float32)


def _plane(points: Array, config: SegmentConfig) -> tuple[Array, bool]:
    """Return the table as ``z = a x + b y + c`` (3,) and whether it was seen."""
    plane = np.array([0.0, 0.0, config.table_height])
    band = config.table_band
    for _ in range(3):
        height = points[:, 2] - (points[:, :2] @ plane[:2] + plane[2])
        near = points[np.abs(height) < band][::7]
        if len(near) < 300:
            return np.array([0.0, 0.0, config.table_height]), False
        middle = near.mean(0)
        slope, *_ = np.linalg.lstsq(near[:, :2] - middle[:2], near[:, 2] - middle[2], rcond=None)
        plane = np.array([slope[0], slope[1], middle[2] - slope @ middle[:2]])
        band = max(0.7 * band, 0.006)
    return plane, True


def _clusters(
    points: Array,
    v: NDArray[np.int64],
    u: NDArray[np.int64],
    deep: Array,
    shape: tuple[int, ...],
    config: SegmentConfig,
) -> list[Cluster]:
    mask = np.zeros(shape, dtype=bool)
    mask[v, u] = True
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    label = labels[v, u]
    sizes = np.bincount(label, minlength=count + 1)
    pieces = [np.nonzero(label == i)[0] for i in range(1, count + 1) if sizes[i] >= config.smallest]
    groups = _bridged([points[piece] for piece in pieces], config.bridge)
    clusters = []
    for group in groups:
        index = np.concatenate([pieces[i] for i in group])
        clusters.append(Cluster(points[index], v[index], u[index], deep[index]))
    return sorted(clusters, key=lambda cluster: -len(cluster.points))


def _bridged(pieces: list[Array], gap: float) -> list[list[int]]:
    """Group pieces whose boxes are less than ``gap`` apart."""
    boxes = [(piece.min(0), piece.max(0)) for piece in pieces]
    group = list(range(len(pieces)))
    for i, (low, high) in enumerate(boxes):
        for j in range(i):
            apart = np.maximum(np.maximum(low - boxes[j][1], boxes[j][0] - high), 0.0)
            if np.linalg.norm(apart) < gap:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    return [[i for i, g in enumerate(group) if g == number] for number in dict.fromkeys(group)]
