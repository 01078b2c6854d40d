"""The interface that every belief stands behind."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from vnb_belief import layout
from vnb_belief.checks import require_finite
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError, ShapeError

ENTROPY_DRAWS = 64


class Belief(ABC):
    """A distribution over the latent that follows actions and observations of one grasp.

    Every belief has a Gaussian-mixture summary (:attr:`mixture`), which messages carry and planners read. Unless a
    belief says otherwise the summary *is* the belief, and :meth:`sample`, :meth:`log_prob` and :meth:`entropy` are its.

    A bad input raises and leaves the belief as it was. Nothing here may see more than the robot senses.
    """

    name = "belief"
    _current: Mixture | None = None

    def reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        """Start a grasp from its first observation (after a hold) and return the belief.

        Args:
            observation: First observation, shape ``(41,)``.
            T_hand_object: Pose estimate at the reset, shape ``(4, 4)``; object motion is told from it.

        Raises:
            ShapeError: If an argument has another shape.
            NonFiniteError: If an argument holds NaN or infinity.
            ConfigError: If the belief needs to know the object and was not told it.
        """
        _require(observation, (layout.OBSERVATION_DIM,), "observation")
        _require(T_hand_object, (4, 4), "T_hand_object")
        self._current = self._reset(observation, T_hand_object)
        return self._current

    def predict(self, action: Tensor) -> Mixture:
        """Return the belief after ``action (6,)`` [rad/s] and before its observation; the state stays as it is.

        The latent pose stays a tangent at the latest pose estimate, as no newer one exists.

        Raises:
            ConfigError: If :meth:`reset` was not called.
            ShapeError: If the action has another shape.
            NonFiniteError: If the action holds NaN or infinity.
        """
        _require(action, (layout.ACTION_DIM,), "action")
        self._require_started()
        return self._predict(action)

    def update(self, action: Tensor, observation: Tensor) -> Mixture:
        """Return the belief after ``action (6,)`` [rad/s] and the ``observation (41,)`` that followed it.

        Raises:
            ConfigError: If :meth:`reset` was not called.
            ShapeError: If an argument has another shape.
            NonFiniteError: If an argument holds NaN or infinity.
        """
        _require(action, (layout.ACTION_DIM,), "action")
        _require(observation, (layout.OBSERVATION_DIM,), "observation")
        self._require_started()
        self._current = self._update(action, observation)
        return self._current

    @property
    def mixture(self) -> Mixture:
        """The belief as a Gaussian mixture over ``theta``, what :meth:`reset` or :meth:`update` returned last.

        Raises:
            ConfigError: If :meth:`reset` was not called.
        """
        return self._require_started()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Return ``n`` draws of ``theta``, shape ``(n, 26)``.

        Raises:
            ConfigError: If :meth:`reset` was not called, or ``n`` is below 1.
        """
        self._require_started()
        if n < 1:
            raise ConfigError(f"draws of belief {self.name!r}: got {n}, expected >= 1")
        return self._sample(n, generator)

    def log_prob(self, theta: Tensor) -> Tensor:
        """Return the log-density [nats] at ``theta (..., 26)``, shape ``(...)``.

        Raises:
            ConfigError: If :meth:`reset` was not called.
            ShapeError: If the last dimension is not 26.
            NonFiniteError: If ``theta`` holds NaN or infinity.
        """
        self._require_started()
        if theta.ndim == 0 or theta.shape[-1] != layout.LATENT_DIM:
            raise ShapeError(f"theta: got shape {tuple(theta.shape)}, expected (..., {layout.LATENT_DIM})")
        require_finite(theta, "theta")
        return self._log_prob(theta.reshape(-1, layout.LATENT_DIM)).reshape(theta.shape[:-1])

    def entropy(self, generator: Generator | None = None, n: int = ENTROPY_DRAWS) -> Tensor:
        """Return a Monte Carlo estimate of the differential entropy [nats], a scalar.

        Args:
            generator: Source of the draws.
            n: Number of draws; of a mixture, per component.

        Raises:
            ConfigError: If :meth:`reset` was not called, or ``n`` is below 1.
        """
        self._require_started()
        if n < 1:
            raise ConfigError(f"draws of belief {self.name!r}: got {n}, expected >= 1")
        return self._entropy(n, generator)

    def _require_started(self) -> Mixture:
        if self._current is None:
            raise not_reset(self.name)
        return self._current

    @abstractmethod
    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        """Start from checked arguments."""

    @abstractmethod
    def _predict(self, action: Tensor) -> Mixture:
        """Return what is believed after a checked action."""

    @abstractmethod
    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        """Follow checked arguments."""

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return self.mixture.sample(n, generator)

    def _log_prob(self, theta: Tensor) -> Tensor:
        return self.mixture.log_prob(theta.to(self.mixture.means))

    @torch.no_grad()
    def _entropy(self, n: int, generator: Generator | None) -> Tensor:
        return self.mixture.entropy(n, generator)


def not_reset(name: str) -> ConfigError:
    """Return the error of a belief that is asked or updated before its reset."""
    return ConfigError(f"belief {name!r}: got a call before a reset; call reset with the first observation")


def _require(value: Tensor, shape: tuple[int, ...], what: str) -> None:
    if tuple(value.shape) != shape:
        raise ShapeError(f"{what}: got shape {tuple(value.shape)}, expected {shape}")
    require_finite(value, what)
