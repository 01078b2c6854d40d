"""The surface of an object: from the project's descriptions or from any mesh file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import open3d as o3d
import torch
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from vnb_grasp.description import load_object
from vnb_grasp.errors import PerceptionError
from vnb_grasp.shapes.primitive import Primitive
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_perception.objects.symmetry import Symmetry, cube_rotations

Array = NDArray[np.float64]

_SAMPLES = 4000
"""Points on the surface: a point per 2.5 mm for a hand-sized object."""
_SAME = 0.0008
"""Mean distance [m] between a surface and its turned image below which no camera tells them apart."""
_ODD_TURNS = (0.31, 0.83, 1.27)
"""Angles [rad] that are those of no regular polygon: whoever bears them bears all."""
_LARGEST, _SMALLEST = 1.0, 0.005
"""Extents [m] beyond which a mesh is taken for one in other units."""


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """A surface in the object's frame.

    Attributes:
        name: Of the object.
        points: On the surface (N, 3) [m].
        normals: Outward, unit (N, 3).
        centre: Of the bounding box (3,) [m].
        extents: Of the bounding box along the object's axes (3,) [m].
        symmetry: About ``centre``.
        vertices, triangles: Of the mesh (V, 3) [m], (F, 3).
    """

    name: str
    points: Array
    normals: Array
    centre: Array
    extents: Array
    symmetry: Symmetry
    vertices: Array
    triangles: NDArray[np.int64]

    @property
    def diameter(self) -> float:
        """Diagonal of the bounding box [m]."""
        return float(np.linalg.norm(self.extents))

    def cloud(self) -> Any:
        """Return the points with normals as open3d's own type, relative to the centre."""
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(self.points - self.centre))
        cloud.normals = o3d.utility.Vector3dVector(self.normals)
        return cloud

    def scene(self) -> Any:
        """Return the mesh, relative to the centre, for casting rays."""
        scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        scene.add_triangles(
            o3d.core.Tensor((self.vertices - self.centre).astype(np.float32)),
            o3d.core.Tensor(self.triangles.astype(np.uint32)),
        )
        return scene


@cache
def described_model(name: str) -> ObjectModel:
    """Return the model of a described object; raises :class:`UnknownNameError`."""
    primitives = load_object(name).primitives()
    mesh = primitive_mesh(primitives)
    points, normals = _sample(mesh, 2 * _SAMPLES)
    # Parts of the union overlap: what lies inside another part is no surface.
    distance = SignedDistance(primitives).distance(torch.from_numpy(points)).numpy()
    outside = distance > -1e-4
    return _model(name, points[outside][:_SAMPLES], normals[outside][:_SAMPLES], mesh)


def mesh_model(path: Path, name: str = "", scale: float = 1.0) -> ObjectModel:
    """Return the model of a mesh file (any format of trimesh: PLY, OBJ, STL, ...); its frame is the file's.

    Args:
        path: Of the file.
        name: Of the object; the file's stem if empty.
        scale: Factor to metres.

    Raises:
        PerceptionError: As :func:`read_mesh`.
    """
    mesh = read_mesh(path, scale)
    points, normals = _sample(mesh, _SAMPLES)
    return _model(name or path.stem, points, normals, mesh)


