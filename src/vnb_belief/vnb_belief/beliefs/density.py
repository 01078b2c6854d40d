"""What flow and implicit belief have in common: a density over ``u`` given the embedding of the learned dynamics."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import torch
from torch import Generator, Tensor

from vnb_belief.beliefs.learned import DEFAULT_CHECKPOINT, LearnedBelief
from vnb_belief.checkpoint import load_checkpoint
from vnb_belief.dynamics import HIDDEN_DIM, BeliefDynamics
from vnb_belief.mixture import Mixture
from vnb_belief.reduction import reduce_mixture
from vnb_belief.shared import SharedFrame, contrast_log_prob, from_shared, to_shared

SUMMARY_DRAWS = 256
SUMMARY_COMPONENTS = 8
_POINT = 0.05
"""Width of a draw's component before the draws are merged, in standard deviations of their entry."""


def load_dynamics_beside(path: Path) -> BeliefDynamics:
    """Return the dynamics of the ``learned.pt`` in the folder of a density's checkpoint; raises CheckpointError."""
    return load_checkpoint(path.with_name(DEFAULT_CHECKPOINT.name))[0]


class DensityBelief(LearnedBelief):
    """A density over ``u = (shared latent - mean) / std`` given the embedding ``h``.

    Mean and std are the first two moments of the learned mixture at the same step. The density itself answers
    :meth:`sample`, :meth:`log_prob` and :meth:`entropy`; the summary is a mixture that is fitted to draws from it with
    fixed seed: their groups' moments (:func:`vnb_belief.reduction.reduce_mixture`). Contacts share their properties
    (:mod:`vnb_belief.shared`).

    Args:
        model: The dynamics.
        seed: Seed of the summary's draws; every reset starts them anew.
    """

    def __init__(self, model: BeliefDynamics, seed: int = 0) -> None:
        super().__init__(model)
        self._seed = seed
        self._embedding = torch.zeros(HIDDEN_DIM)
        self._frame = SharedFrame.of(model.initial_state()[1])

    def _summary(self, h: Tensor, phi: Mixture) -> Mixture:
        frame = SharedFrame.of(phi)
        u = self._draw_summary(h)
        summary = summarise_draws(frame.restore(u).double())
        self._embedding, self._frame = h, frame
        return summary

    @torch.no_grad()
    def _predict(self, action: Tensor) -> Mixture:
        """Return the learned mixture's prediction: it is the density's base."""
        return super()._predict(action)

    @torch.no_grad()
    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return from_shared(self._frame.restore(self._draw(n, generator)).double(), generator)

    @torch.no_grad()
    def _log_prob(self, theta: Tensor) -> Tensor:
        theta = theta.double()
        frame = SharedFrame(self._frame.mean.double(), self._frame.std.double())
        u = frame.normalise(to_shared(theta)).to(self._embedding)
        return self._log_density(u).double() + frame.log_volume() + contrast_log_prob(theta)

    @torch.no_grad()
    def _entropy(self, n: int, generator: Generator | None) -> Tensor:
        return -self._log_prob(self._sample(n, generator)).mean()

    @abstractmethod
    def _draw_summary(self, h: Tensor) -> Tensor:
        """Return deterministic draws of ``u (n, 14)`` at the embedding ``h (64,)`` of a new step."""

    @abstractmethod
    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        """Return ``n`` draws of ``u (n, 14)`` at the present embedding."""

    @abstractmethod
    def _log_density(self, u: Tensor) -> Tensor:
        """Return the log-density of ``u (n, 14)`` at the present embedding, shape ``(n,)``."""


def summarise_draws(shared: Tensor, num_components: int = SUMMARY_COMPONENTS) -> Mixture:
    """Return a mixture over ``theta`` that is fitted to draws of the shared latent ``(n, 14)``; deterministic."""
    theta = from_shared_mean(shared)
    spread = theta.std(dim=0).clamp(min=1e-6)
    log_stds = (_POINT * spread).log().expand_as(theta).contiguous()
    return reduce_mixture(Mixture(theta.new_zeros(len(theta)), theta, log_stds), num_components)


def from_shared_mean(shared: Tensor) -> Tensor:
    """Return latents ``(..., 26)`` in which all contacts have the shared values exactly."""
    blocks = [shared[..., [6 + k]].expand(*shared.shape[:-1], 5) for k in range(3)]
    return torch.cat((shared[..., :6], *blocks, shared[..., 9:]), dim=-1)
