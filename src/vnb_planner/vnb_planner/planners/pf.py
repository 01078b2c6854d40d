"""The particle baseline: actions drawn at random, each judged on weighted particles of the belief.

A belief of at least ``samples`` components is taken for a particle filter's: the means of its components are the
particles, its weights theirs. Of any other belief ``samples`` particles are drawn, stratified by component. All
candidates meet all particles in one batched evaluation; CVaR sorts the weighted costs.

There is no second stage: the particles are all that this planner has, so the figures that it reports are those on which
it chose. If the deadline has passed before the evaluation, only the starting magnitudes are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from vnb_belief.mixture import Mixture
from vnb_planner.config import require_count
from vnb_planner.planners.search import Draws, Problem, Proposals, SearchConfig, SearchPlanner


@dataclass(frozen=True)
class PfConfig(SearchConfig):
    """Parameters of the particle planner, besides those of every search.

    Attributes:
        samples: Particles that are drawn; a belief of at least as many components is its own particles.
        candidates: Actions drawn uniformly from the action box, besides the starting magnitudes.
    """

    samples: int = 100
    candidates: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("candidates", self.candidates, 1)


class PfPlanner(SearchPlanner):
    """See the module."""

    name: ClassVar[str] = "pf"
    config_type: ClassVar[type[SearchConfig]] = PfConfig
    config: PfConfig

    def draw(self, belief: Mixture, generator: Generator) -> Draws:
        """See :class:`vnb_planner.planners.search.SearchPlanner`."""
        if belief.num_components >= self.config.samples:
            return Draws(belief.means, belief.means, belief.weights)
        particles = belief.sample(self.config.samples, generator, stratified=True)
        return Draws(particles, particles)

    def propose(self, problem: Problem) -> Proposals:
        """Return the starting magnitudes and, in time, actions drawn from the box."""
        if self.late(problem.due):
            return Proposals(problem.starts, in_time=False)
        lower, upper = problem.lower, problem.upper
        share = torch.rand(
            (self.config.candidates, len(lower)), generator=problem.generator, dtype=lower.dtype, device=lower.device
        )
        return Proposals(torch.cat((problem.starts, lower + share * (upper - lower))))
