"""The learned belief: the dynamics of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vnb_belief import layout
from vnb_belief.beliefs.base import Belief, not_reset
from vnb_belief.checkpoint import load_checkpoint
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.features import relative_observation
from vnb_belief.mixture import Mixture

DEFAULT_CHECKPOINT = Path(__file__).resolve().parent.parent / "checkpoints" / "learned.pt"


class LearnedBelief(Belief):
    """Follows a grasp with :class:`BeliefDynamics`; returns mixtures in double precision, on the CPU.

    Args:
        model: The dynamics.
    """

    def __init__(self, model: BeliefDynamics) -> None:
        self._model = model.eval()
        self._state: tuple[Tensor, Mixture] | None = None
        self._start = torch.eye(4)
        self._motion = torch.zeros(6)

    @classmethod
    def from_checkpoint(cls, path: Path | None = None) -> LearnedBelief:
        """Load the checkpoint at ``path`` (the shipped one if None); raises :class:`CheckpointError`."""
        return cls(load_checkpoint(path or DEFAULT_CHECKPOINT)[0])

    @torch.no_grad()
    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        hold = observation.new_zeros(layout.ACTION_DIM)
        self._motion = torch.zeros(6)
        return self._advance(self._model.initial_state(), hold, observation, T_hand_object)

    @torch.no_grad()
    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        if self._state is None:
            raise not_reset("learned")
        return self._advance(self._state, action, observation, self._start)

    def _advance(self, state: tuple[Tensor, Mixture], action: Tensor, observation: Tensor, start: Tensor) -> Mixture:
        start = start.to(observation.dtype)
        like = state[0]
        relative = relative_observation(observation, start).to(like)
        advanced = self._model.step(*state, action.to(like), relative, self._motion.to(like))
        self._state, self._start, self._motion = (
            advanced,
            start,
            relative[layout.OBS_POSE],
        )  # only now: an error above leaves the belief as it was
        phi = advanced[1]
        return Mixture(phi.logits.double().cpu(), phi.means.double().cpu(), phi.log_stds.double().cpu())
