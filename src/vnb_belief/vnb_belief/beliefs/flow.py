"""The belief as a normalising flow on the learned dynamics."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from vnb_belief.beliefs.density import SUMMARY_DRAWS, DensityBelief, load_dynamics_beside
from vnb_belief.beliefs.learned import DEFAULT_CHECKPOINT
from vnb_belief.densities.checkpoint import load_density
from vnb_belief.densities.flow import ConditionalFlow
from vnb_belief.dynamics import BeliefDynamics

FLOW_CHECKPOINT = DEFAULT_CHECKPOINT.with_name("flow.pt")


class FlowBelief(DensityBelief):
    """Exact draws and exact density of a :class:`ConditionalFlow`; entropy by Monte Carlo.

    Args:
        model: The dynamics.
        density: The flow, trained on their embeddings.
        seed: Seed of the summary's draws.
    """

    name = "flow"

    def __init__(self, model: BeliefDynamics, density: ConditionalFlow, seed: int = 0) -> None:
        super().__init__(model, seed)
        self._density = density.eval()

    @classmethod
    def from_checkpoint(cls, path: Path | None = None, seed: int = 0) -> FlowBelief:
        """Load the flow at ``path`` (the shipped one if None) and the ``learned.pt`` beside it.

        Raises:
            CheckpointError: If either cannot be used, or they do not belong together.
        """
        path = path or FLOW_CHECKPOINT
        model = load_dynamics_beside(path)
        density, _ = load_density(path, cls.name, model)
        assert isinstance(density, ConditionalFlow)
        return cls(model, density, seed)

    def _draw_summary(self, h: Tensor) -> Tensor:
        return self._density.sample(h, SUMMARY_DRAWS, torch.Generator().manual_seed(self._seed))

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        return self._density.sample(self._embedding, n, generator)

    def _log_density(self, u: Tensor) -> Tensor:
        return self._density.log_prob(u, self._embedding)
