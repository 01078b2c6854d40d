"""Models and sizes of the particle filter."""

from __future__ import annotations

from dataclasses import dataclass, field

from vnb_belief.prior import PriorConfig
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class ParticleFilterConfig:
    """Models and sizes of the filter.

    Attributes:
        num_particles: Particles N.
        resample_below: Fraction of N below which the effective sample size triggers resampling.
        discount: Discount of the jitter of static parameters after resampling, in (1/3, 1] [Liu2001].
        contact_spread: Standard deviation of a contact's log friction about the object's.
        stiffness_spread: Least standard deviation of a contact's log stiffness: how well forces are known.
        bias_share: Share of the pose estimate's variance that is constant over a grasp (2 mm of 2.5 mm, squared).
        motion_free, motion_touching: Standard deviations of the object's motion in the hand per step while no finger
            touches and while one does (translation [m], rotation [rad]).
        motion_jump, jump_share: The same of an object that is knocked, and how probable that is in a step.
        gap_noise: Accuracy of the fingertips' modelled surface against the object's [m].
        gap_outlier, gap_outlier_noise: Share and spread [m] of touch elsewhere than at the modelled sphere.
        gap_steps: Steps over which errors of the gaps (encoders, gains, shapes) stay the same: each step's evidence
            counts for one part in so many.
        slip_noise: Noise of a measured slip velocity, each component [m/s].
        friction_noise: Standard deviation of the logarithm of a load ratio.
        decision_period: Time between observations [s].
        prior: Ranges of the prior.
    """

    num_particles: int = 100
    resample_below: float = 0.5
    discount: float = 0.95
    contact_spread: float = 0.02
    stiffness_spread: float = 0.05
    bias_share: float = 0.64
    motion_free: tuple[float, float] = (1e-4, 1e-3)
    motion_touching: tuple[float, float] = (5e-4, 8e-3)
    motion_jump: tuple[float, float] = (5e-3, 5e-2)
    jump_share: float = 0.02
    gap_noise: float = 0.0015
    gap_outlier: float = 0.1
    gap_outlier_noise: float = 0.01
    gap_steps: float = 40.0
    slip_noise: float = 0.03
    friction_noise: float = 0.15
    decision_period: float = 0.04
    prior: PriorConfig = field(default_factory=PriorConfig)

    def __post_init__(self) -> None:
        if self.num_particles < 2:
            raise ConfigError(f"particle filter num_particles: got {self.num_particles}, expected >= 2")
        for name in (
            "contact_spread",
            "stiffness_spread",
            "gap_noise",
            "gap_outlier_noise",
            "slip_noise",
            "friction_noise",
        ):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"particle filter {name}: got {getattr(self, name)}, expected > 0")
        for name in ("bias_share", "gap_outlier", "jump_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"particle filter {name}: got {getattr(self, name)}, expected in (0, 1)")
        for name in ("motion_free", "motion_touching", "motion_jump"):
            if not min(getattr(self, name)) > 0.0:
                raise ConfigError(f"particle filter {name}: got {getattr(self, name)}, expected > 0")
        if not 0.0 < self.resample_below <= 1.0:
            raise ConfigError(f"particle filter resample_below: got {self.resample_below}, expected in (0, 1]")
        if not 1.0 / 3.0 < self.discount <= 1.0:
            raise ConfigError(f"particle filter discount: got {self.discount}, expected in (1/3, 1]")
        if not (self.gap_steps >= 1.0 and self.decision_period > 0.0):
            raise ConfigError(
                f"particle filter gap_steps and decision_period: got {self.gap_steps} and {self.decision_period}, "
                "expected >= 1 and > 0"
            )
