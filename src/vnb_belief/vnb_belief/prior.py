"""The stated prior: what is believed about a grasp before anything is seen, and without any training.

Every figure is a range that the project states elsewhere for its scenarios or its pose sensor, so "the trained belief
beats the untrained prior" compares learning with knowing the ranges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vnb_belief import layout
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError

ACCURACIES = (0.1, 8.0)
"""Least and largest stated accuracy that a belief goes by; see :func:`stated_accuracy`."""


@dataclass(frozen=True)
class PriorConfig:
    """Ranges that the prior is made of.

    Attributes:
        friction_finger: Friction of the finger material, mu_f.
        friction_object_low, friction_object_high: Range of the object's friction mu_o. Effective friction is
            ``sqrt(mu_f mu_o)``; its logarithm is uniform over the range, smoothed by ``friction_smoothing``.
        friction_smoothing: Standard deviation in log friction by which the ends of the range are blurred.
        stiffness_mean, stiffness_std: Contact stiffness [N/m]; a log-normal of these moments.
        damping_median: Contact damping [N s/m]; log-normal.
        damping_log_std: Its standard deviation in log units.
        slip_median: Slip speed [m/s]; its softplus-inverse is Gaussian.
        slip_raw_std: Standard deviation of the softplus-inverse.
        position_std: Error of the pose estimate, each axis [m], of a sensor that states nothing else.
        rotation_std: Error of the pose estimate, each axis [rad], likewise.
    """

    friction_finger: float = 0.35
    friction_object_low: float = 0.15
    friction_object_high: float = 1.2
    friction_smoothing: float = 0.05
    stiffness_mean: float = 1000.0
    stiffness_std: float = 250.0
    damping_median: float = 15.0
    damping_log_std: float = 0.3
    slip_median: float = 1e-3
    slip_raw_std: float = 2.0
    position_std: float = 0.0025
    rotation_std: float = 0.025

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"prior {name}: got {value}, expected a positive finite number")
        if not self.friction_object_low < self.friction_object_high:
            raise ConfigError(
                f"prior friction range: got {self.friction_object_low}..{self.friction_object_high}, "
                "expected low < high"
            )


def prior_mixture(num_components: int, config: PriorConfig | None = None) -> Mixture:
    """Return the prior over ``theta`` with K equally weighted components, spread evenly over log friction.

    Within a component the five contacts share their friction (it belongs to the object), which is how a mixture of
    diagonal Gaussians holds the strong correlation between them. Mean and variance of each entry do not depend on K.

    Raises:
        ConfigError: If ``num_components`` is below 1.
    """
    if num_components < 1:
        raise ConfigError(f"prior components: got {num_components}, expected >= 1")
    config = config or PriorConfig()
    mean, std = _marginals(config)
    low = 0.5 * math.log(config.friction_finger * config.friction_object_low)
    high = 0.5 * math.log(config.friction_finger * config.friction_object_high)
    width = (high - low) / num_components
    means, stds = mean.repeat(num_components, 1), std.repeat(num_components, 1)
    centres = low + width * (torch.arange(num_components, dtype=torch.float64) + 0.5)
    means[:, layout.LOG_MU] = centres.unsqueeze(-1)
    stds[:, layout.LOG_MU] = math.hypot(width / math.sqrt(12.0), config.friction_smoothing)
    return Mixture(torch.zeros(num_components, dtype=torch.float64), means, stds.log())


def prior_scales(config: PriorConfig | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation ``(26,)`` of each latent entry under the prior, whatever its K."""
    mixture = prior_mixture(1, config)
    return mixture.means[0], mixture.stds[0]


def stated_accuracy(observation: Tensor, config: PriorConfig | None = None) -> Tensor:
    """Return how far off the pose may be by what the sensor states, in units of the prior's own spread.

    The observation carries the trace of the pose covariance only, so position and rotation keep the prior's proportion.

    Args:
        observation: Observations ``(..., 41)``.
        config: Ranges of the prior.

    Returns:
        Factors ``(...)``, within :data:`ACCURACIES`: a sensor that claims to be perfect, or to know nothing, is taken
        to be as good or as bad as that.
    """
    config = config or PriorConfig()
    usual = 3.0 * (config.position_std**2 + config.rotation_std**2)
    return (observation[..., layout.OBS_TRACE.start] / usual).clamp(ACCURACIES[0] ** 2, ACCURACIES[1] ** 2).sqrt()


def at_accuracy(mixture: Mixture, accuracy: Tensor) -> Mixture:
    """Return the mixture with its pose, mean and spread, in units of ``accuracy``, of its batch shape or a scalar."""
    mixture = mixture.expand(*accuracy.shape)
    unit = torch.ones(*accuracy.shape, layout.LATENT_DIM, dtype=accuracy.dtype, device=accuracy.device)
    unit[..., layout.POSE] = accuracy.unsqueeze(-1)
    unit = unit.unsqueeze(-2)
    return Mixture(mixture.logits, mixture.means * unit, mixture.log_stds + unit.log())


def _marginals(config: PriorConfig) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of all entries but friction (zero and one there)."""
    mean = torch.zeros(layout.LATENT_DIM, dtype=torch.float64)
    std = torch.ones(layout.LATENT_DIM, dtype=torch.float64)
    std[:3], std[3:6] = config.position_std, config.rotation_std
    variance = math.log1p((config.stiffness_std / config.stiffness_mean) ** 2)  # of the log-normal of equal moments
    mean[layout.LOG_KAPPA] = math.log(config.stiffness_mean) - 0.5 * variance
    std[layout.LOG_KAPPA] = math.sqrt(variance)
    mean[layout.LOG_DAMPING] = math.log(config.damping_median)
    std[layout.LOG_DAMPING] = config.damping_log_std
    mean[layout.SLIP_RAW] = math.log(math.expm1(config.slip_median))
    std[layout.SLIP_RAW] = config.slip_raw_std
    return mean, std
