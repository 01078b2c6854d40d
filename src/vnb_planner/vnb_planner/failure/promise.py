"""What the pre-grasp library promises for the pre-grasp that the fingers close from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vnb_belief.friction import believed_friction
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class Promise:
    """Share of robust grasps from a pre-grasp, by friction.

    Attributes:
        friction: Effective frictions, rising.
        success: Share of robust grasps at each, in [0, 1].
    """

    friction: tuple[float, ...]
    success: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.friction or len(self.friction) != len(self.success):
            raise ConfigError(
                f"promise: got {len(self.friction)} frictions and {len(self.success)} shares, expected as many, >= 1"
            )
        if not all(0.0 < a < b for a, b in zip(self.friction, (*self.friction[1:], math.inf), strict=True)):
            raise ConfigError(f"promise: got frictions {self.friction}, expected positive and rising ones")
        if not all(0.0 <= share <= 1.0 for share in self.success):
            raise ConfigError(f"promise: got shares {self.success}, expected numbers in [0, 1]")

    @classmethod
    def of(cls, friction: Sequence[float], success: Sequence[float]) -> Promise | None:
        """Return a promise, or None for empty sequences, which say that nothing was measured."""
        return cls(tuple(friction), tuple(success)) if len(friction) or len(success) else None

    def failure(self, belief: Mixture) -> float:
        """Return the failure probability under the believed friction; shares between frictions are interpolated."""
        nodes, weights = (part.double().numpy() for part in believed_friction(belief))
        return 1.0 - float(weights @ np.interp(np.log(nodes), np.log(self.friction), self.success))
