"""An implicit density over ``u`` given ``h``: a network with sine activations gives an unnormalised log-density.

[Sitzmann2020] V. Sitzmann et al., Implicit neural representations with periodic activation functions, NeurIPS 2020.
[Gutmann2010] M. Gutmann, A. Hyvarinen, Noise-contrastive estimation, AISTATS 2010.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import softplus

from vnb_belief.dynamics import HIDDEN_DIM
from vnb_belief.shared import SHARED_DIM
from vnb_grasp.errors import ConfigError

INPUT_RANGE = 4.0
"""Inputs are divided by this: a sine network is made for inputs in [-1, 1], and ``u`` is a few standard deviations."""


@dataclass(frozen=True)
class SirenConfig:
    """Size of the network.

    Attributes:
        hidden: Width of the hidden layers.
        layers: Number of sine layers.
        omega: Frequency factor omega_0.
        noise_ratio: Draws of the noise per sample of the data while training.
        dropout: Share of the embedding's entries left out at random while training.
    """

    hidden: int = 128
    layers: int = 3
    omega: float = 30.0
    noise_ratio: int = 4
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "noise_ratio"):
            if getattr(self, name) < 1:
                raise ConfigError(f"implicit density {name}: got {getattr(self, name)}, expected >= 1")
        if not self.omega > 0.0:
            raise ConfigError(f"implicit density omega: got {self.omega}, expected > 0")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"implicit density dropout: got {self.dropout}, expected 0 <= dropout < 1")


class ImplicitDensity(nn.Module):
    """Unnormalised density ``log p(u | h) = log N(u; 0, 1) + g([u, h]) - log Z(h)`` with ``g`` a sine network.

    Hidden weights start as [Sitzmann2020] prescribes. The output layer starts at zero, so an untrained density **is**
    the unit Gaussian. ``g`` is bounded, as sines are, so the density can always be normalised.

    Trained by noise-contrastive estimation [Gutmann2010] against the unit Gaussian: ``g`` less the logarithm of the
    noise ratio is then the logit of "data, not noise", and ``log Z`` is driven to zero.

    Args:
        config: Size.
        seed: Seed of the initial weights.
    """

    kind = "implicit"

    def __init__(self, config: SirenConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.config = config or SirenConfig()
        generator = torch.Generator().manual_seed(seed)
        width = self.config.hidden
        sizes = (SHARED_DIM + HIDDEN_DIM, *([width] * self.config.layers))
        layers = []
        for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out)  # draws nothing from the global generator
            bound = 1.0 / fan_in if index == 0 else math.sqrt(6.0 / fan_in) / self.config.omega
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -1.0 / math.sqrt(fan_in), 1.0 / math.sqrt(fan_in), generator=generator)
            layers.append(layer)
        self.layers = nn.ModuleList(layers)
        self.output = nn.utils.skip_init(nn.Linear, width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.drop = nn.Dropout(self.config.dropout)
        self.register_buffer("h_mean", torch.zeros(HIDDEN_DIM))
        self.register_buffer("h_std", torch.ones(HIDDEN_DIM))

    def log_ratio(self, u: Tensor, h: Tensor) -> Tensor:
        """Return ``g``, the log-density's difference to the unit Gaussian, ``u (..., 14)``, ``h`` broadcastable."""
        h = self.drop((h - cast(Tensor, self.h_mean)) / cast(Tensor, self.h_std))
        x = torch.cat((u, h.expand(*u.shape[:-1], HIDDEN_DIM)), dim=-1) / INPUT_RANGE
        for layer in self.layers:
            x = torch.sin(self.config.omega * layer(x))
        return cast(Tensor, self.output(x))[..., 0]

    def log_density(self, u: Tensor, h: Tensor) -> Tensor:
        """Return the unnormalised log-density at ``u (..., 14)`` given ``h``, shape ``(...)``."""
        return gaussian_log_prob(u) + self.log_ratio(u, h)

    def loss(self, u: Tensor, h: Tensor, generator: Generator) -> Tensor:
        """Return the classification loss [nats] of data ``u (B, 14)`` against drawn noise, given ``h (B, 64)``."""
        ratio = self.config.noise_ratio
        noise = torch.randn((ratio, *u.shape), generator=generator, dtype=u.dtype)
        prior = math.log(ratio)
        data = softplus(prior - self.log_ratio(u, h)).mean()
        return data + ratio * softplus(self.log_ratio(noise, h) - prior).mean()


def gaussian_log_prob(u: Tensor) -> Tensor:
    """Return the log-density of the unit Gaussian at ``u (..., D)``, shape ``(...)``."""
    return -0.5 * u.square().sum(dim=-1) - 0.5 * u.shape[-1] * math.log(2.0 * math.pi)
