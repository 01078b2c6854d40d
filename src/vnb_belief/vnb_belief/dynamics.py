"""Learned belief dynamics: predict from the action, correct by the observation, decode a mixture.

Three networks [VNB, eq. 10 and table V]: ``h_pred = f_trans([h; a])``, ``h' = f_obs([h_pred; o'])``, and
``phi' = (1 - alpha) phi + alpha Decode(h')``, an average of mixture *parameters* with rate alpha.

The decoder's output is added to the stated prior in units of the prior's spread, and its last layer starts at zero:
an untrained network therefore **is** the prior, at every step, around the moving average of the pose estimates
(:meth:`BeliefDynamics._noise_part`). Log-standard-deviations pass a smooth bound. The unit of the pose is what the
sensor states (:func:`vnb_belief.prior.stated_accuracy`): a belief of a bad sensor is broad without having to learn so.

    [VNB] Variational neural beliefs for risk-aware dexterous grasping.
    [Le2015] Q. Le, N. Jaitly, G. Hinton, A simple way to initialize recurrent networks of rectified linear units.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from vnb_belief import layout
from vnb_belief.checks import require_finite, require_last_dim
from vnb_belief.mixture import Mixture
from vnb_belief.prior import PriorConfig, at_accuracy, prior_mixture, prior_scales, stated_accuracy
from vnb_grasp.errors import ConfigError

HIDDEN_DIM = 64

MEMORY_DIM = 32
"""Entries of ``h`` that an untrained network carries from step to step unchanged."""

INPUT_GAIN = 0.1
"""Factor on the initial weights from actions and observations into those entries."""

VISION_FLOOR = 0.1
"""Spread of occlusion and segmentation up to which they count as constant in training."""

SHARED_GAIN = 3.0
"""Weight of what all components' mean outputs have in common: moves the mixture as one, without which evidence that
concerns every component alike is learned K times more slowly."""


@dataclass(frozen=True)
class DynamicsConfig:
    """Hyperparameters of the dynamics.

    Attributes:
        num_components: Components K of the belief.
        alpha: Rate of the moving average of belief parameters, in (0, 1]; 1 trusts each decode alone.
        dropout: Share of hidden units left out at random while training, in [0, 1).
        steadiness: Length beyond which a step between two pose estimates counts as motion of the object and not as
            noise of the estimates, in units of the prior's pose deviation (see :func:`_noise_part`).
        std_floor, std_ceiling: Bounds of a component's standard deviation in units of the prior's spread.
        prior: Ranges of the prior.
    """

    num_components: int = 8
    alpha: float = 0.4
    dropout: float = 0.3
    steadiness: float = 2.4
    std_floor: float = 0.05
    std_ceiling: float = 5.0
    prior: PriorConfig = field(default_factory=PriorConfig)

    def __post_init__(self) -> None:
        if self.num_components < 1:
            raise ConfigError(f"dynamics num_components: got {self.num_components}, expected >= 1")
        if not 0.0 < self.alpha <= 1.0:
            raise ConfigError(f"dynamics alpha: got {self.alpha}, expected 0 < alpha <= 1")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dynamics dropout: got {self.dropout}, expected 0 <= dropout < 1")
        if not 0.0 < self.std_floor < self.std_ceiling:
            raise ConfigError(
                f"dynamics std bounds: got {self.std_floor}..{self.std_ceiling}, expected 0 < floor < ceiling"
            )


@dataclass(frozen=True)
class Normalisation:
    """Affine normalisation of the model's inputs, ``(x - mean) / std``.

    Attributes:
        observation_mean, observation_std: Of the relative observation, shape ``(41,)``.
        action_std: Of the action [rad/s], shape ``(6,)``; its mean stays zero, so that hold stays zero.
    """

    observation_mean: Tensor
    observation_std: Tensor
    action_std: Tensor

    def __post_init__(self) -> None:
        require_last_dim(self.observation_mean, layout.OBSERVATION_DIM, "observation_mean")
        require_last_dim(self.observation_std, layout.OBSERVATION_DIM, "observation_std")
        require_last_dim(self.action_std, layout.ACTION_DIM, "action_std")
        for name, value in vars(self).items():
            require_finite(value, name)
            if name.endswith("std") and not bool((value > 0.0).all()):
                raise ConfigError(f"normalisation {name}: got {float(value.min())}, expected > 0")

    @staticmethod
    def identity() -> Normalisation:
        """Return the normalisation that changes nothing."""
        zeros = torch.zeros(layout.OBSERVATION_DIM)
        return Normalisation(zeros, torch.ones_like(zeros), torch.ones(layout.ACTION_DIM))


class BeliefDynamics(nn.Module):
    """The recurrent belief model. Batched over leading dimensions. Starts in evaluation mode (no dropout).

    Args:
        config: Hyperparameters.
        normalisation: Input normalisation; identity if None.
        generator: Source of the initial weights; seed 0 if None.
    """

    def __init__(
        self,
        config: DynamicsConfig | None = None,
        normalisation: Normalisation | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config or DynamicsConfig()
        k, d = self.config.num_components, layout.LATENT_DIM
        dropout = self.config.dropout
        self.transition = _mlp((HIDDEN_DIM + layout.ACTION_DIM, 128, 128, HIDDEN_DIM), dropout)
        self.observe = _mlp((HIDDEN_DIM + layout.OBSERVATION_DIM, 128, 128, HIDDEN_DIM), dropout)
        self.decoder = _mlp((HIDDEN_DIM, 64, k * (2 * d + 1)), dropout)
        self._initialise(generator or torch.Generator().manual_seed(0))
        norm = normalisation or Normalisation.identity()
        prior = prior_mixture(k, self.config.prior)
        _, scale = prior_scales(self.config.prior)
        low, high = math.log(self.config.std_floor), math.log(self.config.std_ceiling)
        relative = (prior.log_stds - scale.log() - 0.5 * (low + high)) / (0.5 * (high - low))
        if bool((relative.abs() >= 1.0).any()):
            raise ConfigError(
                f"dynamics std bounds: got {self.config.std_floor}..{self.config.std_ceiling}, "
                f"expected to contain the prior's {float((prior.log_stds - scale.log()).exp().min()):.3f}..1"
            )
        buffers = {
            "observation_mean": norm.observation_mean,
            "observation_std": norm.observation_std,
            "action_std": norm.action_std,
            "latent_scale": scale,
            "prior_logits": prior.logits,
            "prior_means": prior.means,
            "prior_log_stds": prior.log_stds,
            "prior_bounded": torch.atanh(relative) * 0.5 * (high - low),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.to(torch.get_default_dtype(), copy=True))
        self.eval()

    def initial_state(self, *batch: int) -> tuple[Tensor, Mixture]:
        """Return the embedding ``h = 0`` of shape ``(*batch, 64)`` and the prior belief, before any observation."""
        prior = Mixture(self._buffer("prior_logits"), self._buffer("prior_means"), self._buffer("prior_log_stds"))
        return prior.means.new_zeros(*batch, HIDDEN_DIM), prior.expand(*batch)

    def begin(self, observation: Tensor) -> tuple[Tensor, Mixture]:
        """Return the initial state for a first observation ``(..., 41)``: its pose is as uncertain as that states."""
        h, prior = self.initial_state(*observation.shape[:-1])
        return h, at_accuracy(prior, self._accuracy(observation))

    def step(
        self, h: Tensor, phi: Mixture, action: Tensor, observation: Tensor, previous: Tensor | None = None
    ) -> tuple[Tensor, Mixture]:
        """Return ``(h', phi')`` after one action and the observation that followed it.

        Args:
            h: Embedding, shape ``(..., 64)``.
            phi: Belief before.
            action: Joint velocities [rad/s], shape ``(..., 6)``.
            observation: Relative observation (:func:`~vnb_belief.features.relative_observation`), shape ``(..., 41)``.
            previous: The pose entries of the relative observation before, shape ``(..., 6)``; zero at the start (None).

        Raises:
            ShapeError: If action or observation has another size.
            NonFiniteError: If action or observation holds NaN or infinity.
        """
        _check_inputs(action, observation)
        h = self.embed(h, action, observation)
        motion = observation[..., layout.OBS_POSE]
        jump = self._noise_part(motion if previous is None else motion - previous)
        decoded = at_accuracy(self.decode(h), self._accuracy(observation))
        return h, _moved(phi, -jump).blend(decoded, self.config.alpha)

    def rollout(self, actions: Tensor, observations: Tensor) -> Mixture:
        """Return the beliefs along whole sequences; equal to stepping, with one decoder call for all steps.

        Args:
            actions: Action *before* each observation, shape ``(..., T, 6)``; zero before the first.
            observations: Relative observations, shape ``(..., T, 41)``.

        Returns:
            Beliefs after each observation, batch shape ``(..., T)``.
        """
        _check_inputs(actions, observations)
        h, phi = self.begin(observations[..., 0, :])
        embeddings = []
        for action, observation in zip(actions.unbind(-2), observations.unbind(-2), strict=True):
            h = self.embed(h, action, observation)
            embeddings.append(h)
        motion = observations[..., layout.OBS_POSE]
        jumps = self._noise_part(torch.diff(motion, dim=-2, prepend=torch.zeros_like(motion[..., :1, :])))
        anchor = jumps.cumsum(dim=-2)
        # Averaging tangents that each step moves is averaging the tangents at one fixed pose.
        decoded = at_accuracy(self.decode(torch.stack(embeddings, dim=-2)), self._accuracy(observations))
        decoded = _moved(decoded, anchor)
        alpha = self.config.alpha
        average = Mixture(
            _moving_average(phi.logits, decoded.logits, alpha, dim=-2),
            _moving_average(phi.means, decoded.means, alpha, dim=-3),
            _moving_average(phi.log_stds, decoded.log_stds, alpha, dim=-3),
        )
        return _moved(average, -anchor)

    def embed(self, h: Tensor, action: Tensor, observation: Tensor) -> Tensor:
        """Return the next embedding ``(..., 64)``: transition by the action, correction by the observation."""
        predicted = self.transition(torch.cat((h, action / self._buffer("action_std")), dim=-1))
        # asinh: linear near the mean, logarithmic far out, so that a small motion counts beside a large one.
        normalised = torch.asinh((observation - self._buffer("observation_mean")) / self._buffer("observation_std"))
        return cast(Tensor, self.observe(torch.cat((predicted, normalised * self._shown()), dim=-1)))

    def _shown(self) -> Tensor:
        """Return 1 for entries of the observation ``(41,)`` that the network is shown, 0 for those that it is not.

        Occlusion and segmentation stand still in data whose poses come from a sensor. The weights of inputs that never
        moved are as they were drawn: what a camera says there would push the belief anywhere.
        """
        spread = self._buffer("observation_std")
        shown = torch.ones_like(spread)
        for entry in (layout.OBS_OCCLUSION, layout.OBS_SEGMENTATION):
            shown[entry] = (spread[entry] > VISION_FLOOR * (1.0 + 1e-6)).to(spread)
        return shown

    def decode(self, h: Tensor) -> Mixture:
        """Return the mixture that the embedding ``h (..., 64)`` stands for, its pose in units of the accuracy."""
        k, d = self.config.num_components, layout.LATENT_DIM
        out = self.decoder(h)
        logits, means, log_stds = out.split((k, k * d, k * d), dim=-1)
        shape = (*h.shape[:-1], k, d)
        scale = self._buffer("latent_scale")
        means = means.reshape(shape)
        means = means + SHARED_GAIN * means.mean(dim=-2, keepdim=True)
        return Mixture(
            self._buffer("prior_logits") + logits,
            self._buffer("prior_means") + scale * means,
            scale.log() + self._bound(self._buffer("prior_bounded") + log_stds.reshape(shape)),
        )

    def _accuracy(self, observation: Tensor) -> Tensor:
        return stated_accuracy(observation, self.config.prior)

    def _noise_part(self, jump: Tensor) -> Tensor:
        """Return the part of a step between two pose estimates ``(..., 6)`` that is put down to their noise.

        The latent pose is a tangent at the *latest* estimate. If the object rests, the tangent moves against every jump
        of the estimate, and averaging it over steps averages the noise away; if the object moves, it does not.
        Small jumps are noise, long ones motion: the weight exp(-|jump|^2 / 2 c^2) falls off smoothly, and a
        thrown object leaves nothing behind.
        """
        prior = self.config.prior
        translation, rotation = jump[..., :3], jump[..., 3:]
        parts = []
        for part, deviation in ((translation, prior.position_std), (rotation, prior.rotation_std)):
            reach = self.config.steadiness * deviation
            parts.append(part * torch.exp(-part.square().sum(dim=-1, keepdim=True) / (2.0 * reach**2)))
        return torch.cat(parts, dim=-1)

    def _bound(self, value: Tensor) -> Tensor:
        """Squash ``value`` smoothly into the log-std bounds, slope one in the middle."""
        low, high = math.log(self.config.std_floor), math.log(self.config.std_ceiling)
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        return middle + half * torch.tanh(value / half)

    def _buffer(self, name: str) -> Tensor:
        return cast(Tensor, getattr(self, name))

    def _initialise(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5.0), generator=generator)
                nn.init.zeros_(module.bias)
        for network in (self.transition, self.observe):
            _remember(network)
        nn.init.zeros_(cast(nn.Linear, self.decoder[-1]).weight)


def _mlp(sizes: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.Sequential(nn.ReLU(), nn.Dropout(dropout))]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def _remember(network: nn.Sequential) -> None:
    """Make ``network`` start by carrying the first :data:`MEMORY_DIM` entries of ``h`` through unchanged.

    Six plain layers per step forget within a step or two, and then nothing can be learned that takes time to see (how
    fast the object turns, say). A rectifier network carries ``x`` exactly as ``relu(x) - relu(-x)`` [Le2015].
    """
    first, second, third = (module for module in network if isinstance(module, nn.Linear))
    eye, pairs = torch.eye(MEMORY_DIM), slice(0, 2 * MEMORY_DIM)
    signed = torch.cat((eye, -eye))
    first.weight[pairs, :HIDDEN_DIM] = 0.0
    first.weight[pairs, :MEMORY_DIM] = signed
    first.weight[pairs, HIDDEN_DIM:] *= INPUT_GAIN
    second.weight[pairs] = torch.eye(second.in_features)[pairs]
    third.weight[:MEMORY_DIM, pairs] = signed.T
    third.weight[:MEMORY_DIM, 2 * MEMORY_DIM :] = 0.0


def _moved(phi: Mixture, motion: Tensor) -> Mixture:
    """Return ``phi`` with its pose means moved by ``motion (..., 6)`` (small rotations, so tangents add)."""
    rest = motion.new_zeros(*motion.shape[:-1], layout.LATENT_DIM - motion.shape[-1])
    return Mixture(phi.logits, phi.means + torch.cat((motion, rest), dim=-1).unsqueeze(-2), phi.log_stds)


def _moving_average(start: Tensor, values: Tensor, alpha: float, dim: int) -> Tensor:
    average, out = start, []
    for value in values.unbind(dim):
        average = torch.lerp(average, value, alpha)
        out.append(average)
    return torch.stack(out, dim=dim)


def _check_inputs(action: Tensor, observation: Tensor) -> None:
    require_last_dim(action, layout.ACTION_DIM, "action")
    require_last_dim(observation, layout.OBSERVATION_DIM, "observation")
    require_finite(action, "action")
    require_finite(observation, "observation")
