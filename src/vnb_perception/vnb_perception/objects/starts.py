"""The 14 start rotations of a registration, and where the object's centre may be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from vnb_perception.objects.model import ObjectModel
from vnb_perception.objects.symmetry import Symmetry, cube_rotations

Array = NDArray[np.float64]


def start_rotations() -> Array:
    """Return 14 rotations (14, 3, 3) from the object's axes to those of a bounding box.

    The identity and the three half turns, then each of the five other permutations of the axes (with the signs that
    make it a rotation), as it is and upside down: after a half turn that reverses the object's z axis, which tells top
    from foot.
    """
    half_turns = np.array([np.diag(d) for d in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))], dtype=float)
    permutations: dict[tuple[int, ...], Array] = {}
    for turn in cube_rotations():
        permutations.setdefault(tuple(np.abs(turn).argmax(0)), turn)
    others = [turn for key, turn in permutations.items() if key != (0, 1, 2)]
    result = list(half_turns)
    for turn in others:
        beside = (int(np.abs(turn[:, 2]).argmax()) + 1) % 3
        result += [turn, half_turns[1 + beside] @ turn]
    return np.array(result)


def distinct(rotations: Array, symmetry: Symmetry) -> Array:
    """Return those rotations (N, 3, 3) that look different, in order."""
    kept: list[Array] = []
    for rotation in rotations:
        if all(np.linalg.norm(symmetry.difference(rotation, other)) > 0.05 for other in kept):
            kept.append(rotation)
    return np.array(kept)


def upright_box(points: Array) -> tuple[Array, Array, Array]:
    """Return axes (3, 3), centre (3,) and extents (3,) of the smallest box around ``points`` that stands upright.

    Axes are columns: the footprint's longer side, its shorter one, and world z.
    """
    flat = points[:, :2]
    try:
        corners = flat[ConvexHull(flat).vertices]
    except QhullError:  # all points on a line
        corners = flat
    edges = np.roll(corners, -1, axis=0) - corners
    angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 6))
    cosine, sine = np.cos(angles), np.sin(angles)
    along = corners @ np.stack((cosine, sine))
    across = corners @ np.stack((-sine, cosine))
    best = int(np.argmin(np.ptp(along, axis=0) * np.ptp(across, axis=0)))
    axes = np.array([[cosine[best], -sine[best], 0.0], [sine[best], cosine[best], 0.0], [0.0, 0.0, 1.0]])
    inside = points @ axes
    low, high = inside.min(0), inside.max(0)
    if high[0] - low[0] < high[1] - low[1]:
        axes = np.stack((axes[:, 1], -axes[:, 0], axes[:, 2]), -1)
        inside = points @ axes
        low, high = inside.min(0), inside.max(0)
    return axes, axes @ (0.5 * (low + high)), high - low


def starts(points: Array, model: ObjectModel, eye: Array) -> Array:
    """Return poses (N, 4, 4) of the model's centre in the world from which to register, N at most 14.

    Args:
        points: The cluster in the world (M, 3) [m], seen from one side.
        model: What it is taken for.
        eye: Of the camera in the world (3,) [m].
    """
    axes, centre, seen = upright_box(points)
    away = centre - eye
    away[2] = 0.0
    away /= max(float(np.linalg.norm(away)), 1e-9)
    poses = []
    for rotation in distinct(axes @ start_rotations(), model.symmetry):
        half = 0.5 * np.abs(axes.T @ rotation) @ model.extents
        place = np.eye(4)
        place[:3, :3] = rotation
        # The camera sees the near side: what is missing in depth lies behind it. The top is seen, the foot may not be.
        missing = np.maximum(half - 0.5 * seen, 0.0)
        place[:3, 3] = centre + axes[:, :2] @ (missing[:2] * np.sign(np.round(axes[:, :2].T @ away, 1)))
        place[2, 3] = centre[2] + 0.5 * seen[2] - half[2]
        poses.append(place)
    return np.array(poses)
