"""The cross-entropy baseline: samples, elites and a refitted Gaussian over actions, on a belief of one Gaussian.

Per iteration a population is drawn about the mean, clipped to the action box and ordered as proposals are chosen:
those whose failure probability is within the bound first, then the others, both by objective. Mean and standard
deviation of the best fifth make the next iteration's law [deBoer2005]; a floor on the standard deviation keeps it from
freezing. The mean that it ends with and the last elites are proposed, and judged on more samples than the search saw.

Each step starts at the mean of the previous one with the full spread; the first, at the middle of the box.

Population, elite fraction and iterations are the paper's, cost, model, horizon and deadline those of ``vnb``, and with
``search_samples`` like ``vnb``'s ``gradient_samples`` it takes about the same time.

References:
    [deBoer2005] P.-T. de Boer, D. Kroese, S. Mannor, R. Rubinstein, A tutorial on the cross-entropy method, Annals of
        Operations Research 134.
    [Rubinstein2004] R. Rubinstein, D. Kroese, The Cross-Entropy Method, Springer 2004.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError
from vnb_planner.config import require_count, require_in
from vnb_planner.planners.gauss import collapse
from vnb_planner.planners.search import Draws, Problem, Proposals, SearchConfig, SearchPlanner
from vnb_planner.risk import failure_probability


@dataclass(frozen=True)
class CemConfig(SearchConfig):
    """Parameters of the cross-entropy search, besides those of every search.

    Attributes:
        warm_start: Whether a step starts at the mean of the previous one.
        population: Actions per iteration.
        elite: Fraction of them that the next iteration is fitted to.
        iterations: Iterations; 0 judges the starting magnitudes as they are.
        search_samples: Samples of the belief on which the search compares actions.
        spread: First standard deviation as a fraction of the action box.
        std_floor: Least standard deviation as a fraction of the action box.
    """

    warm_start: bool = True
    population: int = 64
    elite: float = 0.2
    iterations: int = 3
    search_samples: int = 32
    spread: float = 0.5
    std_floor: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("population", self.population, 2)
        require_count("iterations", self.iterations, 0)
        require_count("search_samples", self.search_samples, 1)
        for name in ("elite", "spread", "std_floor"):
            require_in(name, getattr(self, name), 0.0, 1.0)
        if self.elites < 2:
            raise ConfigError(
                f"elite: got {self.elite} of a population of {self.population}, expected two elites at least; "
                "raise either"
            )

    @property
    def elites(self) -> int:
        """Number of elites, the nearest whole number."""
        return round(self.elite * self.population)


class CemPlanner(SearchPlanner):
    """See the module."""

    name: ClassVar[str] = "cem"
    config_type: ClassVar[type[SearchConfig]] = CemConfig
    config: CemConfig

    def believe(self, belief: Mixture) -> Mixture:
        """See :class:`vnb_planner.planners.search.SearchPlanner`."""
        return collapse(belief)

    def draw(self, belief: Mixture, generator: Generator) -> Draws:
        """See :class:`vnb_planner.planners.search.SearchPlanner`."""
        searched = belief.sample(self.config.search_samples, generator)
        return Draws(belief.sample(self.config.samples, generator, stratified=True), searched)

    @torch.no_grad()
    def propose(self, problem: Problem) -> Proposals:
        """Run the iterations that the deadline allows; return the last mean and elites, or the starts before any."""
        width = problem.upper - problem.lower
        mean = 0.5 * (problem.lower + problem.upper) if problem.warm is None else problem.warm
        std, floor = self.config.spread * width, self.config.std_floor * width
        found, in_time = Proposals(problem.starts), True
        for _ in range(self.config.iterations):
            in_time = not self.late(problem.due)
            if not in_time:
                break
            noise = torch.randn(
                (self.config.population, len(mean)), generator=problem.generator, dtype=mean.dtype, device=mean.device
            )
            population = torch.minimum(torch.maximum(mean + std * noise, problem.lower), problem.upper)
            elites = population[self._order(problem.evaluate(population))[: self.config.elites]]
            mean, std = elites.mean(0), torch.maximum(elites.std(0), floor)
            found = Proposals(torch.cat((mean[None], elites)), carry=mean)
        return replace(found, in_time=in_time)

    def _order(self, costs: Tensor) -> Tensor:
        """Return the indices ``(P,)`` of actions by their costs ``(P, n)``, best first."""
        objective = self.objective(costs)
        beyond = (failure_probability(costs, self.failure_threshold) > self.config.delta).int()
        by_objective = objective.argsort(stable=True)
        return by_objective[beyond[by_objective].argsort(stable=True)]
