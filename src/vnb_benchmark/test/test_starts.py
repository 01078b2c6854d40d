"""Remembered starts: the same future bit for bit, whichever method comes first, and no more kept than stated."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from vnb_benchmark import starts
from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_benchmark.running.measure import outcome_of_episode
from vnb_benchmark.scenarios.case import Case
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario, draw_scenario

SCENARIO = draw_scenario("cube", "nominal", 3)


def digest(episode: Episode) -> str:
    return outcome_of_episode(Case(0, "test", episode.scenario), "scripted", math.nan, episode, 0.0).digest


def run(bridge: SimBridge, scenario: Scenario, **settings: Any) -> Episode:
    chain = ControlChain(load_hand(scenario.hand), load_object(scenario.object_name), "scripted", "prior")
    return run_episode(bridge, chain, scenario, max_steps=6, battery=False, teleport=False, **settings)


def test_a_remembered_start_has_the_future_of_the_approach_itself() -> None:
    fresh = run(SimBridge(SCENARIO), SCENARIO)
    bridge, scene = SimBridge(SCENARIO), PlanningScene("cube", SCENARIO.hand)
    first = run(bridge, SCENARIO, scene=scene, remember=True, qualities=False)
    run(bridge, draw_scenario("cube", "bimodal", 4), scene=scene)
    again = run(bridge, SCENARIO, scene=scene, remember=True, qualities=False)
    assert digest(fresh) == digest(first) == digest(again)
    assert fresh.report.peak_force == again.report.peak_force
    assert math.isfinite(again.steps[-1].truth.epsilon)
    assert math.isnan(again.steps[0].truth.epsilon)


def test_a_bridge_keeps_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "KEPT", 2)
    bridge, scene, calls = SimBridge(SCENARIO), PlanningScene("cube", SCENARIO.hand), []
    approach: Any = object()
    for key in (1, 2, 1, 3, 1, 2):  # 2 was used longest ago when 3 comes
        found, saved = starts.recall(
            bridge, scene, (SCENARIO, key, None), lambda key=key: calls.append(key) or approach
        )
        assert found is approach
        assert saved >= 0.0
    assert calls == [1, 2, 3, 2]


def test_a_remembered_start_brings_the_pose_back_that_was_planned_with() -> None:
    bridge, scene = SimBridge(SCENARIO), PlanningScene("cube", SCENARIO.hand)
    approach: Any = object()

    def recall(x: float) -> float:
        def start() -> Any:
            scene.estimate = Pose(torch.tensor([x, 0.0, 0.0]), scene.estimate.quaternion)
            return approach

        starts.recall(bridge, scene, (SCENARIO, x, None), start)
        return float(scene.estimate.position[0])

    assert [recall(x) for x in (1.0, 2.0, 1.0, 2.0)] == [1.0, 2.0, 1.0, 2.0]
