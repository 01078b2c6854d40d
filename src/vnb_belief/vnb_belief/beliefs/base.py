"""The interface that every belief stands behind."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from vnb_belief import layout
from vnb_belief.checks import require_finite
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, ShapeError


class Belief(ABC):
    """A distribution over the latent that follows actions and observations of one grasp.

    A bad input raises and leaves the belief as it was. Nothing here may see more than the robot senses.
    """

    def reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        """Start a grasp from its first observation (after a hold) and return the belief.

        Args:
            observation: First observation, shape ``(41,)``.
            T_hand_object: Pose estimate at the reset, shape ``(4, 4)``; object motion is told from it.

        Raises:
            ShapeError: If an argument has another shape.
            NonFiniteError: If an argument holds NaN or infinity.
        """
        _require(observation, (layout.OBSERVATION_DIM,), "observation")
        _require(T_hand_object, (4, 4), "T_hand_object")
        return self._reset(observation, T_hand_object)

    def update(self, action: Tensor, observation: Tensor) -> Mixture:
        """Return the belief after ``action (6,)`` [rad/s] and the ``observation (41,)`` that followed it.

        Raises:
            ConfigError: If :meth:`reset` was not called.
            ShapeError: If an argument has another shape.
            NonFiniteError: If an argument holds NaN or infinity.
        """
        _require(action, (layout.ACTION_DIM,), "action")
        _require(observation, (layout.OBSERVATION_DIM,), "observation")
        return self._update(action, observation)

    @abstractmethod
    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        """Start from checked arguments."""

    @abstractmethod
    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        """Follow checked arguments."""


def not_reset(name: str) -> ConfigError:
    """Return the error of a belief that is updated before its reset."""
    return ConfigError(f"belief {name!r}: got an update before a reset; call reset with the first observation")


def _require(value: Tensor, shape: tuple[int, ...], what: str) -> None:
    if tuple(value.shape) != shape:
        raise ShapeError(f"{what}: got shape {tuple(value.shape)}, expected {shape}")
    require_finite(value, what)
