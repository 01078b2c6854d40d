"""Risk-aware planner over a belief mixture: Algorithm 1, per-component descent and choice over the whole mixture.

Each component of the belief proposes an action: its samples, three starting magnitudes, a few projected gradient steps
on the risk objective. The proposals, and standing still, are then judged on samples of the *whole* mixture, because a
proposal judged by its own component alone would be the most optimistic component's. Among those whose failure
probability is within the bound the lowest objective wins; if none is, the least failure probability.

Sizes: gradient steps, and the choice among a component's starts, use ``gradient_samples`` draws of each component;
proposals are compared on ``samples`` draws of the mixture, stratified by weight, and the figures that are reported,
exact CVaR included, are those of the chosen action on these draws. The action sequence is parametrised as a
constant velocity over the horizon, its cost is that of the horizon's end, and its first action is executed.

The entropy term is that of the present belief: the learned dynamics are not rolled out, so it shifts the objective but
does not change the action.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError
from vnb_planner.config import from_mapping, require_count, require_in, require_positive
from vnb_planner.costs import COSTS, Cost, Evaluate, visual_cost
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.action_box import ActionBox
from vnb_planner.planners.interface import Decision, PlanInput
from vnb_planner.planners.streams import step_generator
from vnb_planner.risk import RISKS, SmoothCVaR, expectation, failure_probability

_SOFT_SIGN = 1e-3
"""Gradient [cost s/rad] at which a joint takes half of the full step."""
_ENTROPY_DRAWS = 32


@dataclass(frozen=True)
class VnbConfig:
    """Parameters of the risk-aware planner.

    Attributes:
        cost: Name of the cost.
        cost_parameters: Its parameters.
        risk: Name of the risk measure that is blended with the mean and reported as ``cvar``.
        beta: Confidence level of the risk measure.
        lambda_c: Blend: 0 plans for the mean, 1 for the risk.
        lambda_v: Weight of the visual cost.
        gamma: Weight of the belief's entropy.
        delta: Largest acceptable failure probability.
        failure_threshold: Cost that counts as failure; None takes the cost's own.
        samples: Samples N of the mixture on which proposals are compared and the chosen one is reported.
        gradient_samples: Samples per component in gradient steps and for the choice among starts.
        gradient_steps: Gradient steps M.
        step_size: First step as a fraction of the action box; later ones shrink as 1/m.
        starts: Starting magnitudes as fractions of the box between standing still and its upper end.
        horizon: Steps H that the action sequence lasts.
        temperature: Softness of the CVaR surrogate in gradient steps, in units of the cost's spread.
        epsilon_des: Tactile quality at which closing stops, if the failure probability of holding is within ``delta``.
        max_steps: Step T_max at which closing stops in any case.
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
    delta: float = 0.2
    failure_threshold: float | None = None
    samples: int = 256
    gradient_samples: int = 32
    gradient_steps: int = 3
    step_size: float = 0.5
    starts: tuple[float, ...] = (0.3, 0.6, 1.0)
    horizon: int = 3
    temperature: float = 0.1
    epsilon_des: float = 0.05
    max_steps: int = 80
    effort_fraction: float = 1.0
    single_precision: bool = True
    box: ActionBox = field(default_factory=ActionBox)

    def __post_init__(self) -> None:
        COSTS[self.cost]
        RISKS[self.risk](self.beta)
        for name in ("lambda_c", "delta", "effort_fraction", "step_size"):
            require_in(name, getattr(self, name), 0.0, 1.0)
        for name in ("lambda_v", "gamma", "epsilon_des"):
            require_in(name, getattr(self, name), 0.0, 1e6)
        for name, low in (
            ("samples", 1),
            ("gradient_samples", 1),
            ("gradient_steps", 0),
            ("horizon", 1),
            ("max_steps", 1),
        ):
            require_count(name, getattr(self, name), low)
        require_positive("temperature", self.temperature)
        if not self.starts:
            raise ConfigError("starts: got none, expected at least one starting magnitude")
        for start in self.starts:
            require_in("starts", start, 0.0, 1.0)
        if isinstance(self.box, Mapping):
            object.__setattr__(self, "box", from_mapping(ActionBox, self.box))


@dataclass(frozen=True, eq=False)
class _Proposals:
    """Candidate velocities ``(C, 6)`` and the component of each ``(C,)``; -1 stands still."""

    action: Tensor
    component: Tensor


