"""The learned belief: the dynamics of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vnb_belief import layout
from vnb_belief.beliefs.base import Belief
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

    name = "learned"

    def __init__(self, model: BeliefDynamics) -> None:
        self._model = model.eval()
        self._state: tuple[Tensor, Mixture] = model.initial_state()
        self._start = torch.eye(4)
        self._seen = torch.zeros(layout.OBSERVATION_DIM)

    @classmethod
    def from_checkpoint(cls, path: Path | None = None) -> LearnedBelief:
        """Load the checkpoint at ``path`` (the shipped one if None); raises :class:`CheckpointError`."""
        return cls(load_checkpoint(path or DEFAULT_CHECKPOINT)[0])

    @torch.no_grad()
    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        hold = observation.new_zeros(layout.ACTION_DIM)
        at_rest = observation.new_zeros(layout.OBS_POSE.stop)
        begin = self._model.begin(observation.to(self._state[0]))
        return self._advance(begin, hold, observation, T_hand_object, at_rest)

    @torch.no_grad()
    def _predict(self, action: Tensor) -> Mixture:
        """Step with the last observation repeated, as what is most expected of the next.

        The transition network alone is no prediction: training never decodes its output. Measured on held-out objects,
        the NLL of the next step's latent without pose is 1.58 nats with the last observation repeated, 1.61 with the
        belief kept, 2.02 with the transition decoded.
        """
        like = self._state[0]
        seen = self._seen.to(like)
        phi = self._model.step(*self._state, action.to(like), seen, seen[layout.OBS_POSE])[1]
        return _in_double(phi)

    @torch.no_grad()
    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        return self._advance(self._state, action, observation, self._start, self._seen[layout.OBS_POSE])

    def _advance(
        self, state: tuple[Tensor, Mixture], action: Tensor, observation: Tensor, start: Tensor, motion: Tensor
    ) -> Mixture:
        start = start.to(observation.dtype)
        like = state[0]
        relative = relative_observation(observation, start).to(like)
        advanced = self._model.step(*state, action.to(like), relative, motion.to(like))
        summary = self._summary(*advanced)
        # Only now: an error above leaves the belief as it was.
        self._state, self._start, self._seen = advanced, start, relative
        return summary

    def _summary(self, h: Tensor, phi: Mixture) -> Mixture:
        """Return the mixture that stands for the embedding ``h (64,)`` and the dynamics' belief ``phi``."""
        return _in_double(phi)


def _in_double(phi: Mixture) -> Mixture:
    return Mixture(phi.logits.double().cpu(), phi.means.double().cpu(), phi.log_stds.double().cpu())
