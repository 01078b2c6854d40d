"""The search for fixed settings: calibration seeds only, the stated order, and nothing lost when interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vnb_benchmark import tuning
from vnb_benchmark.scenarios.case import Case
from vnb_benchmark.scenarios.presets import calibration
from vnb_benchmark.scoring import Score
from vnb_benchmark.tuning import LOST, TuneConfig, calibration_cases, choose, settings_grid, tune
from vnb_grasp.errors import ConfigError, MotionError
from vnb_planner.planners import ScriptedConfig

GOOD = Score(robust=True, survival=0.8, gentleness=-0.5)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, int]]:
    """Replace episodes by a rule: full squeeze with the thumb alike is best. Returns what was run."""
    made: list[tuple[float, float, int]] = []

    def run(method: tuning.PlannerMethod, bridge: object, scene: object, case: Case) -> Score:
        squeeze, thumb = method.parameters["squeeze"], method.parameters["thumb_squeeze"]
        made.append((squeeze, thumb, case.scenario.seed))
        return Score(robust=thumb == 0.0, survival=squeeze, gentleness=-squeeze)

    monkeypatch.setattr(tuning, "_run", run)
    return made


def config(folder: Path, cases: int = 2) -> TuneConfig:
    return TuneConfig(("cube",), cases=cases, folder=folder)


def test_the_cases_are_the_calibration_presets(tmp_path: Path) -> None:
    cases = calibration_cases(config(tmp_path, 4), "cube")
    preset = [case.scenario for case in calibration(tuning.SET_SEED).cases]
    assert all(case.split == "calibration" and case.scenario in preset for case in cases)
    assert [case.regime for case in cases] == ["nominal", "wide", "bimodal", "nominal"]
    assert len({case.scenario.seed for case in cases}) == 4
    reported = {case.scenario.seed for case in calibration(0).cases}
    assert reported.isdisjoint(case.scenario.seed for case in cases)


def test_the_plain_script_is_among_the_settings() -> None:
    grid = [ScriptedConfig(**setting) for setting in settings_grid()]
    assert ScriptedConfig() in grid
    assert len({repr(setting) for setting in grid}) == len(grid) == 8


def test_robust_goes_before_survival_before_gentleness() -> None:
    def best(*scores: tuple[Score, ...]) -> float:
        return choose([({"squeeze": float(i)}, of) for i, of in enumerate(scores)])["squeeze"]

    weak, strong = Score(False, 0.9, -0.1), Score(True, 0.5, -0.9)
    assert best((weak, weak), (strong, LOST)) == 1.0
    assert best((GOOD, LOST), (GOOD, weak)) == 1.0
    assert best((GOOD,), (Score(True, 0.8, -0.4),)) == 1.0
    assert best((GOOD,), (GOOD,)) == 0.0


def test_the_best_is_written_with_what_made_it(tmp_path: Path, runs: list[tuple[float, float, int]]) -> None:
    path, seen = tmp_path / "hand.yaml", []
    path.write_text("objects: {ball: {setting: {squeeze: 0.1}}}\n")
    best = {"squeeze": 0.85, "thumb_squeeze": 0.0}
    assert tune(config(tmp_path), path, "./vnb tune", lambda *at: seen.append(at)) == {"cube": best}
    objects = yaml.safe_load(path.read_text())["objects"]
    assert objects["ball"] == {"setting": {"squeeze": 0.1}}
    assert objects["cube"]["setting"] == best
    assert objects["cube"]["command"] == "./vnb tune"
    assert objects["cube"]["seeds"] == [500_000, 500_001]
    assert objects["cube"]["scores"][0] == {
        "squeeze": 0.35,
        "thumb_squeeze": 0.0,
        "robust": 2,
        "survival": 0.35,
        "peak_over_cap": 0.35,
    }
    assert seen[-1] == ("cube", 16, 16)
    assert len(runs) == len(set(runs)) == 16


def test_an_interrupted_search_goes_on(tmp_path: Path, runs: list[tuple[float, float, int]]) -> None:
    path, store = tmp_path / "hand.yaml", tmp_path / "l6_v31" / "cube.jsonl"

    def stop(name: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(config(tmp_path), path, "./vnb tune", stop)
    assert len(store.read_text().splitlines()) == 5
    with store.open("a") as file:
        file.write('{"key": "cut sho')  # the power went out
    first = tune(config(tmp_path), path, "./vnb tune")
    assert len(runs) == len(set(runs)) == 16
    assert tune(config(tmp_path), path, "./vnb tune") == first
    assert len(runs) == 16
    assert len(tuning._read(store)) == 16


def test_a_case_out_of_reach_is_lost_for_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object) -> None:
        raise MotionError("far away")

    monkeypatch.setattr(tuning.PlannerMethod, "run", unreachable)
    path = tmp_path / "hand.yaml"
    assert tune(config(tmp_path, 1), path, "./vnb tune")["cube"] == settings_grid()[0]
    rows = yaml.safe_load(path.read_text())["objects"]["cube"]["scores"]
    assert {(row["robust"], row["survival"]) for row in rows} == {(0, 0.0)}


def test_bad_settings_raise(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs objects"):
        TuneConfig(())
    with pytest.raises(ConfigError, match="needs objects"):
        config(tmp_path, 0)
    with pytest.raises(ConfigError, match="scenario set"):
        calibration_cases(TuneConfig(("cube",), seed=9999), "cube")
