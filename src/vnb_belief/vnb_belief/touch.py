"""What the touch of a finished grasp says of friction: a linear-Gaussian reading of log friction.

How a grasp seats depends on friction: where the object comes to rest, how the fingertips share the load. From a given
pre-grasp on a known object that relation is nearly linear and can be measured in simulation, once, with the pre-grasp.
It is kept as a reading ``z = sum_i w_i x_i`` of sensed quantities with ``z | mu ~ N(offset + slope ln mu, noise^2)``,
a likelihood and no posterior, so that it is right for any prior, one with two modes included.

On a mixture of Gaussians in log friction the update is the scalar Kalman filter's, component by component, and the
weights change by each component's evidence for the reading. One reading in ten is taken to tell nothing and to be three
times as far off, so that what no friction explains leaves the belief as it was. Hence every component comes back twice:
updated, and as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vnb_belief.layout import LOG_MU
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError

_LINES = 3
WRONG = 0.1
"""Probability that a reading tells nothing."""
WRONG_SPREAD = 3.0
"""How much farther than a good one such a reading is off."""


@dataclass(frozen=True)
class FrictionReading:
    """How to read friction from sensed quantities.

    Attributes:
        offset: Of the reading at ``ln mu = 0``.
        slope: Of the reading per unit of ``ln mu``.
        noise: Standard deviation of the reading, positive.
        weights: Of the sensed quantities in the reading.
    """

    offset: float
    slope: float
    noise: float
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, self.slope, self.noise, *self.weights)
        if not all(map(math.isfinite, numbers)) or not self.noise > 0.0 or not self.weights:
            raise ConfigError(
                f"friction reading: got {numbers}, expected finite numbers, a noise above 0 and at least one weight"
            )

    @classmethod
    def of(cls, values: tuple[float, ...]) -> Self | None:
        """Return the reading of a flat row ``(offset, slope, noise, *weights)``; None for an empty one.

        Raises:
            ConfigError: If the row is too short, or holds what no reading has.
        """
        if not values:
            return None
        if len(values) <= _LINES:
            raise ConfigError(f"friction reading: got {len(values)} numbers, expected offset, slope, noise and weights")
        return cls(values[0], values[1], values[2], tuple(values[_LINES:]))

    def row(self) -> tuple[float, ...]:
        """Return the flat row that :meth:`of` reads."""
        return (self.offset, self.slope, self.noise, *self.weights)

    def read(self, sensed: tuple[float, ...]) -> float:
        """Return the reading of sensed quantities.

        Raises:
            ConfigError: If their number is another one.
        """
        if len(sensed) != len(self.weights):
            raise ConfigError(f"friction reading: got {len(sensed)} quantities, expected {len(self.weights)}")
        return sum(w * x for w, x in zip(self.weights, sensed, strict=True))

    def update(self, belief: Mixture, sensed: tuple[float, ...]) -> Mixture:
        """Return the belief ``(2 K, D)`` given the sensed quantities; all but weights and friction stays as it was.

        Friction belongs to the object: a component's is the mean over its contacts with their mean spread, and all
        contacts move together, as :func:`vnb_belief.friction.believed_friction` reads them.
        """
        z = self.read(sensed)
        mean = belief.means[..., LOG_MU].mean(-1)
        std = belief.log_stds[..., LOG_MU].exp().mean(-1)
        total = self.slope**2 * std.square() + self.noise**2
        surprise = z - self.offset - self.slope * mean
        gain = std.square() * self.slope / total
        means, log_stds = belief.means.clone(), belief.log_stds.clone()
        means[..., LOG_MU] += (gain * surprise).unsqueeze(-1)
        log_stds[..., LOG_MU] += (0.5 * torch.log1p(-gain * self.slope)).unsqueeze(-1)

        def weigh(probability: float, variance: Tensor) -> Tensor:
            evidence = -0.5 * (surprise.square() / variance + variance.log())
            return torch.log_softmax(belief.logits, -1) + evidence + math.log(probability)

        return Mixture(
            torch.cat((weigh(1.0 - WRONG, total), weigh(WRONG, WRONG_SPREAD**2 * total)), -1),
            torch.cat((means, belief.means), -2),
            torch.cat((log_stds, belief.log_stds), -2),
        )
