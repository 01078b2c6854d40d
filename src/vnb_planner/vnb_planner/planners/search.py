"""What the searching planners share: parameters, the belief's samples, the choice among proposals, the stop, the time.

A searching planner proposes actions; how is its own affair. Here the proposals, and standing still, are judged on
samples of the belief: the lowest objective wins among those whose failure probability is within the bound, or among all
if none is. The figures that are reported, exact risk included, are those of the chosen action on
these samples. As the choice was made on them, they are a little optimistic. The failure probability that is reported is
that of holding what is held; :mod:`.closing` calibrates it, and says when closing is over and what comes before that.

The action sequence is parametrised as a constant velocity over the horizon, its cost is that of the horizon's end, and
its first action is executed.

A deadline that passes ends the search, not the decision: what was found by then is judged, and ``deadline_met`` says
so. A search that could not even begin has the starting magnitudes to propose.

The entropy term is that of the present belief: the learned dynamics are not rolled out, so it shifts the objective but
does not change the action.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor

from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.config import from_mapping, require_count, require_flag, require_in
from vnb_planner.costs import COSTS, Cost, Evaluate, visual_cost
from vnb_planner.failure import load_calibration
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.action_box import ActionBox
from vnb_planner.planners.closing import Closing, ClosingConfig, Conclusion, HoldFigures
from vnb_planner.planners.interface import Decision, PlanInput
from vnb_planner.planners.streams import step_generator
from vnb_planner.risk import RISKS, expectation, failure_probability

RAW = "raw"
"""Name of no failure calibration."""
_ENTROPY_DRAWS = 32
"""Draws per component for the belief's entropy, while all together are no more than the next number."""
_ENTROPY_DRAWS_IN_ALL = 256


