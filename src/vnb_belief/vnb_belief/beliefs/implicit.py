"""The belief as an implicit density on the learned dynamics: a sine network, sampled by Langevin dynamics."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Generator, Tensor

from vnb_belief.beliefs.density import SUMMARY_DRAWS, DensityBelief, load_dynamics_beside
from vnb_belief.beliefs.learned import DEFAULT_CHECKPOINT
from vnb_belief.densities.checkpoint import load_density
from vnb_belief.densities.siren import ImplicitDensity
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.langevin import langevin
from vnb_belief.mixture import Mixture
from vnb_belief.shared import SHARED_DIM

IMPLICIT_CHECKPOINT = DEFAULT_CHECKPOINT.with_name("implicit.pt")
PROPOSALS = 2048


class ImplicitBelief(DensityBelief):
    """Draws of an :class:`ImplicitDensity` by Langevin dynamics; its density is an **estimate**.

    The normalising constant is estimated by importance sampling with the Gaussian of the learned mixture's moments as
    proposal, ``Z = mean exp(g)`` over fixed draws; :meth:`log_prob` and :meth:`entropy` inherit its error.
    Langevin chains start at a reset from importance-resampled proposals, and at every other step where they ended at
    the step before (warm start): each step moves them by 0.05 of the time that a unit Gaussian takes to forget.

    Args:
        model: The dynamics.
        density: The density, trained on their embeddings.
        seed: Seed of proposals and chains.
    """

    name = "implicit"

    def __init__(self, model: BeliefDynamics, density: ImplicitDensity, seed: int = 0) -> None:
        super().__init__(model, seed)
        self._density = density.eval()
        self._generator = torch.Generator().manual_seed(seed)
        proposals = torch.Generator().manual_seed(seed)
        self._proposals = torch.randn(PROPOSALS, SHARED_DIM, generator=proposals)
        self._chains: Tensor | None = None

    @classmethod
    def from_checkpoint(cls, path: Path | None = None, seed: int = 0) -> ImplicitBelief:
        """Load the density at ``path`` (the shipped one if None) and the ``learned.pt`` beside it.

        Raises:
            CheckpointError: If either cannot be used, or they do not belong together.
        """
        path = path or IMPLICIT_CHECKPOINT
        model = load_dynamics_beside(path)
        density, _ = load_density(path, cls.name, model)
        assert isinstance(density, ImplicitDensity)
        return cls(model, density, seed)

    def log_normaliser(self) -> float:
        """Return the estimate of ``log Z`` at the present step; near zero after noise-contrastive training.

        Raises:
            ConfigError: If :meth:`reset` was not called.
        """
        self._require_started()
        with torch.no_grad():
            ratio = self._density.log_ratio(self._proposals, self._embedding)
        return float(torch.logsumexp(ratio, dim=0)) - math.log(PROPOSALS)

    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        self._generator = torch.Generator().manual_seed(self._seed)
        self._chains = None
        return super()._reset(observation, T_hand_object)

    def _draw_summary(self, h: Tensor) -> Tensor:
        start = self._resampled(h, SUMMARY_DRAWS, self._generator) if self._chains is None else self._chains
        self._chains = langevin(lambda u: self._density.log_density(u, h), start, self._generator)
        return self._chains

    def _resampled(self, h: Tensor, n: int, generator: Generator | None) -> Tensor:
        weights = self._density.log_ratio(self._proposals, h).softmax(dim=0)
        return self._proposals[torch.multinomial(weights, n, replacement=True, generator=generator)]

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        assert self._chains is not None
        generator = generator or torch.Generator().manual_seed(self._seed)
        index = torch.randint(len(self._chains), (n,), generator=generator)
        h = self._embedding
        return langevin(lambda u: self._density.log_density(u, h), self._chains[index], generator)

    def _log_density(self, u: Tensor) -> Tensor:
        return self._density.log_density(u, self._embedding) - self.log_normaliser()
