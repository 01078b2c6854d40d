"""Objects from mesh files of the user's: from the file to the pose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from vnb_grasp.description import load_camera
from vnb_grasp.errors import ConfigError, PerceptionError, UnknownNameError
from vnb_perception.estimate import Status
from vnb_perception.estimator import PoseEstimator
from vnb_perception.objects.library import ModelLibrary
from vnb_perception.objects.model import described_model, read_mesh

PROFILE = [[0, 0], [34, 0], [36, 6], [36, 95], [30, 118], [15, 138], [13, 165], [17, 168], [17, 178], [0, 178]]
"""Half a bottle, radius and height [mm]: not convex, and no primitive."""


def bottle() -> trimesh.Trimesh:
    return trimesh.creation.revolve(np.array(PROFILE, dtype=float), sections=72)


def mug() -> trimesh.Trimesh:
    """Return a can with a knob on one side (mm): symmetric about no axis."""
    can = trimesh.creation.cylinder(radius=38.0, height=95.0, sections=64)
    return trimesh.util.concatenate(
        [can, trimesh.creation.box((30.0, 14.0, 60.0)).apply_translation([48.0, 0.0, 10.0])]
    )


@pytest.mark.parametrize(("make", "axes"), [(bottle, 1), (mug, 0)])
def test_an_object_of_a_mesh_file_is_found(
    make: Callable[[], trimesh.Trimesh],
    axes: int,
    tmp_path: Path,
    draw: Callable[..., np.ndarray],
    stand: Callable[..., np.ndarray],
) -> None:
    mesh = make().apply_scale(0.001)
    mesh.export(tmp_path / "thing.ply")
    model = ModelLibrary(str(tmp_path)).model("thing")
    assert len(model.symmetry.axes) == axes
    T = stand(model, yaw=0.9)
    picture = draw("astra", [(model, T)], seed=1)
    found = PoseEstimator(load_camera("astra"), model).estimate(picture)
    assert found.status is Status.OK, found.reason
    centre = np.append(model.centre, 1.0)
    assert np.linalg.norm((found.T_world_object - T)[:3] @ centre) < 0.004
    turn = model.symmetry.difference(found.T_world_object[:3, :3], T[:3, :3])
    assert np.linalg.norm(turn) < np.radians(4.0)


def test_files_take_the_place_of_descriptions_and_of_nothing_else(tmp_path: Path) -> None:
    bottle().apply_scale(0.001).export(tmp_path / "mustard_bottle.obj")
    (tmp_path / "notes.txt").write_text("not a mesh", encoding="utf-8")
    library = ModelLibrary(str(tmp_path))
    np.testing.assert_allclose(library.model("mustard_bottle").extents, [0.072, 0.072, 0.178], atol=1e-6)
    assert library.model("mustard_bottle") is library.model("mustard_bottle")
    assert library.model("cube") is described_model("cube")
    with pytest.raises(UnknownNameError, match="mustard_bottle"):
        library.model("teapot")


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        ModelLibrary(str(tmp_path / "missing"))
    for suffix in (".ply", ".stl"):
        bottle().export(tmp_path / f"bottle{suffix}")
    with pytest.raises(ConfigError, match="one file per object"):
        ModelLibrary(str(tmp_path))


def test_an_open_surface_needs_its_hull(tmp_path: Path) -> None:
    whole = bottle().apply_scale(0.001)
    torn = trimesh.Trimesh(whole.vertices, whole.faces[whole.triangles_center[:, 0] > -0.02])
    torn.export(tmp_path / "torn.ply")
    with pytest.raises(PerceptionError, match="hull"):
        ModelLibrary(str(tmp_path)).model("torn")
    assert read_mesh(tmp_path / "torn.ply", hull=True).is_watertight
