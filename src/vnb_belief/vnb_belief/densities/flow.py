"""A normalising flow over ``u`` given ``h``: exact density, exact draws.

[Durkan2019] C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, Neural spline flows, NeurIPS 2019.
[zuko] F. Rozet et al., Zuko: normalizing flows in PyTorch, https://github.com/probabilists/zuko.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import zuko
from torch import Generator, Tensor, nn

from vnb_belief.dynamics import HIDDEN_DIM
from vnb_belief.shared import SHARED_DIM
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class FlowConfig:
    """Size of the flow.

    Attributes:
        transforms: Coupling layers.
        hidden: Width of their two hidden layers.
        bins: Bins of their monotonic splines.
        dropout: Share of the embedding's entries left out at random while training.
    """

    transforms: int = 4
    hidden: int = 48
    bins: int = 6
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if min(self.transforms, self.hidden) < 1 or self.bins < 2:
            raise ConfigError(
                f"flow transforms, hidden, bins: got {self.transforms}, {self.hidden}, {self.bins}, "
                "expected >= 1, >= 1, >= 2"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"flow dropout: got {self.dropout}, expected 0 <= dropout < 1")


class ConditionalFlow(nn.Module):
    """Neural spline coupling flow [Durkan2019] over ``u (..., 14)`` given ``h (..., 64)``, by [zuko].

    The last layer of each network starts at zero, where a spline is the identity: an untrained flow **is** the unit
    Gaussian, which in ``u`` is the Gaussian of the learned mixture's moments.

    Args:
        config: Size.
        seed: Seed of the initial weights.
    """

    kind = "flow"

    def __init__(self, config: FlowConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.config = config or FlowConfig()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # zuko draws from the global generator
            self.flow = zuko.flows.NSF(
                features=SHARED_DIM,
                context=HIDDEN_DIM,
                bins=self.config.bins,
                transforms=self.config.transforms,
                passes=2,
                hidden_features=(self.config.hidden, self.config.hidden),
            )
        for transform in self.flow.transform.transforms:
            last = [m for m in transform.hyper.modules() if isinstance(m, nn.Linear)][-1]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.drop = nn.Dropout(self.config.dropout)
        self.register_buffer("h_mean", torch.zeros(HIDDEN_DIM))
        self.register_buffer("h_std", torch.ones(HIDDEN_DIM))

    def log_prob(self, u: Tensor, h: Tensor) -> Tensor:
        """Return the exact log-density of ``u (..., 14)`` given ``h``, shape ``(...)``."""
        return cast(Tensor, self.flow(self._condition(h)).log_prob(u))

    def sample(self, h: Tensor, n: int, generator: Generator | None) -> Tensor:
        """Return ``n`` exact draws ``(n, 14)`` given one ``h (64,)``."""
        noise = torch.randn((n, SHARED_DIM), generator=generator, dtype=h.dtype)
        return cast(Tensor, self.flow(self._condition(h)).transform.inv(noise))

    def loss(self, u: Tensor, h: Tensor, generator: Generator) -> Tensor:
        """Return the mean negative log-likelihood [nats] of ``u (B, 14)`` given ``h (B, 64)``."""
        return -self.log_prob(u, h).mean()

    def _condition(self, h: Tensor) -> Tensor:
        return cast(Tensor, self.drop((h - cast(Tensor, self.h_mean)) / cast(Tensor, self.h_std)))