class VnbPlanner:
    """See the module. Keeps no state between steps.

    Args:
        hand: The hand.
        target: The object.
        config: Parameters.
        clock: Monotonic time in seconds; replaced in tests.
    """

    def __init__(
        self, hand: HandModel, target: ObjectModel, config: VnbConfig, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.hand = hand
        self.config = config
        self.cost: Cost = COSTS[config.cost](hand, target, config.cost_parameters)
        self._risk = RISKS[config.risk](config.beta)
        self._surrogate = SmoothCVaR(config.beta, config.temperature)
        self._clock = clock
        own = self.cost.failure_threshold
        self.failure_threshold = own if config.failure_threshold is None else config.failure_threshold

    @classmethod
    def make(cls, hand: HandModel, target: ObjectModel, parameters: Mapping[str, Any] | None) -> VnbPlanner:
        """Make the planner from a mapping of :class:`VnbConfig`'s fields."""
        return cls(hand, target, from_mapping(VnbConfig, parameters))

    def reset(self) -> None:
        """See :class:`vnb_planner.planners.interface.Planner`."""

    def plan(self, given: PlanInput) -> Decision:
        """See :class:`vnb_planner.planners.interface.Planner`.

        Raises:
            ConfigError: If there is no belief.
            NonFiniteError: If a cost is not finite.
        """
        started = self._clock()
        if given.belief is None:
            raise ConfigError("vnb planner: got no belief, expected a mixture; start the belief before the planner")
        belief = given.belief.detach()
        generator = step_generator(given.seed, "planner", given.step)
        draws = belief.sample_components(self.config.gradient_samples, generator)  # (K, n, 26)
        mixed = belief.sample(self.config.samples, generator, stratified=True)  # (N, 26)
        if self.config.single_precision:
            draws, mixed = draws.float(), mixed.float()
        lower, upper = self.config.box.bounds(given.contact, self.hand, draws)
        proposals, in_time = self._propose(given, draws, (lower, upper), started + given.deadline)
        with torch.no_grad():
            decision, hold_p_fail = self._choose(given, mixed, proposals)
            entropy = float(belief.entropy(_ENTROPY_DRAWS, generator))
        return self._finish(given, decision, entropy, hold_p_fail, in_time, started)

    def _propose(
        self, given: PlanInput, draws: Tensor, box: tuple[Tensor, Tensor], due: float
    ) -> tuple[_Proposals, bool]:
        """Descend from every start under every component; return each component's best and whether time sufficed."""
        k, situation = draws.shape[0], given.situation().to(draws)
        lower, upper = box
        starts = torch.tensor(self.config.starts, dtype=draws.dtype, device=draws.device)
        action = (starts[:, None] * upper).expand(k, -1, -1).clone()  # (K, S, 6)
        evaluate = self.cost.prepare(situation, draws)
        in_time = True
        for m in range(self.config.gradient_steps):
            in_time = self._clock() < due
            if not in_time:
                break
            action.requires_grad_()
            costs = self._evaluate(evaluate, action)
            (gradient,) = torch.autograd.grad(self._soft_objective(costs).sum(), action)
            step = self.config.step_size / (m + 1) * (upper - lower)
            action = action.detach() - step * gradient / (gradient.abs() + _SOFT_SIGN)
            action = torch.minimum(torch.maximum(action, lower), upper)
        with torch.no_grad():
            first = self._objective(self._evaluate(evaluate, action)).argmin(-1)  # (K,)
        component = torch.arange(k, device=draws.device)
        chosen = action[component, first]
        hold = torch.zeros_like(chosen[:1])
        return _Proposals(torch.cat((chosen, hold)), torch.cat((component, component.new_tensor([-1])))), in_time

    def _choose(self, given: PlanInput, mixed: Tensor, proposals: _Proposals) -> tuple[Decision, float]:
        """Return the best proposal over the mixture and the failure probability of standing still."""
        evaluate = self.cost.prepare(given.situation().to(mixed), mixed)
        costs = self._evaluate(evaluate, proposals.action)  # (C, N)
        objective, p_fail = self._objective(costs), failure_probability(costs, self.failure_threshold)
        feasible = p_fail <= self.config.delta
        if not bool(feasible.any()):
            # Ties in failure probability (all certain to fail, say) are broken by the objective.
            feasible = p_fail <= p_fail.min()
        best = int(objective.masked_fill(~feasible, math.inf).argmin())
        decision = Decision(
            action=proposals.action[best],
            effort_limit=self.hand.torque_limit,
            objective=float(objective[best]),
            cvar=float(self._risk(costs[best])),
            expected_cost=float(expectation(costs[best])),
            p_fail=float(p_fail[best]),
            component=int(proposals.component[best]),
        )
        return decision, float(p_fail[-1])

    def _finish(
        self, given: PlanInput, decision: Decision, entropy: float, hold_p_fail: float, in_time: bool, started: float
    ) -> Decision:
        """Add what does not depend on the action: entropy and visual cost, the stop, the time, the belief's dtype."""
        dtype = given.belief.means.dtype if given.belief is not None else given.q.dtype
        reason = ""
        if given.epsilon_hat >= self.config.epsilon_des and hold_p_fail <= self.config.delta:
            reason = "quality"
        elif given.step >= self.config.max_steps:
            reason = "step_limit"
        visual = float(visual_cost(given.observation)) if self.config.lambda_v > 0.0 else 0.0
        elapsed = self._clock() - started
        return replace(
            decision,
            action=(torch.zeros_like(decision.action) if reason else decision.action).to(dtype),
            effort_limit=(self.config.effort_fraction * self.hand.torque_limit).to(decision.action.device, dtype),
            objective=decision.objective + self.config.gamma * entropy + self.config.lambda_v * visual,
            entropy=entropy,
            stop=bool(reason),
            stop_reason=reason,
            planning_time=elapsed,
            deadline_met=in_time and elapsed <= given.deadline,
        )

    def _evaluate(self, evaluate: Evaluate, velocity: Tensor) -> Tensor:
        """Return the costs ``(*B, S, N)`` of constant velocities ``(*B, S, 6)`` over the horizon."""
        return evaluate(velocity.unsqueeze(-2).expand(*velocity.shape[:-1], self.config.horizon, -1))

    def _objective(self, costs: Tensor) -> Tensor:
        blend = self.config.lambda_c
        return blend * self._risk(costs) + (1.0 - blend) * expectation(costs)

    def _soft_objective(self, costs: Tensor) -> Tensor:
        blend = self.config.lambda_c
        return blend * self._surrogate(costs) + (1.0 - blend) * expectation(costs)
