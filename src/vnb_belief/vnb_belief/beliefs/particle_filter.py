"""Particle filter: the baseline that reasons from physics and learns from no data.

The posterior factorises, and each factor has weights of its own, so that evidence on one never thins out the other:

- *Geometry*: object pose, one contact stiffness per object, slip speeds. Evidence: pose estimates, touch or its absence
  at each fingertip's distance to the object, motion of the fingertips along the surface.
- *Surface*: one friction and one damping per object. Evidence: loads on the contacts.

**Friction while the fingers close.** Only tangential load says anything about friction, and closing fingers sense none:
the pads measure normal force, the table carries the weight, and the observation holds no wrist force. The imbalance of
the measured normal forces is no substitute: on simulated closings it exceeds what the true friction could carry in 5 %
(potted meat can) to 44 % (cylinder) of the steps, because links without pads push too. The tangential load therefore
counts as zero in :meth:`Belief.update`, and friction stays at its prior. Who knows the load (the object's weight after
a lift or a probe) tells it by :meth:`ParticleFilterBelief.observe_load`.

**Pose.** Errors of pose estimates are white noise plus a constant bias, which no averaging removes. A Kalman filter per
axis, common to all particles, follows what the estimates show; each particle holds one constant offset from it, in
units of the standard deviation that bias and filter leave. Touch then tells offsets apart.

**Stiffness.** Each particle carries the posterior of the object's log stiffness given its own poses, on a grid.

    [Doucet2000] A. Doucet, S. Godsill, C. Andrieu, On sequential Monte Carlo sampling methods for Bayesian filtering,
        Statistics and Computing 10 (Rao-Blackwellisation: what can be marginalised is not sampled).
    [Liu2001] see :mod:`vnb_belief.particles`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

from vnb_belief import layout
from vnb_belief.beliefs.base import Belief
from vnb_belief.beliefs.particle_filter_config import ParticleFilterConfig
from vnb_belief.features import pose_from_vector
from vnb_belief.geometry import Fingertips, GraspGeometry
from vnb_belief.likelihoods import friction_log_likelihood, gap_log_likelihood, slip_log_likelihood
from vnb_belief.mixture import Mixture
from vnb_belief.particles import (
    Particles,
    effective_sample_size,
    normalised,
    shrunk_jitter,
    silverman_bandwidth,
    systematic_indices,
)
from vnb_belief.prior import prior_mixture, prior_scales
from vnb_grasp.description import HandDescription, ObjectDescription
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.frames.se3 import local, retract

_LEAST_WEIGHT = 1e-12
_LEAST_STD = 1e-6
_SLIP_CELLS = 32
_KAPPA_CELLS = 32
_FAST = 4.0


@dataclass(frozen=True, eq=False)
class _State:
    """Everything at one step; ``surface`` holds log mu (5) and log damping (5).

    Attributes:
        seen: Filtered pose of the object in the hand, bias included, shape ``(4, 4)``.
        seen_variance: Its variances, shape ``(6,)``.
        pose_std: Standard deviations of a single pose estimate, shape ``(6,)``.
        offset: Each particle's offset from it in standard deviations, shape ``(N, 6)``.
        kappa_table: Log-posterior of each particle over the cells of log stiffness, shape ``(N, G)``.
        slip: Softplus-inverse of slip speeds, shape ``(N, 5)``.
        log_weights: Of the geometry, shape ``(N,)``.
        surface: Particles of the surface.
        estimate: Latest pose estimate ``(4, 4)``.
        contact: Of the latest observation, shape ``(5,)``.
        tips: Fingertips at the latest observation.
    """

    seen: Tensor
    seen_variance: Tensor
    pose_std: Tensor
    offset: Tensor
    kappa_table: Tensor
    slip: Tensor
    log_weights: Tensor
    surface: Particles
    estimate: Tensor
    contact: Tensor
    tips: Fingertips


class ParticleFilterBelief(Belief):
    """See the module. Deterministic: every reset starts the same draws anew.

    The summary has one component per particle: means are the particles, logits their log-weights, widths Silverman's.

    Args:
        hand: The hand.
        obj: The object; without it the filter refuses to start.
        config: Models and sizes.
        seed: Seed of the draws.
    """

    name = "particle_filter"

    def __init__(
        self,
        hand: HandDescription,
        obj: ObjectDescription | None,
        config: ParticleFilterConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or ParticleFilterConfig()
        self._geometry = None if obj is None else GraspGeometry(hand, obj)
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self._prior = prior_mixture(8, self.config.prior)
        mean, std = prior_scales(self.config.prior)
        self._slip_prior = mean[layout.SLIP_RAW], std[layout.SLIP_RAW]
        kappa = layout.LOG_KAPPA.start
        self._log_kappa = mean[kappa] + std[kappa] * torch.special.ndtri(_middles(_KAPPA_CELLS))
        self._state: _State | None = None

    @property
    def ess(self) -> float:
        """Effective sample size of the particles' joint weights, in [1, N]."""
        return effective_sample_size(self._joint_weights(self._started()))

    @property
    def friction_ess(self) -> float:
        """Effective sample size of the friction's own weights, in [1, N]."""
        return self._started().surface.ess

    def observe_load(self, normal_force: Tensor, tangential_force: Tensor, slip: Tensor) -> Mixture:
        """Return the belief after loads that are known besides the observation, as those of a lift.

        Readings that share their errors are one observation: do not tell them twice.

        Args:
            normal_force: Of each contact [N], shape ``(5,)``.
            tangential_force: Of each contact [N], shape ``(5,)``; zero where it is not known.
            slip: Whether each contact slipped, or the probability that it did, shape ``(5,)``.

        Raises:
            ConfigError: If :meth:`reset` was not called, or a slip is outside [0, 1].
            ShapeError: If an argument has another shape.
            NonFiniteError: If an argument holds NaN or infinity.
        """
        state = self._started()
        for what, value in (("normal force", normal_force), ("tangential force", tangential_force), ("slip", slip)):
            if tuple(value.shape) != (layout.NUM_CONTACTS,):
                raise ShapeError(f"{what}: got shape {tuple(value.shape)}, expected ({layout.NUM_CONTACTS},)")
            if not bool(torch.isfinite(value).all()):
                raise NonFiniteError(f"{what}: got {value.tolist()}, expected finite numbers")
        log_mu = state.surface.values[:, : layout.NUM_CONTACTS]
        evidence = friction_log_likelihood(
            log_mu, normal_force.double(), tangential_force.double(), slip, self.config.friction_noise
        )
        surface = self._renewed(state.surface.reweighted(evidence.sum(dim=-1)))
        return self._commit(replace(state, surface=surface))

    def _started(self) -> _State:
        self._require_started()
        assert self._state is not None
        return self._state

    @torch.no_grad()
    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        if self._geometry is None:
            raise ConfigError(
                "belief 'particle_filter': got no object, expected its description, as touch is explained by its "
                "shape; identify the object or use a belief that needs none"
            )
        std = self._pose_std(observation)
        config, n = self.config, self.config.num_particles
        g = self._generator = torch.Generator().manual_seed(self._seed)
        theta = self._prior.sample(n, g, stratified=True)[torch.randperm(n, generator=g)]
        spread = config.contact_spread * _normal((n, layout.NUM_CONTACTS), g)
        shared = theta[:, [layout.LOG_MU.start]] + spread  # friction belongs to the object, not to the contact
        observation = observation.double()
        estimate = pose_from_vector(observation[layout.OBS_POSE])
        state = _State(
            seen=estimate,
            seen_variance=(1.0 - config.bias_share) * std.square(),
            pose_std=std,
            offset=_normal((n, 6), g),
            kappa_table=theta.new_full((n, _KAPPA_CELLS), -math.log(_KAPPA_CELLS)),
            slip=theta[:, layout.SLIP_RAW],
            log_weights=theta.new_full((n,), -math.log(n)),
            surface=Particles.equal(torch.cat((shared, theta[:, layout.LOG_DAMPING]), dim=-1)),
            estimate=estimate,
            contact=observation[layout.OBS_CONTACT] > 0.5,
            tips=self._geometry.fingertips(observation[layout.OBS_JOINT_POSITION]),
        )
        return self._commit(self._touched(state, observation, torch.zeros(n, dtype=torch.float64)))

    @torch.no_grad()
    def _predict(self, action: Tensor) -> Mixture:
        """Keep the particles; their components widen by the object's motion, and slip returns to its prior."""
        now = self.mixture
        mean, std = self._slip_prior
        means, stds = now.means.clone(), now.stds.clone()
        means[:, layout.SLIP_RAW], stds[:, layout.SLIP_RAW] = mean, std
        motion = self._motion(bool(self._started().contact.any()))
        stds[:, layout.POSE] = torch.hypot(stds[:, layout.POSE], motion)
        return Mixture(now.logits, means, stds.log())

    @torch.no_grad()
    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        assert self._geometry is not None
        last, observation = self._started(), observation.double()
        std = self._pose_std(observation)
        estimate = pose_from_vector(observation[layout.OBS_POSE])
        contact = observation[layout.OBS_CONTACT] > 0.5
        innovation = local(last.seen, estimate)
        white = (1.0 - self.config.bias_share) * std.square()
        touching = bool((contact | last.contact).any())
        predicted = last.seen_variance + self._motion_variance(innovation, last.seen_variance + white, touching)
        gain = predicted / (predicted + white)
        state = replace(
            last,
            seen=retract(last.seen, gain * innovation),
            seen_variance=(1.0 - gain) * predicted,
            pose_std=std,
            estimate=estimate,
            contact=contact,
            tips=self._geometry.fingertips(observation[layout.OBS_JOINT_POSITION]),
        )
        measured = self._geometry.slip_speed(
            self._poses(last), last.tips, self._poses(state), state.tips, self.config.decision_period
        )
        slip, evidence = self._draw_slip(measured, contact & last.contact)
        return self._commit(self._touched(replace(state, slip=slip), observation, evidence.sum(dim=-1)))

    def _poses(self, state: _State) -> Tensor:
        """Return each particle's object pose in the hand, shape ``(N, 4, 4)``."""
        spread = (self.config.bias_share * state.pose_std.square() + state.seen_variance).sqrt()
        return retract(state.seen, spread * state.offset)

    def _motion_variance(self, innovation: Tensor, noise: Tensor, touching: bool) -> Tensor:
        """Return the variance of the object's motion in a step ``(6,)``, an average of ordinary motion and a knock."""
        config = self.config
        kinds = torch.stack((self._motion(touching), _pose_spread(config.motion_jump))).square()  # (2, 6)
        share = innovation.new_tensor((1.0 - config.jump_share, config.jump_share)).log()
        total = kinds + noise
        evidence = share - 0.5 * (innovation.square() / total + total.log()).sum(dim=-1)
        return evidence.softmax(dim=0) @ kinds

    def _draw_slip(self, measured: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return slip ``(N, 5)`` drawn from its posterior given the measured speed, and the evidence ``(N, 5)``.

        The prior is cut into cells of equal probability, one of which is drawn. A slip that is not ``seen (5,)`` is
        drawn from the prior and is no evidence.
        """
        mean, std = self._slip_prior
        speeds = softplus(mean[0] + std[0] * torch.special.ndtri(_middles(_SLIP_CELLS)))
        measured = measured.clamp(max=_FAST * self.config.slip_noise)  # beyond, the object is thrown: no slip to fit
        scores = slip_log_likelihood(measured[..., None], speeds, self.config.slip_noise) * seen[:, None]
        flat = scores.softmax(dim=-1).reshape(-1, _SLIP_CELLS)
        cell = torch.multinomial(flat, 1, generator=self._generator).reshape(measured.shape)
        offset = torch.rand(measured.shape, generator=self._generator, dtype=torch.float64).clamp(1e-6, 1.0 - 1e-6)
        slip = mean + std * torch.special.ndtri((cell + offset) / _SLIP_CELLS)
        return slip, torch.logsumexp(scores, dim=-1) - math.log(_SLIP_CELLS)

    def _touched(self, state: _State, observation: Tensor, evidence: Tensor) -> _State:
        """Return the state after touch and other ``evidence (N,)``, resampled if its effective sample size is low."""
        assert self._geometry is not None
        config, n = self.config, self.config.num_particles
        gap, _ = self._geometry.gaps(self._poses(state), state.tips)
        touch = gap_log_likelihood(
            gap[:, None],  # (N, 1, 5) against (G, 1)
            observation[layout.OBS_FORCE],
            state.contact,
            self._log_kappa[:, None],
            config.gap_noise,
            config.gap_outlier,
            config.gap_outlier_noise,
        )
        table = state.kappa_table + touch.sum(dim=-1) / config.gap_steps
        total = torch.logsumexp(table, dim=-1)
        table = table - total[:, None]
        log_weights = normalised(state.log_weights, evidence + total)
        if effective_sample_size(log_weights) >= config.resample_below * n:
            return replace(state, kappa_table=table, log_weights=log_weights)
        before = Particles(state.offset, log_weights)
        index = systematic_indices(log_weights, self._generator)
        return replace(
            state,
            offset=shrunk_jitter(before.values[index], before, config.discount, self._generator),
            kappa_table=table[index],
            slip=state.slip[index],
            log_weights=torch.full_like(log_weights, -math.log(n)),
        )

    def _renewed(self, surface: Particles) -> Particles:
        if surface.ess >= self.config.resample_below * len(surface):
            return surface
        index = systematic_indices(surface.log_weights, self._generator)
        moved = shrunk_jitter(surface.values[index], surface, self.config.discount, self._generator)
        return Particles.equal(moved)

    def _motion(self, touching: bool) -> Tensor:
        """Return the standard deviations of the object's ordinary motion in a step, shape ``(6,)``."""
        return _pose_spread(self.config.motion_touching if touching else self.config.motion_free)

    def _pose_std(self, observation: Tensor) -> Tensor:
        """Return the pose estimate's standard deviations ``(6,)``: the prior's proportions, the observed trace."""
        trace = float(observation[layout.OBS_TRACE])
        if not trace > 0.0:
            raise ConfigError(
                f"belief 'particle_filter': got a pose covariance trace of {trace}, expected > 0; look at the sensor"
            )
        prior = self.config.prior
        std = _pose_spread((prior.position_std, prior.rotation_std))
        return std * math.sqrt(trace / float(std.square().sum()))

    def _joint_weights(self, state: _State) -> Tensor:
        return (state.log_weights + state.surface.log_weights).log_softmax(dim=0)

    def _commit(self, state: _State) -> Mixture:
        """Keep the state and return its summary."""
        pose = local(state.estimate, self._poses(state))
        contacts = layout.NUM_CONTACTS
        log_mu, damping = state.surface.values[:, :contacts], state.surface.values[:, contacts:]
        cell = torch.multinomial(state.kappa_table.exp(), 1, generator=self._generator)[:, 0]
        log_kappa = self._log_kappa[cell, None].expand(-1, contacts)
        theta = torch.cat((pose, log_mu, log_kappa, damping, state.slip), dim=-1)
        log_weights = self._joint_weights(state).clamp(min=math.log(_LEAST_WEIGHT))
        width = silverman_bandwidth(theta, log_weights).clamp(min=_LEAST_STD)
        # The filter's error changes from step to step: no constant offset knows the pose better.
        width[layout.POSE] = torch.maximum(width[layout.POSE], state.seen_variance.sqrt())
        width[layout.LOG_KAPPA] = width[layout.LOG_KAPPA].clamp(min=self.config.stiffness_spread)
        summary = Mixture(log_weights, theta, width.log().expand_as(theta).contiguous())
        self._state, self._current = state, summary
        return summary

    def _entropy(self, n: int, generator: Generator | None) -> Tensor:
        return self.mixture.entropy(max(1, n * 8 // self.config.num_particles), generator)


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _pose_spread(spread: tuple[float, float]) -> Tensor:
    """Return ``(6,)``: a translation [m] for three axes, a rotation [rad] for three."""
    return torch.tensor([spread[0]] * 3 + [spread[1]] * 3, dtype=torch.float64)


def _middles(cells: int) -> Tensor:
    """Return the middle of each of ``cells`` equal parts of (0, 1)."""
    return (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
