"""When a finger touches: a threshold that learns the pad's noise floor and waits for slow, soft contacts.

A fixed threshold is late where an object is soft, as its force builds up over many readings, and wrong where a pad is
noisy. Here every finger has the floor and spread of its own unloaded readings, and two ways into contact: one reading
far above the floor (a hard object), or many that are a little above it (a soft one), by the cumulative sum of Page,
"Continuous inspection schemes" (1954). A finger leaves contact only at the floor, so that the force's dips on a
slippery surface do not end it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError


@dataclass(frozen=True)
class ThresholdConfig:
    """Parameters of the threshold; what has no unit is in standard deviations of the unloaded readings.

    Attributes:
        warm_up: Readings from which floor and spread are learned first; the fingers are taken to be free then.
        sure: Force that is a contact even so [N].
        learning: Weight of a new unloaded reading in floor and spread.
        least_counts: Spread that is assumed at least [counts of a taxel]: readings are whole numbers.
        jump: Height above the floor at which one reading is a contact.
        allowance: Height above the floor that does not count for the sum.
        total: Sum of what is above the allowance at which many readings are a contact.
        release: Height above the floor at which a contact ends.
    """

    warm_up: int = 6
    sure: float = 0.2
    learning: float = 0.1
    least_counts: float = 0.5
    jump: float = 6.0
    allowance: float = 0.75
    total: float = 6.0
    release: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"contact threshold {name}: got {value}, expected more than 0")
        if self.learning > 1:
            raise ConfigError(f"contact threshold learning: got {self.learning}, expected at most 1")


class ContactThreshold:
    """Tells reading by reading which fingers touch.

    Args:
        counts_per_newton: Of each finger (5,); a count is the least that a pad can tell.
        config: Parameters.
    """

    def __init__(self, counts_per_newton: Tensor, config: ThresholdConfig | None = None) -> None:
        self.config = config or ThresholdConfig()
        self._least = self.config.least_counts / counts_per_newton.double()
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next readings are taken for unloaded ones until they rise."""
        self._first: list[Tensor] = []
        self._floor = torch.zeros_like(self._least)
        self._variance = self._least.square()
        self._sum = torch.zeros_like(self._least)
        self._contact = torch.zeros_like(self._least, dtype=torch.bool)

    def update(self, force: Tensor) -> Tensor:
        """Return which fingers touch (5,), bool.

        Args:
            force: Of each finger (5,) [N].

        Raises:
            ShapeError: If the shape is another one.
            NonFiniteError: If a force is not finite.
        """
        if force.shape != self._least.shape:
            raise ShapeError(f"finger forces: got shape {tuple(force.shape)}, expected {tuple(self._least.shape)}")
        if not torch.isfinite(force).all():
            raise NonFiniteError(
                f"finger forces: got {force.tolist()}, expected finite numbers; look at the hand driver"
            )
        config, force = self.config, force.double()
        if len(self._first) < config.warm_up:
            self._begin(force)
            return self._contact.clone()
        height = (force - self._floor) / self._spread()
        self._sum = (self._sum + height - config.allowance).clamp(min=0.0)
        touching = self._contact & (height > config.release)
        touching |= (height > config.jump) | (self._sum > config.total)
        touching &= height > config.release
        self._sum = torch.where(touching, self._sum, self._sum.clamp(max=config.total))
        self._learn(force, ~touching & (self._sum < 0.5 * config.total))
        self._sum = torch.where(self._contact & ~touching, torch.zeros_like(self._sum), self._sum)
        self._contact = touching
        return touching.clone()

    def _begin(self, force: Tensor) -> None:
        """Learn floor and spread from readings of free fingers."""
        self._contact = force > self.config.sure
        self._first.append(torch.where(self._contact, torch.zeros_like(force), force))
        if len(self._first) == self.config.warm_up:
            readings = torch.stack(self._first)
            self._floor, self._variance = readings.mean(0), readings.var(0)

    def _spread(self) -> Tensor:
        return torch.maximum(self._variance.sqrt(), self._least)

    def _learn(self, force: Tensor, unloaded: Tensor) -> None:
        rate = self.config.learning * unloaded
        off = force - self._floor
        self._floor = self._floor + rate * off
        self._variance = (1 - rate) * (self._variance + rate * off.square())
