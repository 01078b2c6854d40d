"""Grasp episodes with known latents: what the belief is trained and judged on."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vnb_belief import layout
from vnb_belief.layout import PhysicalLatent, from_physical
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.frames.se3 import local

DATASET_VERSION = 1

_ARRAYS = ("actions", "observations", "theta", "valid", "mask", "object_names", "regimes")


class DatasetError(ConfigError):
    """A data set is missing, damaged, of another version, or too small for what is asked of it."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One grasp of T decision steps.

    Attributes:
        actions: Joint velocities between observations [rad/s], shape ``(T, 6)``.
        observations: Observations, shape ``(T + 1, 41)``.
        theta: True latent at each observation, shape ``(T + 1, 26)``; its pose is the tangent from the pose
            *estimate* of that step to the true pose.
        valid: Entries of ``theta`` that are defined (slip is not, for a finger that does not touch), bool.
        object_name: Registered name of the object.
        regime: Name of the friction regime.
    """

    actions: NDArray[np.float32]
    observations: NDArray[np.float32]
    theta: NDArray[np.float32]
    valid: NDArray[np.bool_]
    object_name: str
    regime: str

    def __post_init__(self) -> None:
        steps = len(self.actions)
        for name, tail, rows in (
            ("actions", layout.ACTION_DIM, steps),
            ("observations", layout.OBSERVATION_DIM, steps + 1),
            ("theta", layout.LATENT_DIM, steps + 1),
            ("valid", layout.LATENT_DIM, steps + 1),
        ):
            value = getattr(self, name)
            if value.shape != (rows, tail):
                raise ShapeError(f"episode {name}: got shape {value.shape}, expected ({rows}, {tail})")
            counted = value[self.valid] if name == "theta" else value
            if not np.isfinite(counted).all():
                raise NonFiniteError(f"episode {name} of {self.object_name}: got NaN or infinity, expected finite")


@dataclass(frozen=True, eq=False)
class EpisodeDataset:
    """N episodes padded to the same length T.

    Attributes:
        actions: Shape ``(N, T, 6)``.
        observations: Shape ``(N, T + 1, 41)``.
        theta: Shape ``(N, T + 1, 26)``.
        valid: Shape ``(N, T + 1, 26)``, bool.
        mask: Steps that exist, shape ``(N, T + 1)``, bool.
        object_names: Shape ``(N,)``.
        regimes: Shape ``(N,)``.
        command: Command line that made the data.
    """

    actions: NDArray[np.float32]
    observations: NDArray[np.float32]
    theta: NDArray[np.float32]
    valid: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    object_names: NDArray[np.str_]
    regimes: NDArray[np.str_]
    command: str

    def __len__(self) -> int:
        return len(self.actions)

    @staticmethod
    def from_episodes(episodes: Sequence[Episode], command: str) -> EpisodeDataset:
        """Pad ``episodes`` to the longest and stack them.

        Raises:
            DatasetError: If there are none.
        """
        if not episodes:
            raise DatasetError("data set: got no episodes, expected at least one")
        n, steps = len(episodes), max(len(e.actions) for e in episodes)
        observations = np.zeros((n, steps + 1, layout.OBSERVATION_DIM), np.float32)
        actions = np.zeros((n, steps, layout.ACTION_DIM), np.float32)
        theta = np.zeros((n, steps + 1, layout.LATENT_DIM), np.float32)
        valid, mask = np.zeros(theta.shape, np.bool_), np.zeros((n, steps + 1), np.bool_)
        for i, episode in enumerate(episodes):
            length = len(episode.actions)
            actions[i, :length] = episode.actions
            observations[i, : length + 1] = episode.observations
            theta[i, : length + 1] = np.where(episode.valid, episode.theta, 0.0)
            valid[i, : length + 1] = episode.valid
            mask[i, : length + 1] = True
        names = np.array([e.object_name for e in episodes], np.str_)
        regimes = np.array([e.regime for e in episodes], np.str_)
        return EpisodeDataset(actions, observations, theta, valid, mask, names, regimes, command)

    def select(self, index: NDArray[np.int64]) -> EpisodeDataset:
        """Return the episodes ``index``."""
        return EpisodeDataset(**{name: getattr(self, name)[index] for name in _ARRAYS}, command=self.command)

    def content_hash(self) -> str:
        """Return the SHA-256 (hex) of version, layout and all arrays: equal data, equal hash."""
        digest = hashlib.sha256(f"{DATASET_VERSION}/{layout.LAYOUT_VERSION}".encode())
        for name in _ARRAYS:
            value = getattr(self, name)
            if value.dtype.kind == "U":
                digest.update("\n".join(value.tolist()).encode())
            else:
                digest.update(f"{name}{value.shape}{value.dtype.str}".encode())
                digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write a compressed npz atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(
                file,
                version=np.array(DATASET_VERSION),
                layout_version=np.array(layout.LAYOUT_VERSION),
                command=np.array(self.command),
                content_hash=np.array(self.content_hash()),
                **{name: getattr(self, name) for name in _ARRAYS},
            )
        os.replace(temporary, path)

    @staticmethod
    def load(path: Path) -> EpisodeDataset:
        """Read what :meth:`save` wrote.

        Raises:
            DatasetError: If the file is missing, damaged, or of another version or layout.
        """
        if not path.is_file():
            raise DatasetError(f"data set {path}: no such file; give another path or collect data first")
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DatasetError(f"data set {path}: damaged ({error}); collect the data again") from error
        for name, expected in (("version", DATASET_VERSION), ("layout_version", layout.LAYOUT_VERSION)):
            got = content.get(name)
            if got is None or int(got) != expected:
                raise DatasetError(f"data set {path}: got {name} {got}, expected {expected}; collect the data again")
        missing = [name for name in (*_ARRAYS, "command", "content_hash") if name not in content]
        if missing:
            raise DatasetError(f"data set {path}: got no {', '.join(missing)}; collect the data again")
        dataset = EpisodeDataset(**{name: content[name] for name in _ARRAYS}, command=str(content["command"]))
        if dataset.content_hash() != str(content["content_hash"]):
            raise DatasetError(f"data set {path}: contents do not match their hash; collect the data again")
        return dataset


def latent_label(
    *,
    T_hand_object_estimate: Tensor,
    T_hand_object_true: Tensor,
    mu: float,
    kappa: float,
    damping: float,
    slip: Tensor,
    touching: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return ``(theta (26,), valid (26,) bool)``, the true latent of one step and which entries are defined.

    Friction, stiffness and damping belong to the pair of materials, so every contact has them, touching or not. Slip
    exists only at a contact that touches and is invalid elsewhere.

    Args:
        T_hand_object_estimate: Estimated pose that the observation holds, shape ``(4, 4)``.
        T_hand_object_true: True pose at the same instant, shape ``(4, 4)``.
        mu: Effective friction of a finger-object contact.
        kappa: Contact stiffness [N/m].
        damping: Contact damping [N s/m].
        slip: Tangential contact speed per finger [m/s], shape ``(5,)``.
        touching: Whether each finger touches the object, bool, shape ``(5,)``.
    """
    ones = torch.ones(layout.NUM_CONTACTS, dtype=slip.dtype)
    pose = local(T_hand_object_estimate, T_hand_object_true)
    theta = from_physical(PhysicalLatent(pose, mu * ones, kappa * ones, damping * ones, slip))
    valid = torch.ones(layout.LATENT_DIM, dtype=torch.bool)
    valid[layout.SLIP_RAW] = touching
    return theta, valid
