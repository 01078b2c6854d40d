"""Commands that make data: they hand on what they are given, and write what others read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import trimesh
import yaml

from vnb_belief.training.dataset import EpisodeDataset
from vnb_bringup.cli import main
from vnb_perception.objects.library import ModelLibrary
from vnb_sim_bridge.pregrasp.library import PreGrasp, load_pregrasps


def test_collect_writes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data" / "grasps.npz"
    assert main(["collect", "--object", "cube", "--episodes", "2", "--steps", "3", "--out", str(out)]) == 0
    dataset = EpisodeDataset.load(out)
    assert len(dataset) == 2
    assert dataset.command.startswith("./vnb")
    assert "2 grasps" in capsys.readouterr().out


def test_collect_knows_its_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "--object", "teapot", "--out", str(tmp_path / "x.npz")]) == 2
    assert "cube" in capsys.readouterr().err


def test_train_without_data_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path / "none.npz"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "none.npz" in error
    assert "Traceback" not in error


def test_mesh_makes_a_file_for_the_estimators(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = [[0.0, 0.0], [33.0, 0.0], [33.0, 80.0], [14.0, 120.0], [14.0, 150.0], [0.0, 150.0]]  # a bottle, in mm
    bottle = trimesh.creation.revolve(np.array(profile), sections=48)
    file, meshes = tmp_path / "textured.obj", tmp_path / "meshes"
    bottle.export(file)
    assert main(["mesh", str(file), "--name", "bottle", "--into", str(meshes)]) == 1
    assert "other units" in capsys.readouterr().err
    made = ["mesh", str(file), "--name", "bottle", "--scale", "0.001", "--centre", "--into", str(meshes)]
    assert main(made) == 0
    said = capsys.readouterr().out
    assert "150.0 mm" in said and "solid of revolution" in said
    model = ModelLibrary(str(meshes)).model("bottle")
    np.testing.assert_allclose(model.centre, 0.0, atol=1e-6)
    np.testing.assert_allclose(model.extents, [0.066, 0.066, 0.15], atol=1e-4)
    open_one = trimesh.Trimesh(bottle.vertices, bottle.faces[bottle.triangles_center[:, 0] > -20.0])
    open_one.export(tmp_path / "torn.stl")
    torn = ["mesh", str(tmp_path / "torn.stl"), "--scale", "0.001"]
    assert main(torn) == 1
    assert "--hull" in capsys.readouterr().err
    assert main([*torn, "--hull"]) == 0


def test_pregrasps_extends_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    found = load_pregrasps("cube", "l6_v31")[:1]

    def generate(
        name: str,
        hand: str,
        seed: int,
        evaluations: int,
        keep: int,
        start: Sequence[PreGrasp],
        progress: Callable[[int, int, float], None],
    ) -> list[PreGrasp]:
        asked.append((name, hand, seed, evaluations, keep, len(start)))
        progress(evaluations, evaluations, 0.5)
        return list(found)

    monkeypatch.setattr("vnb_sim_bridge.pregrasp.generate.generate", generate)
    path = tmp_path / "l6_v31.yaml"
    path.write_text("tennis_ball: []\n")
    arguments = ["--object", "cube", "--evaluations", "7", "--seed", "3", "--keep", "1", "--out", str(path)]
    assert main(["pregrasps", *arguments]) == 0
    assert asked == [("cube", "l6_v31", 3, 7, 1, 0)]
    assert main(["pregrasps", *arguments, "--refine"]) == 0
    assert asked[-1][-1] == len(load_pregrasps("cube", "l6_v31"))
    library = yaml.safe_load(path.read_text())
    assert set(library) == {"cube", "tennis_ball"}
    assert library["cube"][0]["squeeze"] == pytest.approx(found[0].squeeze, abs=1e-4)


@pytest.mark.parametrize(("command", "name"), [("objects", "mustard_bottle"), ("methods", "scripted")])
def test_lists(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert name in capsys.readouterr().out
