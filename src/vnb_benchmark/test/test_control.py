"""The chain lets no invalid decision through, whoever wrote the planner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import run_episode
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError, VnbError
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import Decision, PlanInput, PlannerFactory
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import Scenario


def planner(decide: Callable[[PlanInput], Any]) -> PlannerFactory:
    """Return the factory of a planner that decides by a function."""

    class Foreign:
        def __init__(self, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> None:
            """Nothing is needed."""

        def reset(self) -> None:
            """Nothing to forget."""

        def plan(self, given: PlanInput) -> Any:
            return decide(given)

    return Foreign


def raise_value_error(given: PlanInput) -> Decision:
    raise ValueError("no idea")


def raise_own_error(given: PlanInput) -> Decision:
    raise ConfigError("my own words")


@pytest.fixture(scope="module")
def bridge() -> SimBridge:
    return SimBridge(Scenario("cube"))


@pytest.mark.parametrize(
    ("decide", "error", "words"),
    [
        (raise_value_error, VnbError, r"Foreign' at step 0 raised ValueError: no idea"),
        (raise_own_error, ConfigError, "my own words"),
        (lambda given: Decision(torch.full((6,), torch.nan), torch.ones(6)), NonFiniteError, "got action"),
        (lambda given: Decision(torch.zeros(6), torch.full((6,), torch.inf)), NonFiniteError, "got effort_limit"),
        (lambda given: Decision(torch.zeros(5), torch.ones(6)), ShapeError, r"got action \(5,\)"),
        (lambda given: None, ConfigError, "got NoneType"),
    ],
)
def test_whatever_a_planner_does_ends_in_a_clear_error(
    bridge: SimBridge, decide: Callable[[PlanInput], Any], error: type[VnbError], words: str
) -> None:
    chain = ControlChain(bridge.world.hand, bridge.world.object, planner(decide), "prior")
    with pytest.raises(error, match=words):
        run_episode(bridge, chain, Scenario("cube"), battery=False)


def test_after_an_error_the_same_chain_runs_the_next_trial(bridge: SimBridge) -> None:
    fails = [True]

    def decide(given: PlanInput) -> Decision:
        if given.step == 1 and fails:
            fails.pop()
            raise KeyError("once")
        return Decision(torch.zeros(6), torch.ones(6), stop=given.step >= 2, stop_reason="done")

    chain = ControlChain(bridge.world.hand, bridge.world.object, planner(decide), "prior")
    with pytest.raises(VnbError, match="step 1 raised KeyError"):
        run_episode(bridge, chain, Scenario("cube"), battery=False)
    episode = run_episode(bridge, chain, Scenario("cube"), battery=False)
    assert episode.stop_reason == "done"
    assert len(episode.steps) == 3
