"""What the pre-grasp library knows of the pre-grasp that is closed from: how often it holds, how touch reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vnb_belief.friction import believed_friction
from vnb_belief.mixture import Mixture
from vnb_belief.touch import FrictionReading
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class Promise:
    """Share of robust grasps from a pre-grasp, by friction.

    Attributes:
        friction: Effective frictions, rising.
        success: Share of robust grasps at each, in [0, 1].
        touch: How friction is read from :data:`vnb_planner.failure.TOUCH` once the fingers have closed; None if it was
            not measured or does not show.
    """

    friction: tuple[float, ...]
    success: tuple[float, ...]
    touch: FrictionReading | None = None

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
    def of(cls, friction: Sequence[float], success: Sequence[float], touch: Sequence[float] = ()) -> Promise | None:
        """Return a promise, or None for empty sequences, which say that nothing was measured.

        Args:
            friction, success: As the attributes.
            touch: Row of a :class:`FrictionReading`, or empty.
        """
        if not len(friction) and not len(success):
            return None
        return cls(tuple(friction), tuple(success), FrictionReading.of(tuple(touch)))

    def failure(self, belief: Mixture) -> float:
        """Return the failure probability under the believed friction; shares between frictions are interpolated."""
        nodes, weights = (part.double().numpy() for part in believed_friction(belief))
        return 1.0 - float(weights @ np.interp(np.log(nodes), np.log(self.friction), self.success))
