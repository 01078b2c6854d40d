from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from vnb_grasp.errors import PerceptionError, UnknownNameError
from vnb_perception.objects.model import described_model, mesh_model


def test_points_lie_on_the_surface_with_normals_outwards() -> None:
    model = described_model("cube")
    half = 0.5 * model.extents
    points = model.points - model.centre
    side = np.abs(points / half).argmax(1)
    rows = np.arange(len(points))
    np.testing.assert_allclose(np.abs(points[rows, side]), half[side], atol=1e-9)
    np.testing.assert_allclose((model.normals * np.sign(points))[rows, side], 1.0, atol=1e-9)


def test_an_unknown_object_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="cube"):
        described_model("teapot")


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl"])
def test_any_mesh_file_makes_the_model_of_the_same_object(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"can{suffix}"
    trimesh.creation.cylinder(radius=33.0, height=101.0, sections=96).export(path)
    model = mesh_model(path, scale=0.001)
    assert model.name == "can"
    np.testing.assert_allclose(model.extents, [0.066, 0.066, 0.101], atol=1e-4)
    assert len(model.symmetry.axes) == 1


def test_a_mesh_with_a_small_hole_is_closed_and_one_with_a_wide_hole_refused(tmp_path: Path) -> None:
    box = trimesh.creation.box(extents=(0.05, 0.05, 0.05))
    small = trimesh.Trimesh(box.vertices, box.faces[1:])
    small.export(tmp_path / "small.ply")
    np.testing.assert_allclose(mesh_model(tmp_path / "small.ply").extents, 0.05)
    sheet = trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0.1, 0.1, 0.05]], [[0, 1, 2], [1, 3, 2]])
    sheet.export(tmp_path / "sheet.ply")
    with pytest.raises(PerceptionError, match="watertight"):
        mesh_model(tmp_path / "sheet.ply")


@pytest.mark.parametrize(("scale", "words"), [(1.0, "other units"), (1e-6, "other units")])
def test_a_mesh_in_other_units_is_refused(tmp_path: Path, scale: float, words: str) -> None:
    path = tmp_path / "can.stl"
    trimesh.creation.cylinder(radius=33.0, height=101.0).export(path)
    with pytest.raises(PerceptionError, match=words):
        mesh_model(path, scale=scale)


def test_files_without_a_mesh_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ply"
    empty.write_text("", encoding="utf-8")
    for path in (empty, tmp_path / "missing.stl"):
        with pytest.raises(PerceptionError, match=path.name):
            mesh_model(path)
