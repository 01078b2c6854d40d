"""Data sets as the tensors that the dynamics consumes, their splits and their normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vnb_belief import layout
from vnb_belief.dynamics import VISION_FLOOR, Normalisation
from vnb_belief.features import pose_from_vector, relative_observation
from vnb_belief.training.dataset import DatasetError, EpisodeDataset

_SMALLEST_STD = {
    "pose": 2e-3,
    "trace": 1e-5,
    "force": 0.1,
    "contact": 0.1,
    "joint_position": 0.02,
    "joint_velocity": 0.02,
    "occlusion": VISION_FLOOR,
    "segmentation": VISION_FLOOR,
}
"""Spread below which a part of the observation counts as constant: dividing by less would blow up its noise."""

_SMALLEST_ACTION_STD = 0.02


@dataclass(frozen=True, eq=False)
class Sequences:
    """Episodes as model input and target, float32; L = T + 1 observations each.

    Attributes:
        actions: Action before each observation, zero before the first, shape ``(N, L, 6)``.
        observations: Relative observations, shape ``(N, L, 41)``.
        theta: True latents, shape ``(N, L, 26)``.
        valid: Entries of ``theta`` that count, bool, shape ``(N, L, 26)``.
        mask: Steps that exist, bool, shape ``(N, L)``.
    """

    actions: Tensor
    observations: Tensor
    theta: Tensor
    valid: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.actions)

    def select(self, index: Tensor) -> Sequences:
        """Return the episodes ``index``."""
        return Sequences(*(value[index] for value in vars(self).values()))

    def to(self, device: str) -> Sequences:
        """Return the same sequences on ``device``."""
        return Sequences(*(value.to(device) for value in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of episodes.

    Attributes:
        train, validation: Seen objects and regimes, disjoint episodes.
        held_out_objects: Every episode with an object that training never sees.
        held_out_regimes: Seen objects under a friction regime that training never sees.
    """

    train: Tensor
    validation: Tensor
    held_out_objects: Tensor
    held_out_regimes: Tensor


def make_sequences(dataset: EpisodeDataset) -> Sequences:
    """Return the data set as sequences; the pose is made relative to the first estimate of each episode."""
    observations = torch.from_numpy(dataset.observations).double()
    start = pose_from_vector(observations[:, :1, layout.OBS_POSE])
    actions = torch.from_numpy(dataset.actions)
    mask = torch.from_numpy(dataset.mask)
    relative = relative_observation(observations, start).float() * mask.unsqueeze(-1)
    return Sequences(
        actions=torch.cat((torch.zeros_like(actions[:, :1]), actions), dim=1),
        observations=relative,
        theta=torch.from_numpy(dataset.theta),
        valid=torch.from_numpy(dataset.valid) & mask.unsqueeze(-1),
        mask=mask,
    )


def split_episodes(
    dataset: EpisodeDataset,
    seed: int,
    validation_fraction: float,
    held_out_objects: Sequence[str],
    held_out_regimes: Sequence[str],
    validation_objects: Sequence[str] = (),
) -> Split:
    """Split episodes by object and regime, then hold back a random part of the rest, or whole objects, for validation.

    Raises:
        DatasetError: If a held-out name has no episode, or training or validation would be empty.
    """
    unseen_object = _among(dataset.object_names, held_out_objects, "object")
    unseen_regime = _among(dataset.regimes, held_out_regimes, "regime")
    seen = np.flatnonzero(~unseen_object & ~unseen_regime)
    order = np.random.default_rng(seed).permutation(seen)
    count = round(validation_fraction * len(order))
    if validation_objects:
        unseen = _among(dataset.object_names[seen], validation_objects, "object")
        order = np.concatenate((seen[unseen], seen[~unseen]))
        count = int(unseen.sum())
    if count == 0 or count == len(order):
        raise DatasetError(
            f"data set: got {len(order)} episodes outside the held-out ones, {count} of them for validation; "
            "expected at least one each for training and validation; collect more episodes"
        )
    return Split(
        train=torch.from_numpy(np.sort(order[count:])),
        validation=torch.from_numpy(np.sort(order[:count])),
        held_out_objects=torch.from_numpy(np.flatnonzero(unseen_object)),
        held_out_regimes=torch.from_numpy(np.flatnonzero(unseen_regime & ~unseen_object)),
    )


def fit_normalisation(sequences: Sequences) -> Normalisation:
    """Return mean and spread of the inputs over all existing steps of ``sequences``."""
    seen = sequences.observations[sequences.mask].double()
    floor = torch.cat(
        [
            torch.full((where.stop - where.start,), _SMALLEST_STD[name], dtype=torch.float64)
            for name, where in layout.OBSERVATION_SLICES.items()
        ]
    )
    actions = sequences.actions[sequences.mask].double()
    return Normalisation(
        observation_mean=seen.mean(dim=0).float(),
        observation_std=torch.maximum(seen.std(dim=0, correction=0), floor).float(),
        action_std=actions.square().mean(dim=0).sqrt().clamp(min=_SMALLEST_ACTION_STD).float(),
    )


def _among(values: NDArray[np.str_], names: Sequence[str], what: str) -> NDArray[np.bool_]:
    absent = sorted(set(names) - set(values.tolist()))
    if absent:
        raise DatasetError(
            f"held-out {what}: got {', '.join(absent)}, expected names in the data set: "
            f"{', '.join(sorted(set(values.tolist())))}"
        )
    return np.isin(values, list(names))
