"""Attempts of a trial: what is tried next, and whole trials that take the object again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vnb_belief.friction import believed_friction
from vnb_belief.prior import prior_mixture
from vnb_benchmark.attempts import Attempts, promise_of
from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_grasp.errors import MotionError
from vnb_planner.attempts import AttemptRule, Choice
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import Decision, PlanInput, ScriptedPlanner
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.approach import Approach
from vnb_sim_bridge.pregrasp.library import FRICTIONS
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario

SCENARIO = Scenario("cube", friction_object=0.8)
BELIEF = prior_mixture(2)


@pytest.fixture(scope="module")
def bridge() -> SimBridge:
    return SimBridge(SCENARIO)


@pytest.fixture(scope="module")
def approach(bridge: SimBridge) -> Approach:
    bridge.reset(SCENARIO)
    frame = bridge.sensors.read(0)
    return PlanningScene("cube", "l6_v31").choose_approach(frame.object_pose, frame.arm_q)


class Scene:
    """Promises without a simulator; what is out of reach raises like the real one. Keeps the frictions asked for."""

    asked: Any = None

    def __init__(self, real: PlanningScene, promises: dict[int, float], reachable: set[int]) -> None:
        self._real, self._promises, self._reachable = real, promises, reachable
        self.estimate, self.home = real.estimate, real.home

    def ranking(self, friction: Any, weights: Any, leave_out: Any) -> tuple[tuple[int, float], ...]:
        self.asked = friction
        left = [(i, p) for i, p in self._promises.items() if i not in leave_out]
        return tuple(sorted(left, key=lambda item: item[1]))

    def choose_approach(self, estimate: Any, arm_q: Any, only: int) -> None:
        if only not in self._reachable:
            raise MotionError("out of reach")


def attempts(promises: dict[int, float], reachable: set[int], **rule: Any) -> Attempts:
    scene = Scene(PlanningScene("cube", "l6_v31"), promises, reachable)
    return Attempts(AttemptRule(**rule), scene)  # type: ignore[arg-type]


def test_the_surest_pregrasp_that_can_be_reached_is_next(approach: Approach) -> None:
    first = approach.pregrasp.index
    others = [i for i in range(4) if i != first]
    promises = {first: 0.0, others[0]: 0.1, others[1]: 0.3, others[2]: 0.75}
    judged = attempts(promises, set(others[1:]))
    assert judged.judge(0.8, BELIEF, approach) is Choice.REGRASP
    assert judged.order == (others[1],)  # the first of them is out of reach, the last promises too little
    assert judged.made == 1


def test_what_the_grasp_was_judged_with_weighs_the_promises(approach: Approach) -> None:
    judged = attempts({9: 0.1}, {9})
    assert judged.judge(0.8, BELIEF, approach, (math.log(0.3), 0.1)) is Choice.REGRASP
    np.testing.assert_allclose(np.log(judged._scene.asked).mean(), math.log(0.3))  # type: ignore[attr-defined]
    judged = attempts({9: 0.1}, {9})
    judged.judge(0.8, BELIEF, approach, (math.nan, math.nan))
    np.testing.assert_allclose(judged._scene.asked, believed_friction(BELIEF)[0])  # type: ignore[attr-defined]


def test_nothing_better_left_is_an_abstention(approach: Approach) -> None:
    first = approach.pregrasp.index
    assert attempts({first: 0.0}, {0, 1, 2, 3}).judge(0.8, BELIEF, approach) is Choice.ABSTAIN
    assert attempts({9: 0.75}, {9}).judge(0.8, BELIEF, approach) is Choice.ABSTAIN


@pytest.mark.parametrize("p_fail", [0.1, math.nan])
def test_a_sure_grasp_and_a_method_without_a_prediction_are_lifted(p_fail: float, approach: Approach) -> None:
    assert attempts({9: 0.0}, {9}).judge(p_fail, BELIEF, approach) is Choice.LIFT


def test_a_promise_is_the_librarys(approach: Approach) -> None:
    shares = tuple(0.1 * i for i in range(6))
    measured = replace(approach, pregrasp=replace(approach.pregrasp, robust=shares))
    promise = promise_of(measured)
    assert promise is not None
    assert (promise.friction, promise.success) == (FRICTIONS, shares)
    assert promise_of(replace(approach, pregrasp=replace(approach.pregrasp, robust=()))) is None


class Doubtful(ScriptedPlanner):
    """Closes by script and then doubts it."""

    def plan(self, given: PlanInput) -> Decision:
        return replace(super().plan(given), p_fail=0.9)


def make_doubtful(hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> Doubtful:
    return Doubtful.make(hand, target, parameters)  # type: ignore[return-value]


def run(bridge: SimBridge, promises: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> Episode:
    def ranking(
        self: PlanningScene, friction: np.ndarray, weights: np.ndarray, leave_out: Any
    ) -> tuple[tuple[int, float], ...]:
        left = [(i, p) for i, p in promises.items() if i not in leave_out]
        return tuple(sorted(left, key=lambda item: item[1]))

    monkeypatch.setattr(PlanningScene, "ranking", ranking)
    chain = ControlChain(bridge.world.hand, bridge.world.object, make_doubtful, "prior")
    return run_episode(bridge, chain, SCENARIO, battery=False)


def test_a_doubted_grasp_is_let_go_and_taken_again(bridge: SimBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    once = run(bridge, {}, monkeypatch)
    assert (once.attempts, once.abstained) == (1, True)
    again = run(bridge, dict.fromkeys(range(4), 0.3), monkeypatch)
    assert (again.attempts, again.abstained) == (2, True)
    assert again.pregrasp != once.pregrasp
    numbers = [step.truth.step for step in again.steps]
    second = numbers.index(0, 1)
    assert numbers[:second] == list(range(second))
    assert numbers[second:] == list(range(len(numbers) - second))
    # Between the two the object stood on the table, untouched.
    assert not again.steps[second].truth.touching.any()
    assert again.steps[second].truth.T_world_object[2, 3] == pytest.approx(
        again.steps[0].truth.T_world_object[2, 3], abs=0.002
    )
    assert again.steps[-1].truth.touching.any()


def test_taking_again_is_the_same_every_time(bridge: SimBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (run(bridge, dict.fromkeys(range(4), 0.3), monkeypatch) for _ in range(2))
    assert repr(first.report) == repr(second.report)


def test_an_object_that_got_out_of_reach_is_not_lifted(bridge: SimBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = PlanningScene.choose_approach

    def gone(self: PlanningScene, *arguments: Any, order: Any = None, **options: Any) -> Approach:
        if order is not None:
            raise MotionError("out of reach")
        return choose(self, *arguments, **options)

    monkeypatch.setattr(PlanningScene, "choose_approach", gone)
    episode = run(bridge, dict.fromkeys(range(4), 0.3), monkeypatch)
    assert (episode.attempts, episode.abstained) == (1, True)
    assert (episode.report.lifted, episode.report.failure_mode) == (False, "grasp")
