"""Run a trial without middleware: the same parts as the node graph, called one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Step, run_episode
from vnb_benchmark.vision import pose_source_maker
from vnb_bringup.report.from_episode import record_of_episode, step_record
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_planner.attempts import AttemptRule
from vnb_planner.planners import parameter_names
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.render.observed import ObservedBridge, Observer
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

_PHASES = {"before": "closing", "closed": "lift", "lifted": "tests"}


@dataclass(frozen=True)
class TrialSettings:
    """What a trial needs beside its scenario.

    Attributes:
        method: Planner name.
        belief: Belief name.
        beta: Confidence level of the risk measure.
        checkpoint: Checkpoint of the belief; None takes the shipped one.
        battery: Run the battery after the nominal test.
        rule: When to lift, take the object again, or abstain.
        conditions: Of the simulated world; those of an ordinary trial if not given.
    """

    method: str = "vnb"
    belief: str = "learned"
    beta: float = 0.9
    checkpoint: Path | None = None
    battery: bool = True
    rule: AttemptRule = field(default_factory=AttemptRule)
    conditions: Conditions = field(default_factory=Conditions)

    def planner_parameters(self) -> dict[str, Any]:
        """Return the planner's parameters that follow, of those that it has."""
        given = {"beta": self.beta, "delta": self.rule.delta}
        return {name: value for name, value in given.items() if name in parameter_names(self.method)}


class Stopwatch:
    """An observer that times the parts of a trial, from its making on.

    Args:
        on_phase: Called with the name of each part as it begins.
    """

    def __init__(self, on_phase: Callable[[str], None] | None = None) -> None:
        self.durations: dict[str, float] = {}
        self._on_phase = on_phase or (lambda name: None)
        self._begin("approach")

    def _begin(self, name: str) -> None:
        self._name, self._since = name, time.perf_counter()
        self._on_phase(name)

    def stop(self) -> None:
        """End the present part."""
        self.durations[self._name] = time.perf_counter() - self._since

    def snap(self, world: World, name: str) -> None:
        """See :class:`Observer`."""
        self.stop()
        self._begin(_PHASES[name])

    def frame(self, world: World) -> None:
        """See :class:`Observer`."""


def run_local_trial(
    scenario: Scenario,
    settings: TrialSettings,
    *,
    observers: Sequence[Observer] = (),
    on_step: Callable[[StepRecord], None] | None = None,
    on_phase: Callable[[str], None] | None = None,
) -> TrialRecord:
    """Run one trial and return its record.

    Args:
        scenario: What is drawn.
        settings: Method, belief and the rest.
        observers: Who watches the world (a film, say).
        on_step: Called after every decision.
        on_phase: Called with ``approach``, ``closing``, ``lift`` and ``tests`` as each begins.

    Raises:
        VnbError: Whatever ends the trial before its verdict.
    """
    torch.set_num_threads(1)  # tensors are small, and sums in a fixed order are reproducible
    watch = Stopwatch(on_phase)
    conditions = settings.conditions
    bridge = ObservedBridge(
        scenario,
        conditions.parameters,
        (watch, *observers),
        latency=conditions.latency,
        disturbance_scale=conditions.disturbance_scale,
        make_pose_source=pose_source_maker(conditions.pose_source),
    )
    chain = ControlChain(
        bridge.world.hand,
        bridge.world.object,
        settings.method,
        settings.belief,
        settings.checkpoint,
        settings.planner_parameters(),
    )

    def report(step: Step) -> None:
        if on_step is not None:
            on_step(step_record(step))

    episode = run_episode(
        bridge, chain, scenario, teleport=False, battery=settings.battery, on_step=report, rule=settings.rule
    )
    watch.stop()
    bridge.close()
    return record_of_episode(
        episode,
        method=settings.method,
        belief=settings.belief,
        beta=settings.beta,
        checkpoint=settings.checkpoint,
        durations=watch.durations,
        conditions=conditions,
        rule=settings.rule,
    )
