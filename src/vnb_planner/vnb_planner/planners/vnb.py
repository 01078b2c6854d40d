"""Risk-aware planner over a belief mixture: Algorithm 1, per-component descent and choice over the whole mixture.

Each component of the belief proposes an action: its samples, three starting magnitudes, a few projected gradient steps
on the risk objective. The proposals, and standing still, are then judged on samples of the *whole* mixture (stratified
by weight), because a proposal judged by its own component alone would be the most optimistic component's. See
:mod:`vnb_planner.planners.search` for the choice, the reported figures, the stop and the deadline.

Gradient steps, and the choice among a component's starts, use ``gradient_samples`` draws of each component. A warm
start, if asked for, is one more start of every component: what the previous step chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import torch
from torch import Generator, Tensor

from vnb_belief.mixture import Mixture
from vnb_planner.config import require_count, require_in, require_positive
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners.search import Draws, Problem, Proposals, SearchConfig, SearchPlanner
from vnb_planner.risk import descent_measure, expectation

_SOFT_SIGN = 1e-3
"""Gradient [cost s/rad] at which a joint takes half of the full step."""


@dataclass(frozen=True)
class VnbConfig(SearchConfig):
    """Parameters of the risk-aware planner, besides those of every search.

    Attributes:
        gradient_samples: Samples per component in gradient steps and for the choice among starts.
        gradient_steps: Gradient steps M.
        step_size: First step as a fraction of the action box; later ones shrink as 1/m.
        temperature: Softness of the CVaR surrogate in gradient steps, in units of the cost's spread.
    """

    gradient_samples: int = 32
    gradient_steps: int = 3
    step_size: float = 0.5
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("gradient_samples", self.gradient_samples, 1)
        require_count("gradient_steps", self.gradient_steps, 0)
        require_in("step_size", self.step_size, 0.0, 1.0)
        require_positive("temperature", self.temperature)


class VnbPlanner(SearchPlanner):
    """See the module."""

    name: ClassVar[str] = "vnb"
    config_type: ClassVar[type[SearchConfig]] = VnbConfig
    config: VnbConfig

    def __init__(
        self, hand: HandModel, target: ObjectModel, config: VnbConfig, clock: Callable[[], float] = perf_counter
    ) -> None:
        super().__init__(hand, target, config, clock)
        self._surrogate = descent_measure(config.risk, config.beta, config.temperature)

    def draw(self, belief: Mixture, generator: Generator) -> Draws:
        """See :class:`vnb_planner.planners.search.SearchPlanner`; the search's are per component ``(K, n, 26)``."""
        searched = belief.sample_components(self.config.gradient_samples, generator)
        return Draws(belief.sample(self.config.samples, generator, stratified=True), searched)

    def propose(self, problem: Problem) -> Proposals:
        """Descend from every start under every component; return each component's best."""
        k, lower, upper = problem.draws.searched.shape[0], problem.lower, problem.upper
        action = problem.starts.expand(k, -1, -1).clone()  # (K, S, 6)
        in_time = True
        for m in range(self.config.gradient_steps):
            in_time = not self.late(problem.due)
            if not in_time:
                break
            action.requires_grad_()
            costs = problem.evaluate(action)
            (gradient,) = torch.autograd.grad(self._soft_objective(costs).sum(), action)
            step = self.config.step_size / (m + 1) * (upper - lower)
            action = action.detach() - step * gradient / (gradient.abs() + _SOFT_SIGN)
            action = torch.minimum(torch.maximum(action, lower), upper)
        with torch.no_grad():
            first = self.objective(problem.evaluate(action)).argmin(-1)  # (K,)
        component = torch.arange(k, device=action.device)
        return Proposals(action[component, first], component, in_time)

    def _soft_objective(self, costs: Tensor) -> Tensor:
        blend = self.config.lambda_c
        return blend * self._surrogate(costs) + (1.0 - blend) * expectation(costs)
