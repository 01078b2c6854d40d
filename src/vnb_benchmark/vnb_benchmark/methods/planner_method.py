"""The method that runs a planner: the chain from touch to decision, closed around the bridge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_benchmark.scenarios.case import Case
from vnb_planner.attempts import AttemptRule
from vnb_planner.planners import PlannerFactory
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene


@dataclass
class PlannerMethod:
    """Runs a planner on a belief.

    Attributes:
        planner: Planner name, or a factory for a planner that is not registered.
        belief: Belief name. Planners that look at none run on ``prior``, which costs nothing.
        parameters: The planner's; beta is added if ``uses_beta``.
        uses_beta: Whether the planner has a parameter ``beta``.
        checkpoint: Checkpoint of the belief; None takes the shipped one.
        rule: When to lift, take the object again, or abstain.
        pregrasp: Index of the library's pre-grasp that is closed from first; None takes the best that can be reached.
    """

    planner: str | PlannerFactory
    belief: str = "learned"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    uses_beta: bool = False
    checkpoint: Path | None = None
    rule: AttemptRule = field(default_factory=AttemptRule)
    pregrasp: int | None = None

    def __post_init__(self) -> None:
        # Making a chain loads a checkpoint and builds kinematics; one serves every case of an object.
        self._chains: dict[tuple[str, str, float | None], ControlChain] = {}

    def run(self, bridge: SimBridge, scene: PlanningScene, case: Case, beta: float) -> Episode:
        """See :class:`vnb_benchmark.methods.interface.Method`."""
        return self.run_from(bridge, scene, case, beta, self.pregrasp)

    def run_from(
        self, bridge: SimBridge, scene: PlanningScene, case: Case, beta: float, pregrasp: int | None
    ) -> Episode:
        """Run the case from one pre-grasp of the library; None takes the best that can be reached."""
        return run_episode(
            bridge,
            self._chain(bridge, case, beta),
            case.scenario,
            scene=scene,
            pregrasp=pregrasp,
            latency=case.latency,
            disturbance_scale=case.disturbance_scale,
            teleport=False,  # as through the node graph, so that the two give the same steps
            remember=True,
            qualities=False,
            rule=self.rule,
        )

    def _chain(self, bridge: SimBridge, case: Case, beta: float) -> ControlChain:
        scenario = case.scenario
        level = beta if self.uses_beta and not math.isnan(beta) else None
        key = (scenario.object_name, scenario.hand, level)
        if key not in self._chains:
            bridge.reset(scenario)  # the bridge may still hold another object's world
            given = {} if level is None else {"beta": level}
            self._chains[key] = ControlChain(
                bridge.world.hand,
                bridge.world.object,
                self.planner,
                self.belief,
                self.checkpoint,
                {**self.parameters, **given},
            )
        return self._chains[key]
