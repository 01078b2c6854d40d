"""Is a belief right? Simulation-based calibration [Talts2018] and the consistency of its pose (NEES).

If the truth is drawn from what the belief says, its place in the belief's distribution function is uniform. The rank of
the truth among posterior draws is the Monte Carlo form of that; for Gaussian mixtures the distribution function itself
is at hand, so the histograms here have no sampling noise of their own. One step of each episode is looked at, because
steps of one episode are not independent.

References:
    [Talts2018] S. Talts et al., Validating Bayesian inference algorithms with simulation-based calibration.
    [BarShalom2001] Y. Bar-Shalom et al., Estimation with applications to tracking and navigation, section 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import chi2, chisquare
from torch import Tensor

from vnb_belief import layout
from vnb_belief.mixture import Mixture
from vnb_grasp.errors import ConfigError

BINS = 10
ENTRIES = {"mu": layout.LOG_MU.start} | {
    name: layout.POSE.start + i for i, name in enumerate(("x", "y", "z", "rx", "ry", "rz"))
}
"""Latent entries that are looked at; one contact's friction stands for all five, which share it."""
_MIN_PER_BIN = 5.0


@dataclass(frozen=True)
class Sbc:
    """How uniform the truth's place in the belief is, by latent entry.

    Attributes:
        episodes: Number of episodes.
        histograms: Episodes per tenth of the belief's distribution function.
        p_values: Of a chi-square test of uniformity.
        nees: Normalised estimation error squared of the pose, averaged over episodes and divided by 6: 1 if the pose
            covariance is right.
        nees_band: Where 95 % of such averages lie if it is.
    """

    episodes: int
    histograms: dict[str, tuple[int, ...]]
    p_values: dict[str, float]
    nees: float
    nees_band: tuple[float, float]


def simulation_based_calibration(belief: Mixture, theta: Tensor) -> Sbc:
    """Return the calibration of beliefs, one per episode.

    Args:
        belief: Mixtures, batch shape ``(N,)``.
        theta: True latents ``(N, 26)``.

    Raises:
        ConfigError: If there are too few episodes for a chi-square test of ten bins.
    """
    n = len(theta)
    if n < BINS * _MIN_PER_BIN:
        raise ConfigError(f"calibration: got {n} episodes, expected at least {BINS * _MIN_PER_BIN:.0f}; collect more")
    histograms, p_values = {}, {}
    for name, entry in ENTRIES.items():
        marginal = belief.marginal(slice(entry, entry + 1))
        place = _distribution_function(marginal, theta[:, entry])
        counts = torch.histc(place.double(), bins=BINS, min=0.0, max=1.0)
        histograms[name] = tuple(int(count) for count in counts)
        p_values[name] = float(chisquare(counts.numpy()).pvalue)
    pose = belief.marginal(layout.POSE)
    error = (theta[:, layout.POSE] - pose.mean()).double()
    squared = (error * torch.linalg.solve(pose.covariance().double(), error)).sum(-1)
    size = layout.POSE.stop - layout.POSE.start
    low, high = (float(chi2.ppf(q, size * n)) / (size * n) for q in (0.025, 0.975))
    return Sbc(n, histograms, p_values, float(squared.mean()) / size, (low, high))


def _distribution_function(marginal: Mixture, truth: Tensor) -> Tensor:
    """Return the distribution function of one-dimensional mixtures ``(N,)`` at ``truth (N,)``."""
    z = (truth.unsqueeze(-1) - marginal.means.squeeze(-1)) / marginal.stds.squeeze(-1)
    return (marginal.weights * torch.special.ndtr(z)).sum(-1)