@dataclass(frozen=True)
class SearchConfig(ClosingConfig):
    """Parameters of every searching planner, those of the end of closing included.

    Attributes:
        cost: Name of the cost.
        cost_parameters: Its parameters.
        risk: Name of the risk measure that is blended with the mean and reported as ``cvar``.
        beta: Confidence level of the risk measure.
        lambda_c: Blend: 0 plans for the mean, 1 for the risk.
        lambda_v: Weight of the visual cost.
        gamma: Weight of the belief's entropy.
        failure_threshold: Cost that counts as failure; None takes the cost's own.
        samples: Samples N of the belief on which proposals are compared and the chosen one is reported.
        starts: Starting magnitudes as fractions of the box between standing still and its upper end.
        horizon: Steps H that the action sequence lasts.
        warm_start: Whether the search also begins at what the previous step of the trial chose.
        calibration: Whose failure calibration to use; empty is the planner's own, ``raw`` is none.
        effort_fraction: Torque that servos may use, as a fraction of their limits.
        single_precision: Evaluate costs in float32 whatever the belief's dtype: a third faster, rounding near 1e-6.
        box: Velocity bounds.
    """

    cost: str = "wrench_margin"
    cost_parameters: Mapping[str, Any] = field(default_factory=dict)
    risk: str = "cvar"
    beta: float = 0.9
    lambda_c: float = 1.0
    lambda_v: float = 0.0
    gamma: float = 0.0
    failure_threshold: float | None = None
    samples: int = 256
    starts: tuple[float, ...] = (0.3, 0.6, 1.0)
    horizon: int = 3
    warm_start: bool = False
    calibration: str = ""
    effort_fraction: float = 1.0
    single_precision: bool = True
    box: ActionBox = field(default_factory=ActionBox)

    def __post_init__(self) -> None:
        super().__post_init__()
        COSTS[self.cost]
        RISKS[self.risk](self.beta)
        for name in ("lambda_c", "effort_fraction"):
            require_in(name, getattr(self, name), 0.0, 1.0)
        for name in ("lambda_v", "gamma"):
            require_in(name, getattr(self, name), 0.0, 1e6)
        for name in ("samples", "horizon"):
            require_count(name, getattr(self, name), 1)
        for name in ("warm_start", "single_precision"):
            require_flag(name, getattr(self, name))
        if not self.starts:
            raise ConfigError("starts: got none, expected at least one starting magnitude")
        for start in self.starts:
            require_in("starts", start, 0.0, 1.0)
        if isinstance(self.box, Mapping):
            object.__setattr__(self, "box", from_mapping(ActionBox, self.box))


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples of a belief for one decision.

    Attributes:
        judged: Those on which proposals are compared ``(N, 26)``.
        searched: Those on which the search looks for proposals ``(*B, n, 26)``.
        weights: Weights of ``judged`` ``(N,)``; None if they count alike.
    """

    judged: Tensor
    searched: Tensor
    weights: Tensor | None = None

    def float(self) -> Draws:
        """Return the same draws in single precision."""
        return Draws(self.judged.float(), self.searched.float(), None if self.weights is None else self.weights.float())


@dataclass(frozen=True, eq=False)
class Proposals:
    """What a search found; standing still is proposed in any case and need not be here.

    Attributes:
        action: Candidate velocities ``(C, 6)`` [rad/s].
        component: Belief component for which each was found ``(C,)``; None if it was none in particular.
        in_time: False if the deadline cut the search short.
        carry: Where a warm start of the next step begins ``(6,)`` [rad/s]; None takes the action that is chosen.
    """

    action: Tensor
    component: Tensor | None = None
    in_time: bool = True
    carry: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """One decision for a search to work on.

    Attributes:
        evaluate: Costs ``(*B, S, n)`` of constant velocities ``(*B, S, 6)`` over the horizon, on ``draws.searched``.
        draws: Samples of the belief.
        lower: Lower velocity bounds ``(6,)`` [rad/s].
        upper: Upper velocity bounds ``(6,)`` [rad/s].
        starts: Starting velocities ``(S, 6)`` [rad/s]; the last is the warm start's if there is one.
        warm: Where the warm start begins ``(6,)`` [rad/s], within the bounds; None without one.
        generator: Source of randomness.
        due: Time on the planner's clock at which the search must end [s].
    """

    evaluate: Callable[[Tensor], Tensor]
    draws: Draws
    lower: Tensor
    upper: Tensor
    starts: Tensor
    warm: Tensor | None
    generator: Generator
    due: float


class SearchPlanner(ABC):
    """Base of the planners that search; see the module.

    Keeps between steps only what a warm start begins with.

    Args:
        hand: The hand.
        target: The object.
        config: Parameters.
        clock: Monotonic time in seconds; replaced in tests.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[SearchConfig]]
    config: SearchConfig

    def __init__(
        self, hand: HandModel, target: ObjectModel, config: SearchConfig, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.hand = hand
        self.config = config
        self.cost: Cost = COSTS[config.cost](hand, target, config.cost_parameters)
        self._risk = RISKS[config.risk](config.beta)
        self._clock = clock
        self._carried: tuple[int, Tensor] | None = None
        name = config.calibration or self.name
        self._closing = Closing(target, config, None if name == RAW else load_calibration(hand.name, name))
        own = self.cost.failure_threshold
        self.failure_threshold = own if config.failure_threshold is None else config.failure_threshold

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> Self:
        """Make the planner from a mapping of its configuration's fields."""
        return cls(hand, target, from_mapping(cls.config_type, parameters))

    @abstractmethod
    def draw(self, belief: Mixture, generator: Generator) -> Draws:
        """Return the samples of one decision."""

    @abstractmethod
    def propose(self, problem: Problem) -> Proposals:
        """Return the actions that are worth comparing; look at the clock between batches of work."""

    def believe(self, belief: Mixture) -> Mixture:
        """Return the belief that is planned with; the given one unless a planner replaces it."""
        return belief

    def reset(self) -> None:
        """See :class:`vnb_planner.planners.interface.Planner`."""
        self._carried = None
        self._closing.reset()

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.interface.Planner`.

        Raises:
            ConfigError: If there is no belief.
            NonFiniteError: If a cost is not finite.
        """
        started = self._clock()
        if given.belief is None:
            raise ConfigError(
                f"{self.name} planner: got no belief, expected a mixture; start the belief before the planner"
            )
        belief = self.believe(given.belief.detach())
        generator = step_generator(given.seed, "planner", given.step)
        draws = self.draw(belief, generator)
        if self.config.single_precision:
            draws = draws.float()
        found = self.propose(self._problem(given, draws, generator, started + given.deadline))
        with torch.no_grad():
            decision, still, hold = self._choose(given, draws, found)
            entropy = _entropy(belief, generator)
        self._carried = (given.step, decision.action if found.carry is None else found.carry)
        conclusion = self._closing.conclude(given, hold)
        return self._finish(given, still if conclusion.hold else decision, conclusion, entropy, found.in_time, started)

    def objective(self, costs: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the blend of risk and mean ``(...)`` of sampled costs ``(..., N)``."""
        blend = self.config.lambda_c
        return blend * self._risk(costs, weights) + (1.0 - blend) * expectation(costs, weights)

    def late(self, due: float) -> bool:
        """Return whether the deadline has passed."""
        return not self._clock() < due

    def _problem(self, given: PlanInput, draws: Draws, generator: Generator, due: float) -> Problem:
        like = draws.searched
        lower, upper = self.config.box.bounds(given.contact, self.hand, like)
        starts = torch.tensor(self.config.starts, dtype=like.dtype, device=like.device)[:, None] * upper
        warm: Tensor | None = None
        # A step that is not later than the remembered one belongs to another trial, or is planned again.
        if self.config.warm_start and self._carried is not None and self._carried[0] < given.step:
            warm = torch.minimum(torch.maximum(self._carried[1].to(like), lower), upper)
            starts = torch.cat((starts, warm[None]))
        evaluate = self.cost.prepare(given.situation().to(like), like)
        return Problem(
            lambda velocity: self._evaluate(evaluate, velocity), draws, lower, upper, starts, warm, generator, due
        )

    def _evaluate(self, evaluate: Evaluate, velocity: Tensor) -> Tensor:
        """Return the costs ``(*B, S, N)`` of constant velocities ``(*B, S, 6)`` over the horizon."""
        return evaluate(velocity.unsqueeze(-2).expand(*velocity.shape[:-1], self.config.horizon, -1))

    def _choose(self, given: PlanInput, draws: Draws, found: Proposals) -> tuple[Decision, Decision, HoldFigures]:
        """Return the best proposal, standing still included; standing still; and the figures of the latter."""
        weights = draws.weights
        action = torch.cat((found.action, torch.zeros_like(found.action[:1])))
        evaluate = self.cost.prepare(given.situation().to(draws.judged), draws.judged)
        costs = self._evaluate(evaluate, action)  # (C, N)
        objective = self.objective(costs, weights)
        p_fail = failure_probability(costs, self.failure_threshold, weights)
        feasible = p_fail <= self.config.delta
        if not bool(feasible.any()):
            feasible = torch.ones_like(feasible)
        best = int(objective.masked_fill(~feasible, math.inf).argmin())

        def decide(i: int) -> Decision:
            return Decision(
                action=action[i],
                effort_limit=self.hand.torque_limit,
                objective=float(objective[i]),
                cvar=float(self._risk(costs[i], weights)),
                expected_cost=float(expectation(costs[i], weights)),
                component=-1 if found.component is None or i == len(found.action) else int(found.component[i]),
            )

        still = decide(len(found.action))
        hold = HoldFigures(float(p_fail[-1]), still.expected_cost, still.cvar, costs.shape[-1])
        return decide(best), still, hold

    def _finish(
        self,
        given: PlanInput,
        decision: Decision,
        conclusion: Conclusion,
        entropy: float,
        in_time: bool,
        started: float,
    ) -> Decision:
        """Add what does not depend on the action: entropy and visual cost, the stop, the time, the belief's dtype."""
        config = self.config
        dtype = given.belief.means.dtype if given.belief is not None else given.q.dtype
        visual = float(visual_cost(given.observation)) if config.lambda_v > 0.0 else 0.0
        elapsed = self._clock() - started
        return replace(
            decision,
            action=decision.action.to(dtype),
            effort_limit=(config.effort_fraction * self.hand.torque_limit).to(decision.action.device, dtype),
            objective=decision.objective + config.gamma * entropy + config.lambda_v * visual,
            entropy=entropy,
            p_fail=conclusion.p_fail,
            evidence=conclusion.evidence,
            friction=conclusion.friction,
            lift_speed=conclusion.lift_speed,
            stop=bool(conclusion.stop_reason),
            stop_reason=conclusion.stop_reason,
            planning_time=elapsed,
            deadline_met=in_time and elapsed <= given.deadline,
        )


def _entropy(belief: Mixture, generator: Generator) -> float:
    """Return the belief's entropy [nats]; beliefs of many components, such as particles, get fewer draws of each."""
    draws = max(1, min(_ENTROPY_DRAWS, _ENTROPY_DRAWS_IN_ALL // belief.num_components))
    return float(belief.entropy(draws, generator))