def read_mesh(path: Path, scale: float = 1.0, *, hull: bool = False) -> trimesh.Trimesh:
    """Return the closed surface of a mesh file [m], normals outwards; small holes are closed.

    Args:
        path: Of the file.
        scale: Factor to metres.
        hull: Take the convex hull of the file's points instead of its surface.

    Raises:
        PerceptionError: If it is not a closed surface of a graspable size, or no mesh at all.
    """
    try:
        mesh = trimesh.load(str(path), force="mesh")
    except (ValueError, OSError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        raise PerceptionError(f"mesh {path}: cannot be read: {error}") from error
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise PerceptionError(f"mesh {path}: got no triangles, expected a closed surface")
    mesh.apply_scale(scale)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    if hull:
        mesh = mesh.convex_hull
    if not mesh.is_watertight:
        trimesh.repair.fill_holes(mesh)
    if not mesh.is_watertight:
        raise PerceptionError(
            f"mesh {path}: got a surface with holes, expected a watertight one, as inside and outside must be known; "
            "close it (MeshLab: Filters, Remeshing, Screened Poisson), or take its convex hull (./vnb mesh --hull)"
        )
    largest, smallest = float(mesh.extents.max()), float(mesh.extents.min())
    if not (np.isfinite(largest) and largest <= _LARGEST and smallest >= _SMALLEST):
        raise PerceptionError(
            f"mesh {path}: got extents {mesh.extents} m, expected {_SMALLEST} to {_LARGEST} m; is it in other units? "
            "Give their scale to metres"
        )
    mesh.fix_normals()
    return mesh


def primitive_mesh(primitives: Sequence[Primitive]) -> trimesh.Trimesh:
    """Return the triangles of primitives, one after the other; where they overlap, some lie inside."""
    parts: list[trimesh.Trimesh] = []
    for primitive in primitives:
        part = _part(primitive)
        w, x, y, z = primitive.quaternion
        place = np.eye(4)
        place[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
        place[:3, 3] = primitive.position
        part.apply_transform(place)
        parts.append(part)
    whole: Any = trimesh.util.concatenate(parts)
    return cast(trimesh.Trimesh, whole)


def _part(primitive: Primitive) -> trimesh.Trimesh:
    size = primitive.size
    if primitive.kind == "box":
        return trimesh.creation.box(extents=2 * np.array(size))
    if primitive.kind == "sphere":
        return trimesh.creation.icosphere(subdivisions=4, radius=size[0])
    if primitive.kind == "cylinder":
        return trimesh.creation.cylinder(radius=size[0], height=2 * size[1], sections=96)
    return trimesh.creation.capsule(radius=size[0], height=2 * size[1], count=(24, 24)).apply_translation(
        [0, 0, -size[1]]
    )


def _sample(mesh: trimesh.Trimesh, count: int) -> tuple[Array, Array]:
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=0)
    return np.asarray(points, dtype=np.float64), np.asarray(mesh.face_normals[faces], dtype=np.float64)


def _model(name: str, points: Array, normals: Array, mesh: trimesh.Trimesh) -> ObjectModel:
    low, high = mesh.bounds
    centre = 0.5 * (low + high)
    symmetry = find_symmetry(points - centre, normals)
    return ObjectModel(
        name, points, normals, centre, high - low, symmetry, np.asarray(mesh.vertices), np.asarray(mesh.faces)
    )


def find_symmetry(points: Array, normals: Array) -> Symmetry:
    """Return the rotations about the origin that leave a sampled surface (N, 3) with normals (N, 3) where it is.

    Only turns that map the object's axes onto each other, and continuous ones about these axes, are looked for: an
    object whose axes of symmetry lie elsewhere in its frame counts as one without.
    """
    tree = cKDTree(points)
    probe, facing = points[::8], normals[::8]

    def bears(turn: Array) -> bool:
        # To the plane of the nearest sample: the distance between samples must not count.
        image, normal = probe @ turn.T, facing @ turn.T
        _, index = tree.query(image)
        offset = np.abs(np.einsum("ij,ij->i", image - points[index], normals[index]))
        agree = np.einsum("ij,ij->i", normal, normals[index]) > 0.5
        return bool(offset.mean() < _SAME and np.quantile(offset, 0.98) < 4 * _SAME and agree.mean() > 0.85)

    axes = [
        axis for axis in np.eye(3) if all(bears(Rotation.from_rotvec(angle * axis).as_matrix()) for angle in _ODD_TURNS)
    ]
    if len(axes) > 1:
        return Symmetry(np.eye(3)[None], np.eye(3))
    turns = [turn for turn in cube_rotations() if bears(turn)]
    if axes:  # of turns that differ by one about the axis, one is enough: those that keep and those that turn it over
        kept: list[Array] = []
        for turn in turns:
            if all((turn @ axes[0]) @ (other @ axes[0]) < 0.5 for other in kept):
                kept.append(turn)
        turns = kept
    identity = next(i for i, turn in enumerate(turns) if np.array_equal(turn, np.eye(3)))
    turns.insert(0, turns.pop(identity))
    return Symmetry(np.array(turns), np.array(axes).reshape(-1, 3))
