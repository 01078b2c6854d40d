"""Triangle meshes of the described solids, for whoever draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh

from vnb_grasp.description import ArmDescription, HandDescription, load_object
from vnb_grasp.errors import DescriptionError
from vnb_grasp.shapes.primitive import Primitive

SECTIONS = 24


def primitive_mesh(solid: Primitive) -> trimesh.Trimesh:
    """Return the mesh of a primitive in the frame of its body."""
    if solid.kind == "box":
        mesh = trimesh.creation.box(extents=[2 * half for half in solid.size])
    elif solid.kind == "sphere":
        mesh = trimesh.creation.icosphere(subdivisions=2, radius=solid.size[0])
    elif solid.kind == "cylinder":
        mesh = trimesh.creation.cylinder(radius=solid.size[0], height=2 * solid.size[1], sections=SECTIONS)
    elif solid.kind == "capsule":
        mesh = trimesh.creation.capsule(radius=solid.size[0], height=2 * solid.size[1], count=(SECTIONS, SECTIONS))
        mesh.apply_translation(-mesh.bounds.mean(axis=0))  # its origin differs between versions of trimesh
    else:
        raise DescriptionError(f"primitive kind: got {solid.kind!r}, expected box, sphere, cylinder or capsule")
    transform = trimesh.transformations.quaternion_matrix(solid.quaternion)
    transform[:3, 3] = solid.position
    mesh.apply_transform(transform)
    return mesh


def union_mesh(solids: Sequence[Primitive]) -> trimesh.Trimesh:
    """Return the meshes of several primitives as one."""
    return _joined([primitive_mesh(solid) for solid in solids])


def _joined(meshes: Sequence[trimesh.Trimesh]) -> trimesh.Trimesh:
    joined: trimesh.Trimesh = trimesh.util.concatenate(list(meshes))  # type: ignore[assignment]
    return joined


def object_mesh(name: str) -> trimesh.Trimesh:
    """Return the mesh of an object in its own frame; raises :class:`UnknownNameError`."""
    return union_mesh(load_object(name).primitives())


def robot_meshes(arm: ArmDescription, hand: HandDescription) -> dict[str, tuple[str, trimesh.Trimesh]]:
    """Return part (``arm`` or ``hand``) and mesh of every link that has a solid, by link name; link frames."""
    meshes = {
        link.name: (part, union_mesh(link.primitives()))
        for part, description in (("arm", arm), ("hand", hand))
        for link in description.links
        if link.geoms
    }
    if arm.mount_geoms:
        last = arm.joints[-1].child
        mount = union_mesh([geom.primitive() for geom in arm.mount_geoms])
        own = [meshes[last][1]] if last in meshes else []
        meshes[last] = ("arm", _joined([*own, mount]))
    return meshes


def cone_mesh() -> trimesh.Trimesh:
    """Return an open cone with its apex in the origin, axis z, length 1 and radius 1 at its end."""
    angle = np.linspace(0.0, 2.0 * np.pi, SECTIONS, endpoint=False)
    rim = np.stack((np.cos(angle), np.sin(angle), np.ones(SECTIONS)), axis=-1)
    after = np.roll(np.arange(SECTIONS), -1)
    faces: Any = np.stack((np.zeros(SECTIONS, dtype=int), 1 + after, 1 + np.arange(SECTIONS)), axis=-1)
    return trimesh.Trimesh(np.concatenate((np.zeros((1, 3)), rim)), faces, process=False)


def sphere_mesh() -> trimesh.Trimesh:
    """Return a sphere of radius 1."""
    return trimesh.creation.icosphere(subdivisions=3, radius=1.0)
