"""The interface of benchmark methods: whatever closes the hand in a case."""

from __future__ import annotations

from typing import Protocol

from vnb_benchmark.episode import Episode
from vnb_benchmark.scenarios.case import Case
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene


class Method(Protocol):
    """Runs one case from reset to verdict. Made once per worker, object and hand; keeps nothing between cases."""

    @property
    def uses_beta(self) -> bool:
        """False if the confidence level changes nothing; such a method is run once per case."""
        ...

    def run(self, bridge: SimBridge, scene: PlanningScene, case: Case, beta: float) -> Episode:
        """Return the finished episode.

        Args:
            bridge: The simulated robot with the case's simulator parameters; the method's episode resets it.
            scene: The robot's own picture of the object, for planning the approach.
            case: What is drawn.
            beta: Confidence level of the risk; NaN if the method uses none.

        Raises:
            VnbError: If no pre-grasp can be reached or a decision is invalid; recorded as a failed episode.
        """
        ...
