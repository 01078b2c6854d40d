"""The interface of grasp costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from vnb_planner.models import HandModel, ObjectModel, Situation

Evaluate = Callable[[Tensor], Tensor]
"""Costs ``(*B, S, N)`` of action sequences ``(*B, S, H, 6)`` [rad/s] under each of N latent samples."""


class Cost(Protocol):
    """A grasp cost ``C(theta, a)``, larger is worse, differentiable in actions and samples.

    Attributes:
        failure_threshold: Cost above which a grasp counts as failed, unless the planner is told otherwise.
    """

    failure_threshold: float

    def prepare(self, situation: Situation, theta: Tensor) -> Evaluate:
        """Compute once what does not depend on the action.

        Args:
            situation: Measurements and servo targets, in the dtype of ``theta``.
            theta: Latent samples ``(*B, N, 26)``.

        Returns:
            The cost as a function of the action sequences.
        """
        ...


CostFactory = Callable[[HandModel, ObjectModel, Mapping[str, Any] | None], Cost]
"""Makes a cost from the hand, the object and a mapping of its parameters."""
