"""What a failure probability is computed from: the planner's own risk figures, touch, motion, and the library.

All figures are of order one, so that one penalty suits all of their weights. Nothing here is the simulator's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vnb_belief.friction import believed_friction
from vnb_belief.mixture import Mixture
from vnb_planner.failure.promise import Promise
from vnb_planner.models import ObjectModel

GRAVITY = 9.81
_FAINT = 1e-3
_USUAL_TRACE = 1e-3
_FAINTEST_TRACE = 1e-8
"""Of a pose covariance [m^2 + rad^2]."""

TOUCH = ("quality", "grip", "peak_force", "contacts", "thumb_share", "moved", "turned")
"""Names of what friction is read from: the part of the evidence that is sensed, whatever is believed."""

EVIDENCE = (
    "risk",
    "expected_cost",
    "tail_cost",
    "friction",
    "friction_spread",
    "quality",
    "grip",
    "peak_force",
    "contacts",
    "thumb_share",
    "moved",
    "turned",
    "promise",
    "pose_spread",
)
"""Names, in the order in which they are kept.

risk: log odds of the cost exceeding the failure threshold; expected_cost, tail_cost: mean, and CVaR beyond it, of the
cost of holding; friction, friction_spread: mean and standard deviation of the believed log friction; quality: Ferrari-
Canny of the sensed contacts over 0.05; grip: log of sensed force over the object's weight; peak_force: largest sensed
force over the object's cap; contacts: share of the fingers that touch; thumb_share: the thumb's share of the sensed
force; moved, turned: of the object in the hand since the first step [cm, rad]; promise: log odds of the failure that
the library promises under the believed friction; pose_spread: log of what the sensed pose is said to be off by, root of
its covariance's trace over 0.03, which rotation [rad] dominates.
"""


def log_odds(probability: float, draws: float) -> float:
    """Return ``ln(p / (1 - p))`` of a share among ``draws``, half a draw away from certainty at most."""
    edge = 0.5 / (draws + 1.0)
    p = min(max(probability, edge), 1.0 - edge)
    return math.log(p / (1.0 - p))


def collect_evidence(
    *,
    target: ObjectModel,
    belief: Mixture,
    force: Tensor,
    contact: Tensor,
    epsilon_hat: float,
    motion: Tensor,
    p_fail: float,
    expected_cost: float,
    cvar: float,
    draws: int,
    promise: Promise,
    trace: float,
) -> dict[str, float]:
    """Return the evidence by name, in the order of :data:`EVIDENCE`.

    Args:
        target: The object.
        belief: One mixture over the latent.
        force: Sensed normal forces (5,) [N].
        contact: Contact flags (5,).
        epsilon_hat: Tactile grasp quality.
        motion: Twist (6,) of the object in the hand since the first step [m, rad].
        p_fail: Share of samples whose cost of holding exceeds the failure threshold.
        expected_cost, cvar: Mean and tail mean of that cost.
        draws: Number of samples behind ``p_fail``.
        promise: Of the pre-grasp.
        trace: Of the sensed pose's covariance [m^2 + rad^2].
    """
    nodes, weights = believed_friction(belief)
    log_mu = nodes.log()
    mean = float((weights * log_mu).sum())
    spread = math.sqrt(max(float((weights * (log_mu - mean).square()).sum()), 0.0))
    total = float(force.sum())
    values = (
        log_odds(p_fail, draws),
        expected_cost,
        cvar - expected_cost,
        mean,
        spread,
        epsilon_hat / 0.05,
        math.log((total + _FAINT) / (target.mass * GRAVITY)),
        float(force.max()) / target.force_cap,
        float(contact.bool().double().mean()),
        float(force[0]) / (total + _FAINT),
        1e2 * float(torch.linalg.vector_norm(motion[:3])),
        float(torch.linalg.vector_norm(motion[3:])),
        log_odds(promise.failure(belief), 20.0),
        0.5 * math.log(max(trace, _FAINTEST_TRACE) / _USUAL_TRACE),
    )
    return dict(zip(EVIDENCE, values, strict=True))
