"""The oracle: order, cap and stop of its candidates, and that it is a ceiling."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vnb_benchmark.episode import Episode
from vnb_benchmark.methods.oracle import Candidate, OracleMethod, candidates
from vnb_benchmark.methods.registry import make_method
from vnb_benchmark.scenarios.case import Case
from vnb_benchmark.scoring import score
from vnb_grasp.description import load_object
from vnb_grasp.errors import MotionError, SimulationError
from vnb_sim_bridge.bridge import SimBridge, StressReport
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario, draw_scenario

CUBE = Case(0, "test", Scenario("cube"))
LIBRARY = len(load_pregrasps("cube", "l6_v31"))
OWN = 1
"""Pre-grasp that the fake robot chooses by itself."""


class Fake:
    """Runs candidates without a simulator: a survival for each, and errors for some."""

    def __init__(self, survival: dict[Candidate, float], fails: dict[Candidate, Exception] | None = None) -> None:
        self.survival = survival
        self.fails = fails or {}
        self.tried: list[Candidate] = []

    def __call__(self, bridge: Any, scene: Any, case: Case, candidate: Candidate) -> Episode:
        self.tried.append(candidate)
        if candidate in self.fails:
            raise self.fails[candidate]
        survival = self.survival.get(candidate, 0.2)
        report = StressReport(True, 0.05, True, True, survival, (), 10.0, 0.0, math.nan, "none")
        pregrasp = OWN if candidate.pregrasp is None else candidate.pregrasp
        return Episode(case.scenario, pregrasp, (), candidate.setting, report)


def run(fake: Fake, **settings: Any) -> Episode:
    nothing: Any = None
    return OracleMethod(attempt=fake, **settings).run(nothing, nothing, CUBE, math.nan)


def test_the_order_begins_with_the_plain_methods() -> None:
    first = [Candidate(name) for name in ("scripted", "tuned", "squeeze", "gentle", "robust", "vnb")]
    others = [Candidate(name, i) for name in ("tuned", "squeeze") for i in range(3)]
    assert list(candidates(3)) == first + others


def test_all_are_tried_but_the_robots_own_choice_twice_and_the_best_is_kept() -> None:
    fake = Fake({Candidate("squeeze", 2): 0.8})
    episode = run(fake, max_candidates=99)
    expected = [c for c in candidates(LIBRARY) if c.pregrasp != OWN]
    assert fake.tried == expected
    assert (episode.stop_reason, episode.pregrasp) == ("squeeze", 2)


def test_the_cap_counts_tries() -> None:
    fake = Fake({})
    assert run(fake, max_candidates=7).stop_reason == "scripted"  # the first of equals
    assert fake.tried == [*list(candidates(LIBRARY))[:6], Candidate("tuned", 0)]


def test_a_robust_grasp_that_survives_enough_ends_the_search() -> None:
    fake = Fake({Candidate("tuned"): 0.9})
    assert run(fake).stop_reason == "tuned"
    assert fake.tried == [Candidate("scripted"), Candidate("tuned")]


def test_candidates_that_fail_are_passed_over() -> None:
    fails: dict[Candidate, Exception] = {
        Candidate("scripted"): MotionError("far away"),
        Candidate("tuned"): SimulationError("diverged"),
    }
    fake = Fake({Candidate("squeeze"): 0.95}, fails)
    assert run(fake).stop_reason == "squeeze"
    everything: dict[Candidate, Exception] = {c: MotionError(f"{c.setting} is far") for c in candidates(LIBRARY)}
    with pytest.raises(MotionError, match="scripted is far"):
        run(Fake({}, everything))


@pytest.mark.slow
def test_no_plain_method_is_above_it() -> None:
    case = Case(0, "test", draw_scenario("cube", "wide", 3))
    bridge, scene = SimBridge(case.scenario), PlanningScene("cube", "l6_v31")
    cap = load_object("cube").force_cap
    ceiling = score(make_method("oracle").run(bridge, scene, case, math.nan).report, cap)
    for name in ("scripted", "tuned", "squeeze"):
        assert score(make_method(name).run(bridge, scene, case, math.nan).report, cap) <= ceiling, name
