"""Scenario files on the command line: write a preset, replay one of its cases with all its conditions."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from vnb_benchmark.scenarios.case import Case, CaseSet
from vnb_benchmark.scenarios.files import load_case_set, save_case_set
from vnb_benchmark.scenarios.presets import PRESETS, SHIFTED
from vnb_bringup.cli import main
from vnb_bringup.graph.roster import GraphSettings, node_parameters
from vnb_bringup.report.json_report import result_json
from vnb_bringup.report.local import TrialSettings, run_local_trial
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import draw_scenario
from vnb_sim_bridge.world.parameters import WorldParameters

SCENARIO = draw_scenario("cube", "bimodal", 2)
CONDITIONS = Conditions(SHIFTED, latency=2, disturbance_scale=1.5)
SETTINGS = TrialSettings("scripted", "prior", battery=False)
TRIAL = ["--method", "scripted", "--no-pictures", "--no-battery", "--no-ros"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    ordinary = Case(0, "test", SCENARIO)
    hard = Case(1, "test", SCENARIO, "hard", SHIFTED, latency=2, disturbance_scale=1.5)
    save_case_set(CaseSet("mine", (ordinary, hard)), path)
    return path


# --- writing --------------------------------------------------------------------------------------------------------


def test_scenarios_writes_a_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sets" / "paper.json"
    assert main(["scenarios", "paper", "--out", str(out), "--seed", "2"]) == 0
    assert load_case_set(out) == PRESETS["paper"](2)
    assert "63 cases, betas 0.5, 0.9, 0.95, 0.99" in capsys.readouterr().out


def test_an_unknown_preset_lists_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "huge", "--out", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "sweep_pose" in error
    assert not (tmp_path / "x.json").exists()


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in ("/proc/x/y.json", str(tmp_path)):
        assert main(["scenarios", "quick", "--out", out]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "--out" in error


def test_a_seed_without_a_set_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "quick", "--out", str(tmp_path / "x.json"), "--seed", "300"]) == 1
    assert "expected a seed in 0 to 299" in capsys.readouterr().err


# --- replaying ------------------------------------------------------------------------------------------------------


def test_a_trial_replays_a_case_with_all_its_conditions(saved: Path, tmp_path: Path) -> None:
    texts = []
    for index in (0, 1):
        out = tmp_path / str(index)
        assert main(["trial", "--scenario", f"{saved}#{index}", *TRIAL, "--out", str(out)]) == 0
        texts.append((out / "result.json").read_text())
    assert texts[0] == result_json(run_local_trial(SCENARIO, SETTINGS))
    assert texts[1] == result_json(run_local_trial(SCENARIO, replace(SETTINGS, conditions=CONDITIONS)))
    ordinary, hard = map(json.loads, texts)
    assert {**ordinary["scenario"]} == {**json.loads(json.dumps(asdict(SCENARIO))), **_effective()}
    assert hard["scenario"] == ordinary["scenario"]
    assert hard["steps"] != ordinary["steps"]
    assert ordinary["conditions"] == asdict(Conditions())
    assert hard["conditions"] == asdict(CONDITIONS)


def _effective() -> dict[str, float]:
    return {"friction_effective": SCENARIO.friction_effective}


@pytest.mark.parametrize(
    "conditions", [Conditions(SHIFTED), Conditions(latency=2), Conditions(disturbance_scale=2.5)], ids=str
)
def test_every_condition_reaches_the_bridge_of_a_trial(conditions: Conditions, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Conditions] = []
    init = SimBridge.__init__

    def note(self: SimBridge, *arguments: object, **options: object) -> None:
        init(self, *arguments, **options)  # type: ignore[arg-type]
        made.append(Conditions(self.parameters, self.latency, self.disturbance_scale))

    monkeypatch.setattr(SimBridge, "__init__", note)
    run_local_trial(SCENARIO, TrialSettings("noop", "prior", battery=False, conditions=conditions))
    assert made == [conditions]


def test_the_reports_folder_is_named_after_the_case(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["trial", "--scenario", f"{saved}#0", *TRIAL, "--method", "noop"]) == 0
    assert (tmp_path / "out" / "trial-mine-0-noop" / "result.json").exists()


@pytest.mark.parametrize("option", [("--object", "cube"), ("--seed", "0"), ("--friction", "0.5"), ("--hand", "l6_v31")])
def test_what_a_case_has_fixed_cannot_be_given(
    option: tuple[str, str], saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["trial", "--scenario", f"{saved}#0", *option, *TRIAL, "--out", str(out)]) == 2
    assert option[0] in capsys.readouterr().err
    assert not out.exists()


def test_a_case_that_is_not_there_is_one_line(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trial", "--scenario", f"{saved}#2", *TRIAL, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "got case 2, expected 0 to 1" in error


def test_an_unknown_method_is_found_before_the_trial(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["trial", "--scenario", f"{saved}#0", *TRIAL, "--method", "luck", "--out", str(out)]) == 2
    assert not out.exists()


# --- through the graph ----------------------------------------------------------------------------------------------


def test_only_other_conditions_become_parameters_of_the_bridge_and_keep_their_type() -> None:
    assert set(node_parameters(GraphSettings())["sim_bridge"]) == {"hand", "object_name", "lockstep"}
    conditions = Conditions(WorldParameters(impratio=5, solver="cg", noslip_iterations=3), 2, 2)
    given = node_parameters(GraphSettings(conditions=conditions))["sim_bridge"]
    for name in ("hand", "object_name", "lockstep"):
        del given[name]
    assert repr(sorted(given.items())) == repr(
        [
            ("disturbance_scale", 2.0),
            ("latency", 2),
            ("parameters.impratio", 5.0),
            ("parameters.noslip_iterations", 3),
            ("parameters.solver", "cg"),
        ]
    )


@pytest.mark.ros
def test_the_graph_replays_the_same_bytes() -> None:
    pytest.importorskip("vnb_msgs")
    from vnb_bringup.graph.trial import run_graph_trial

    settings = replace(SETTINGS, conditions=CONDITIONS)
    assert result_json(run_graph_trial(SCENARIO, settings)) == result_json(run_local_trial(SCENARIO, settings))


@pytest.mark.ros
def test_a_graph_of_other_conditions_refuses_the_trial() -> None:
    pytest.importorskip("vnb_msgs")
    from vnb_bringup.graph.composition import composed_graph
    from vnb_grasp.errors import ConfigError

    with composed_graph(GraphSettings("cube", belief="prior")) as graph:
        assert graph.nodes["sim_bridge"].bridge.parameters == WorldParameters()
        with pytest.raises(ConfigError, match="conditions of the trial"):
            graph.conductor.run(SCENARIO, replace(SETTINGS, conditions=CONDITIONS))
