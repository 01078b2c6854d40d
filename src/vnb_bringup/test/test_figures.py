"""Figures from a real trial and an invented benchmark: files that open, numbers that are right, errors that help."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vnb_benchmark.running.store import STORE_NAME, Provenance, Store
from vnb_benchmark.scenarios.presets import PRESETS
from vnb_benchmark.statistics.testing import make_run
from vnb_bringup.cli import main
from vnb_bringup.figures import FIGURES, MissingSource, Sources, read_sources
from vnb_bringup.figures.comparison import words
from vnb_bringup.figures.quality import first_grip
from vnb_bringup.figures.rerun import settings_of
from vnb_bringup.figures.tactile import pad_images
from vnb_bringup.figures.wrench_space import hull_polygon
from vnb_bringup.report.json_report import result_json
from vnb_bringup.report.local import TrialSettings
from vnb_bringup.report.record import TrialRecord
from vnb_bringup.report.testing import make_record
from vnb_grasp.errors import ConfigError
from vnb_planner.attempts import AttemptRule
from vnb_sim_bridge.conditions import Conditions


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with invented outcomes."""
    folder = tmp_path_factory.mktemp("bench")
    provenance = Provenance("./vnb bench", {"vnb": "0"}, "", "a machine", "2020-01-01T00:00:00+00:00")
    with Store.start(folder / STORE_NAME, PRESETS["quick"](0), provenance) as made:
        for outcome in make_run(cases=4):
            made.add(outcome)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of an invented trial."""
    return write_trial(tmp_path / "invented")


def write_trial(folder: Path, picture: bool = False, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result_json(make_record(**changes)))
    if picture:
        Image.new("RGB", (40, 30), "white").save(folder / "lifted.png")
    return folder


def require_printable(folder: Path, name: str, least_width: int) -> None:
    with Image.open(folder / f"{name}.png") as image:
        assert image.width >= least_width
        np.testing.assert_allclose(image.info["dpi"], (300, 300), atol=0.1)
        assert len(image.convert("L").getcolors() or range(3)) > 2
    pdf = (folder / f"{name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"/Type3" not in pdf


def test_a_real_trial_gives_its_hulls_its_quality_and_its_pads(
    trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (given,) = read_sources([trial]).trials
    holding, verdict = given.holding, given.document["verdict"]
    assert verdict["lifted"] and holding.before.contacts >= 2
    assert [pulse.force for pulse in holding.pulses] == [3, 3, 5, 5, 8, 8, 12, 12]
    last = holding.pulses[-1]
    assert verdict["nominal_12"] == (last.contacts > 0 and verdict["peak_slip"] < 0.01)
    for figure in (f for name in ("wrench_space", "quality", "tactile") for f in FIGURES[name](Sources((given,)))):
        (tmp_path / f"{figure.name}.png").write_bytes(figure.files["png"])
        (tmp_path / f"{figure.name}.pdf").write_bytes(figure.files["pdf"])
    require_printable(tmp_path, "wrench_space", 2100)
    require_printable(tmp_path, "quality_trials", 1000)
    require_printable(tmp_path, "tactile", 2100)
    assert main(["figures", str(trial), "--figure", "tactile", "--step", "999", "--out", str(tmp_path)]) == 1
    assert "got step 999, expected one from 0 to" in capsys.readouterr().err


def test_a_trial_that_does_not_come_out_the_same_is_not_drawn(
    trial: Path, plain: TrialRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vnb_bringup.figures.rerun.run_local_trial", lambda *_, **__: plain)  # what it would return
    document = json.loads((trial / "result.json").read_text())
    document["steps"][-1]["force_true"][0] += 1e-9
    (tmp_path / "result.json").write_text(json.dumps(document))
    (given,) = read_sources([tmp_path]).trials
    with pytest.raises(ConfigError, match="came out differently"):
        _ = given.holding


def test_a_trial_is_run_again_with_the_options_that_it_ran_with(tmp_path: Path) -> None:
    rule, conditions = AttemptRule(delta=0.5, attempts=3), Conditions(latency=1, pose_source="cameras")
    write_trial(tmp_path / "trial", beta=0.5, rule=rule, conditions=conditions)
    (given,) = read_sources([tmp_path / "trial"]).trials
    expected = TrialSettings("vnb", "prior", 0.5, None, False, rule, conditions)
    assert settings_of(given.document) == expected
    del given.document["rule"]
    assert settings_of(given.document) == replace(expected, rule=AttemptRule())


def test_a_trial_on_devices_is_not_run_again(tmp_path: Path) -> None:
    write_trial(tmp_path / "trial", versions={"robot": "emulated hardware"})
    (given,) = read_sources([tmp_path / "trial"]).trials
    with pytest.raises(ConfigError, match="ran on emulated hardware"):
        _ = given.holding


def test_a_trial_that_cannot_be_run_again_leaves_the_other_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = str(write_trial(tmp_path / "trial", versions={"robot": "emulated hardware"}))
    assert main(["figures", trial, "--out", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert f"not drawn  wrench_space: {trial}: the trial ran on emulated hardware" in output
    assert [path.stem for path in (tmp_path / "out").glob("*.png")] == ["tactile"]
    assert main(["figures", trial, "--figure", "wrench_space", "--out", str(tmp_path / "out")]) == 1
    assert "figure wrench_space: " in capsys.readouterr().err


def test_another_checkpoint_is_refused_before_anything_runs(folder: Path) -> None:
    (given,) = read_sources([folder]).trials
    given.document.update(belief="learned", checkpoint="0" * 64)
    with pytest.raises(ConfigError, match=r"000000000000.*--checkpoint"):
        _ = given.holding


def test_a_benchmark_gives_bars_and_average_quality(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", str(store), "--out", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    for name in ("regimes", "quality"):
        require_printable(tmp_path, name, 1000)
        assert f"{name}.pdf" in output
    assert "not drawn  tactile: got 0 trials, expected the folder of a ./vnb trial" in output
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == ["quality", "regimes"]


def test_the_same_sources_give_the_same_files(folder: Path, store: Path) -> None:
    for name in ("tactile", "regimes"):
        first, second = (FIGURES[name](read_sources([folder, store]))[0].files for _ in range(2))
        assert first == second


def test_methods_are_compared_on_the_same_objects(tmp_path: Path) -> None:
    paths = [write_trial(tmp_path / method, picture=True, method=method) for method in ("vnb", "cem")]
    (figure,) = FIGURES["comparison"](read_sources(paths))
    (tmp_path / "comparison.png").write_bytes(figure.files["png"])
    (tmp_path / "comparison.pdf").write_bytes(figure.files["pdf"])
    require_printable(tmp_path, "comparison", 900)
    again = write_trial(tmp_path / "again", picture=True, method="cem", beta=0.5)
    with pytest.raises(ConfigError, match=r"cem and .*again: got two trials of cem on "):
        FIGURES["comparison"](read_sources([*paths, again]))
    (tmp_path / "cem" / "lifted.png").unlink()
    with pytest.raises(MissingSource, match=r"no lifted\.png"):
        FIGURES["comparison"](read_sources(paths))


def test_a_comparison_tells_what_became_of_the_grasp(folder: Path) -> None:
    (given,) = read_sources([folder]).trials
    assert words(given) == r"$\varepsilon$ = 0.060: lifted 50 mm, held"
    given.document["summary"]["success"] = False
    assert words(given).endswith("slipped under the pulses")
    given.document["verdict"]["lifted"] = False
    assert words(given).endswith("not lifted")
    given.document["verdict"] = None
    assert words(given).endswith("ended by an error")


def test_pads_are_the_recorded_bytes_with_the_tip_first(folder: Path) -> None:
    (given,) = read_sources([folder]).trials
    step = given.steps[-1]
    step["taxels"][1] = list(range(72))
    images = pad_images(given, step)
    assert [image.shape for image in images] == [(12, 6)] * 5
    np.testing.assert_array_equal(images[1][0], np.arange(6))
    step["taxels"][1] = [0] * 71
    with pytest.raises(ConfigError, match="pad of the index has 71 values"):
        pad_images(given, step)


def test_a_grip_begins_with_two_fingers(folder: Path) -> None:
    (given,) = read_sources([folder]).trials
    assert first_grip(given) == 2
    assert first_grip(replace(given, document={**given.document, "steps": given.steps[:2]})) == 2


def test_a_hull_is_the_corners_of_its_points() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    corners = hull_polygon(square)
    assert corners is not None
    assert sorted(map(tuple, corners.tolist())) == sorted(map(tuple, square[:4].tolist()))
    assert hull_polygon(square[:2]) is None
    assert hull_polygon(np.zeros((0, 2))) is None
    assert hull_polygon(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])) is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path / "none", "no such file or folder"),
        (lambda path: path, "neither result.json nor results.sqlite"),
        (lambda path: _written(path / "result.json", "{"), "is no JSON"),
        (lambda path: _written(path / "result.json", '{"schema": "other"}'), "no result of ./vnb trial"),
        (lambda path: _written(path / "results.sqlite", "no database at all" * 99), "results.sqlite"),
        (lambda path: write_trial(path / "empty", steps=()), "ended before its first decision"),
    ],
)
def test_bad_sources_are_told_apart(
    make: Any, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", str(make(tmp_path)), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert expected in error and "Traceback" not in error


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_is_missing_is_said(folder: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["figures", str(folder), "--figure", "regimes", *out]) == 1
    assert "figure regimes: got no benchmark store" in capsys.readouterr().err
    assert main(["figures", str(folder), "--figure", "comparison", *out]) == 1
    assert "got 1 trials, expected the folders of at least 2 trials" in capsys.readouterr().err
    assert main(["figures", str(store), str(store), *out]) == 1
    assert "a second benchmark store" in capsys.readouterr().err
    assert main(["figures", str(folder), "--figure", "portrait", *out]) == 2
    assert "wrench_space" in capsys.readouterr().err
    with pytest.raises(MissingSource, match="without an episode"):
        FIGURES["regimes"](Sources(outcomes=()))
