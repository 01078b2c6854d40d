"""Mixture of diagonal Gaussians: the belief, its density, its sample laws, its entropy.

Sample laws, and which follow the density:

========================  ==========================  =============================================
method                    follows ``log_prob``        gradient of a sample mean
========================  ==========================  =============================================
``sample``                yes                         none in the logits, pathwise in the rest
``sample_components``     each component exactly      pathwise; weigh by ``weights`` for the mixture,
                                                      unbiased in every parameter
``rsample`` (soft)        **no**                      pathwise, of the relaxed law
``rsample(hard=True)``    yes                         straight-through, biased in the logits
========================  ==========================  =============================================

References:
    [Jang2017] E. Jang, S. Gu, B. Poole, Categorical reparameterization with Gumbel-Softmax, ICLR 2017.
    [Kolchinsky2017] A. Kolchinsky, B. Tracey, Estimating mixture entropy with pairwise distances, Entropy 19(7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from vnb_belief.checks import require_finite, require_last_dim
from vnb_grasp.errors import ConfigError, ShapeError

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Batch of mixtures ``p(theta) = sum_k softmax(logits)_k N(theta | means_k, diag(exp(log_stds_k))^2)``.

    Attributes:
        logits: Unnormalised log-weights, shape ``(..., K)``. Finite: drop a component rather than give it ``-inf``.
        means: Component means, shape ``(..., K, D)``.
        log_stds: Logarithms of the component standard deviations, shape ``(..., K, D)``.

    Raises:
        ShapeError: If the three shapes disagree.
        NonFiniteError: If a parameter holds NaN or infinity.
    """

    logits: Tensor
    means: Tensor
    log_stds: Tensor

    def __post_init__(self) -> None:
        if self.logits.ndim == 0 or self.means.ndim == 0 or self.means.shape[:-1] != self.logits.shape:
            raise ShapeError(
                f"mixture means: got {tuple(self.means.shape)} with logits {tuple(self.logits.shape)}, "
                "expected (..., K, D) with (..., K)"
            )
        if self.log_stds.shape != self.means.shape or self.logits.shape[-1] == 0:
            raise ShapeError(
                f"mixture log_stds: got {tuple(self.log_stds.shape)}, expected the shape of means "
                f"{tuple(self.means.shape)} with at least one component"
            )
        require_finite(self.logits, "mixture logits")
        require_finite(self.means, "mixture means")
        require_finite(self.log_stds, "mixture log_stds")

    @property
    def num_components(self) -> int:
        """Number of components K."""
        return self.logits.shape[-1]

    @property
    def dim(self) -> int:
        """Dimension D of the latent."""
        return self.means.shape[-1]

    @property
    def weights(self) -> Tensor:
        """Component probabilities, shape ``(..., K)``."""
        return self.logits.softmax(dim=-1)

    @property
    def stds(self) -> Tensor:
        """Component standard deviations, shape ``(..., K, D)``."""
        return self.log_stds.exp()

    def component(self, k: int) -> Mixture:
        """Return component ``k`` as a mixture of one.

        Raises:
            ConfigError: If ``k`` is not in ``[0, K)``.
        """
        if not 0 <= k < self.num_components:
            raise ConfigError(f"mixture component: got {k}, expected 0..{self.num_components - 1}")
        one = slice(k, k + 1)
        return Mixture(self.logits[..., one], self.means[..., one, :], self.log_stds[..., one, :])

    def marginal(self, dims: slice) -> Mixture:
        """Return the marginal over the latent entries ``dims``; exact, because the components are diagonal."""
        return Mixture(self.logits, self.means[..., dims], self.log_stds[..., dims])

    def mean(self) -> Tensor:
        """Return the mean of the mixture, shape ``(..., D)``."""
        return (self.weights.unsqueeze(-1) * self.means).sum(dim=-2)

    def covariance(self) -> Tensor:
        """Return the covariance of the mixture, shape ``(..., D, D)``: within plus between components."""
        offset = self.means - self.mean().unsqueeze(-2)
        within = (self.weights.unsqueeze(-1) * self.stds.square()).sum(dim=-2)
        return torch.diag_embed(within) + torch.einsum("...k,...ki,...kj->...ij", self.weights, offset, offset)

    def log_prob(self, theta: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the log-density at ``theta``.

        Args:
            theta: One point per mixture, shape ``(..., D)``, or n points per mixture, shape ``(..., n, D)``.
            mask: Entries that count, bool, broadcastable to ``theta``. Others are marginalised out.

        Returns:
            Log-density, shape of ``theta`` without its last dimension.

        Raises:
            ShapeError: If ``theta`` has neither of the two ranks or another D.
            NonFiniteError: If a counted entry of ``theta`` holds NaN or infinity.
        """
        logits, per_entry = self._entries(theta, mask)
        return torch.logsumexp(logits.log_softmax(dim=-1) + per_entry.sum(dim=-1), dim=-1)

    def marginal_log_prob(self, theta: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the log-density of each entry under its own marginal, shape of ``theta``; zero where masked.

        Arguments and errors as for :meth:`log_prob`.
        """
        logits, per_entry = self._entries(theta, mask)
        return torch.logsumexp(logits.log_softmax(dim=-1).unsqueeze(-1) + per_entry, dim=-2)

    def _entries(self, theta: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return logits and the log-density of every entry under every component, ``(..., K)``, ``(..., K, D)``."""
        require_last_dim(theta, self.dim, "theta")
        extra = theta.ndim - self.logits.ndim
        if extra not in (0, 1):
            raise ShapeError(
                f"theta: got {tuple(theta.shape)}, expected (..., {self.dim}) or (..., n, {self.dim}) "
                f"where ... is {tuple(self.logits.shape[:-1])}"
            )
        if mask is not None:
            theta = torch.where(mask, theta, torch.zeros_like(theta))
        require_finite(theta, "theta")
        logits, means, log_stds = self.logits, self.means, self.log_stds
        if extra == 1:
            logits, means, log_stds = logits.unsqueeze(-2), means.unsqueeze(-3), log_stds.unsqueeze(-3)
        z = (theta.unsqueeze(-2) - means) * torch.exp(-log_stds)
        per_entry = -0.5 * z.square() - log_stds - _LOG_SQRT_2PI
        return logits, per_entry if mask is None else per_entry * mask.unsqueeze(-2)

    def sample(self, n: int, generator: Generator | None = None, *, stratified: bool = False) -> Tensor:
        """Return ``n`` draws that follow :meth:`log_prob`, shape ``(..., n, D)``.

        Args:
            n: Number of draws.
            generator: Source of randomness, on the device of the mixture.
            stratified: Allot components systematically (within one draw of ``n * weight`` each) rather than
                independently: the same law per draw, less variance in averages. Draws come ordered by component.
        """
        shape = (*self.logits.shape[:-1], n)
        if stratified:
            u = torch.rand((*shape[:-1], 1), generator=generator, dtype=self.logits.dtype, device=self.logits.device)
            grid = (torch.arange(n, dtype=u.dtype, device=u.device) + u) / n
            edges = self.weights.detach().cumsum(dim=-1)
            index = torch.searchsorted(edges, grid.contiguous()).clamp(max=self.num_components - 1)
        else:
            flat = self.weights.detach().reshape(-1, self.num_components)
            index = torch.multinomial(flat, n, replacement=True, generator=generator).reshape(shape)
        gather = index.unsqueeze(-1).expand(*shape, self.dim)
        eps = self._normal(gather.shape, generator)
        return self.means.gather(-2, gather) + self.stds.gather(-2, gather) * eps

    def sample_components(self, n: int, generator: Generator | None = None) -> Tensor:
        """Return ``n`` location-scale draws of every component, shape ``(..., K, n, D)``. Pathwise differentiable."""
        eps = self._normal((*self.logits.shape, n, self.dim), generator)
        return self.means.unsqueeze(-2) + self.stds.unsqueeze(-2) * eps

    def rsample(self, n: int, temperature: float, generator: Generator | None = None, *, hard: bool = False) -> Tensor:
        """Return ``n`` Gumbel-Softmax draws, shape ``(..., n, D)``, differentiable in every parameter [Jang2017].

        The soft draw blends components, ``theta = sum_k zeta_k (mu_k + sigma_k * eps_k)``, and therefore **does not
        follow** :meth:`log_prob`: with two equal modes at +-1 and ``temperature = 0.5``, 27 % of the draws fall
        into the empty valley between -0.5 and 0.5. Use :meth:`sample_components` where the law matters.

        Args:
            n: Number of draws.
            temperature: Relaxation ``tau > 0``.
            generator: Source of randomness, on the device of the mixture.
            hard: Straight-through: the value is an exact draw (one component), the gradient that of the soft draw.

        Raises:
            ConfigError: If ``temperature`` is not positive.
        """
        if not temperature > 0.0:
            raise ConfigError(f"Gumbel temperature: got {temperature}, expected > 0")
        shape = (*self.logits.shape[:-1], n, self.num_components)
        exponential = torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device)
        gumbel = -exponential.exponential_(generator=generator).log()
        zeta = ((self.logits.unsqueeze(-2) + gumbel) / temperature).softmax(dim=-1)
        if hard:
            one_hot = torch.zeros_like(zeta).scatter(-1, zeta.argmax(dim=-1, keepdim=True), 1.0)
            zeta = one_hot + zeta - zeta.detach()
        draws = self.sample_components(n, generator).transpose(-3, -2)  # (..., n, K, D)
        return (zeta.unsqueeze(-1) * draws).sum(dim=-2)

    def entropy(self, n: int, generator: Generator | None = None) -> Tensor:
        """Return a Monte Carlo estimate of the differential entropy [nats], shape ``(...)``.

        Stratified over components, ``-sum_k w_k mean_j log p(theta_kj)``: unbiased, and pathwise differentiable.

        Args:
            n: Draws per component.
            generator: Source of randomness, on the device of the mixture.
        """
        draws = self.sample_components(n, generator)
        flat = draws.flatten(-3, -2)  # (..., K * n, D)
        log_prob = self.log_prob(flat).reshape(*self.logits.shape, n)
        return -(self.weights * log_prob.mean(dim=-1)).sum(dim=-1)

    def entropy_bounds(self) -> tuple[Tensor, Tensor]:
        """Return bounds ``(lower, upper)`` of the entropy [nats], shape ``(...)`` each [Kolchinsky2017, eq. 4-5].

        ``sum_k w_k H_k <= H <= sum_k w_k H_k + H(w)``: equal components reach the lower, separate ones the upper.
        """
        per_component = (self.log_stds + _LOG_SQRT_2PI + 0.5).sum(dim=-1)
        lower = (self.weights * per_component).sum(dim=-1)
        return lower, lower - (self.weights * self.logits.log_softmax(dim=-1)).sum(dim=-1)

    def blend(self, other: Mixture, alpha: float) -> Mixture:
        """Return the mixture with parameters ``(1 - alpha) * self + alpha * other`` (an average of parameters)."""
        return Mixture(
            torch.lerp(self.logits, other.logits, alpha),
            torch.lerp(self.means, other.means, alpha),
            torch.lerp(self.log_stds, other.log_stds, alpha),
        )

    def detach(self) -> Mixture:
        """Return the same mixture cut from the gradient tape."""
        return Mixture(self.logits.detach(), self.means.detach(), self.log_stds.detach())

    def expand(self, *batch: int) -> Mixture:
        """Return the mixture with its parameters broadcast to the leading dimensions ``batch`` (no copy)."""
        k, d = self.num_components, self.dim
        return Mixture(
            self.logits.expand(*batch, k), self.means.expand(*batch, k, d), self.log_stds.expand(*batch, k, d)
        )

    def _normal(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=self.means.dtype, device=self.means.device)


def cosine_temperature(progress: float, start: float = 1.0, end: float = 0.1) -> float:
    """Return the Gumbel temperature at ``progress`` in [0, 1] of a cosine schedule from ``start`` to ``end``.

    Raises:
        ConfigError: If ``progress`` is outside [0, 1] or a temperature is not positive.
    """
    if not 0.0 <= progress <= 1.0:
        raise ConfigError(f"schedule progress: got {progress}, expected 0..1")
    if not (start > 0.0 and end > 0.0):
        raise ConfigError(f"Gumbel temperatures: got {start} and {end}, expected > 0")
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * progress))
