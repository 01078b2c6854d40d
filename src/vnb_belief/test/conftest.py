"""Synthetic grasps with a known relation between what is seen and what is true."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vnb_belief import layout
from vnb_belief.training.dataset import Episode, EpisodeDataset, latent_label
from vnb_grasp.frames.se3 import exp_so3, log_so3, make_transform, retract

OBJECTS = ("can", "box", "ball")


def synthetic_episode(rng: np.random.Generator, object_name: str, regime: str, steps: int = 8) -> Episode:
    """One grasp: low friction turns the object fast, stiffness shows in force, the pose error in a joint."""
    mu, kappa = float(np.exp(rng.uniform(-1.4, -0.5))), float(rng.uniform(600.0, 1400.0))
    bias = torch.from_numpy(rng.normal(size=6) * np.repeat([0.002, 0.02], 3))
    start = make_transform(exp_so3(torch.from_numpy(rng.normal(size=3))), torch.from_numpy(rng.normal(size=3)))
    observations = rng.normal(size=(steps + 1, layout.OBSERVATION_DIM)) * 0.005
    observations[:, layout.OBS_TRACE] = 3.0 * (0.0025**2 + 0.025**2)
    theta, valid = [], []
    for t in range(steps + 1):
        angle = -0.5 * np.log(mu) if t >= 2 else 0.0  # turns when the fingers touch
        turn = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, angle], dtype=torch.float64)
        true = retract(start, turn)
        noise = torch.from_numpy(rng.normal(size=6) * np.repeat([0.0005, 0.005], 3))
        estimate = retract(true, noise - bias)
        observations[t, layout.OBS_POSE] = torch.cat((estimate[:3, 3], log_so3(estimate[:3, :3]))).numpy()
        observations[t, layout.OBS_FORCE] += kappa / 500.0 + 0.5 * rng.normal()
        observations[t, layout.OBS_JOINT_POSITION] += 0.2 * t  # the fingers close
        shown = bias.numpy() / np.repeat([0.002, 0.02], 3) + 0.5 * rng.normal(size=6)
        observations[t, layout.OBS_JOINT_VELOCITY][:6] += shown
        touching = torch.tensor([t >= 2] * 5)
        observations[t, layout.OBS_CONTACT] = touching.numpy()
        label, defined = latent_label(
            T_hand_object_estimate=estimate,
            T_hand_object_true=true,
            mu=mu,
            kappa=kappa,
            damping=15.0 * float(np.exp(0.3 * rng.normal())),
            slip=torch.full((5,), 0.01 * float(rng.random()), dtype=torch.float64),
            touching=touching,
        )
        theta.append(label.numpy())
        valid.append(defined.numpy())
    actions = rng.normal(size=(steps, layout.ACTION_DIM))
    return Episode(
        actions.astype(np.float32),
        observations.astype(np.float32),
        np.array(theta, np.float32),
        np.array(valid),
        object_name,
        regime,
    )


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., EpisodeDataset]:
    """Factory of synthetic data sets: three objects in turn, every second episode in regime ``wide``."""

    def make(count: int, seed: int = 0, steps: int = 8) -> EpisodeDataset:
        rng = np.random.default_rng(seed)
        episodes = [
            synthetic_episode(rng, OBJECTS[i % 3], ("wide", "nominal")[i // 3 % 2], steps - i % 2) for i in range(count)
        ]
        return EpisodeDataset.from_episodes(episodes, command="synthetic")

    return make
