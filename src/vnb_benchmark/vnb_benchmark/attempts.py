"""The attempts of one trial: what was tried, and what comes next. Used in process and by the conductor of the graph."""

from __future__ import annotations

import math

from vnb_belief.friction import believed_friction, friction_nodes
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import MotionError
from vnb_planner.attempts import AttemptRule, Choice
from vnb_planner.failure import Promise
from vnb_sim_bridge.pregrasp.approach import Approach
from vnb_sim_bridge.pregrasp.library import FRICTIONS
from vnb_sim_bridge.pregrasp.scene import PlanningScene


def promise_of(approach: Approach) -> Promise | None:
    """Return what the library promises for an approach's pre-grasp; None if it was not measured."""
    robust = approach.pregrasp.robust
    return Promise.of(FRICTIONS, robust, approach.pregrasp.touch) if robust else None


class Attempts:
    """Counts the attempts of a trial and judges them.

    Args:
        rule: When a grasp is accepted.
        scene: Of the trial's object and hand.

    Attributes:
        made: Attempts that were judged.
        home: Where the arm goes between two attempts (6,) [rad].
        order: After a verdict to take the object again: indices of the pre-grasps to try, the most promising first.
    """

    def __init__(self, rule: AttemptRule, scene: PlanningScene) -> None:
        self.rule = rule
        self.made = 0
        self.home = scene.home
        self.order: tuple[int, ...] = ()
        self._scene = scene
        self._tried: set[int] = set()

    def judge(
        self, p_fail: float, belief: Mixture, approach: Approach, friction: tuple[float, float] = (math.nan, math.nan)
    ) -> Choice:
        """Return what to do with the grasp closed from ``approach``, whose failure is predicted with ``p_fail``.

        Another pre-grasp counts only if it can be reached from home, as far as is known before the object is let go.

        Args:
            p_fail: NaN for methods that predict none.
            belief: At the end of closing.
            approach: From which the fingers closed.
            friction: Mean and standard deviation of the log friction that ``p_fail`` was computed with; NaN takes the
                belief's.
        """
        self.made += 1
        self._tried.add(approach.pregrasp.index)
        self.order = ()
        best = math.nan
        if self.made < self.rule.attempts and not math.isnan(p_fail) and p_fail > self.rule.delta:
            nodes, weights = believed_friction(belief) if math.isnan(friction[0]) else friction_nodes(*friction)
            ranking = self._scene.ranking(nodes.double().numpy(), weights.double().numpy(), self._tried)
            promised = [(i, promise) for i, promise in ranking if promise + self.rule.margin < p_fail]
            reachable = [(i, promise) for i, promise in promised if self._reachable(i)]
            self.order = tuple(i for i, _ in reachable)
            best = reachable[0][1] if reachable else math.nan
        return self.rule.judge(p_fail, self.made, best)

    def _reachable(self, index: int) -> bool:
        try:
            self._scene.choose_approach(self._scene.estimate, self.home, only=index)
        except MotionError:
            return False
        return True
