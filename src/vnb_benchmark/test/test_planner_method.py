"""Planners as methods: the same trial as without one, chains kept per object and beta."""

from __future__ import annotations

import math

import pytest

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_benchmark.methods.planner_method import PlannerMethod
from vnb_benchmark.scenarios.case import Case
from vnb_planner.planners import VnbPlanner
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario

CUBE = Case(0, "test", Scenario("cube"))
SHORT = {"max_steps": 12}


@pytest.fixture(scope="module")
def bridge() -> SimBridge:
    return SimBridge(CUBE.scenario)


@pytest.fixture(scope="module")
def scene() -> PlanningScene:
    return PlanningScene("cube", "l6_v31")


def same(first: Episode, second: Episode) -> bool:
    actions = [[step.control.decision.action.tolist() for step in episode.steps] for episode in (first, second)]
    return actions[0] == actions[1] and repr(first.report) == repr(second.report)


def test_a_method_runs_the_same_trial_again_and_as_the_chain_alone(bridge: SimBridge, scene: PlanningScene) -> None:
    method = PlannerMethod("scripted", "prior", SHORT)
    first, second = (method.run(bridge, scene, CUBE, math.nan) for _ in range(2))
    chain = ControlChain(bridge.world.hand, bridge.world.object, "scripted", "prior", parameters=SHORT)
    alone = run_episode(bridge, chain, CUBE.scenario, teleport=False)
    assert same(first, second)
    assert same(first, alone)
    assert len(first.steps) == 13


def test_the_pregrasp_can_be_asked_for(bridge: SimBridge, scene: PlanningScene) -> None:
    method = PlannerMethod("scripted", "prior", SHORT)
    chosen = method.run(bridge, scene, CUBE, math.nan)
    asked = method.run_from(bridge, scene, CUBE, math.nan, chosen.pregrasp)
    assert same(chosen, asked)
    other = method.run_from(bridge, scene, CUBE, math.nan, chosen.pregrasp + 1)
    assert other.pregrasp == chosen.pregrasp + 1
    assert not same(chosen, other)


def test_beta_reaches_planners_that_take_one_and_chains_are_kept(bridge: SimBridge, scene: PlanningScene) -> None:
    method = PlannerMethod("vnb", "prior", {"max_steps": 1, "samples": 16}, uses_beta=True)
    for beta in (0.5, 0.9, 0.5):
        method.run(bridge, scene, CUBE, beta)
    chains = list(method._chains.values())
    planners = [chain.planner for chain in chains if isinstance(chain.planner, VnbPlanner)]
    assert [planner.config.beta for planner in planners] == [0.5, 0.9]
    deaf = PlannerMethod("noop", "prior")
    for beta in (0.5, math.nan):
        assert deaf.run(bridge, scene, CUBE, beta).stop_reason == "noop"
    assert len(deaf._chains) == 1


def test_the_conditions_of_the_case_reach_the_bridge(bridge: SimBridge, scene: PlanningScene) -> None:
    method = PlannerMethod("scripted", "prior", SHORT)
    late = method.run(bridge, scene, Case(0, "test", CUBE.scenario, latency=3), math.nan)
    prompt = method.run(bridge, scene, CUBE, math.nan)
    moved = [[abs(float(s.control.observation.vector[28:34].abs().max())) for s in e.steps[:4]] for e in (prompt, late)]
    assert max(moved[0]) > 0.05
    assert max(moved[1]) < 0.5 * max(moved[0])
