"""Several cameras' estimates of one pose into one, by covariance intersection.

The errors of two estimates are correlated in a way that nobody knows (one model, one table, one hand that hides
things), so information is not added up: ``P^-1 = w P1^-1 + (1 - w) P2^-1`` is consistent whatever the correlation
(Julier and Uhlmann 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from vnb_grasp.errors import ConfigError
from vnb_grasp.registry import Registry
from vnb_perception.estimate import PoseEstimate, Status, no_estimate, pose_of
from vnb_perception.objects.symmetry import Symmetry

Array = NDArray[np.float64]
Weighing = Callable[[Array, Array], float]

SOURCE = "fusion"
_LENGTH = 0.05
"""Lever [m] that makes lengths of angles, so that a trace adds like to like."""

WEIGHINGS: Registry[Weighing] = Registry("weighing of covariance intersection")
"""How the weight of the first of two covariances (6, 6) is chosen."""


@WEIGHINGS.register("fixed")
def _fixed(first: Array, second: Array) -> float:
    return 0.5


@WEIGHINGS.register("trace")
def _least_trace(first: Array, second: Array) -> float:
    unit = np.diag(np.repeat([1.0, _LENGTH], 3))
    return _least(first, second, lambda fused: float(np.trace(unit @ fused @ unit)))


@WEIGHINGS.register("determinant")
def _least_determinant(first: Array, second: Array) -> float:
    return _least(first, second, lambda fused: float(np.linalg.slogdet(fused)[1]))


def _least(first: Array, second: Array, size: Callable[[Array], float]) -> float:
    a, b = np.linalg.inv(first), np.linalg.inv(second)
    found = minimize_scalar(
        lambda w: size(np.linalg.inv(w * a + (1 - w) * b)),
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(found.x)


@dataclass(frozen=True)
class FusionConfig:
    """Parameters of the fusion.

    Attributes:
        weighing: ``fixed`` (0.5, as in the paper), ``trace`` or ``determinant`` (the weight that makes it least).
        shrink: Factor on the intersected covariance. 1 is safe whatever the correlation of the errors; 0.5 would be
            right for errors of one size that are independent. Those of two cameras were measured to be nearly, and the
            default is calibrated on them (docs/perception.md).
        gate: Probability beyond which two estimates disagree: of a difference this large between consistent ones.
        drift_translation, drift_rotation: Standard deviation that a held pose gains [m/sqrt(s)], [rad/sqrt(s)].
        fresh: Age up to which a pose counts as seen now [s]: the time from one image to the next.
        hold: Age at which a held pose is given up [s].
        window: Largest difference of the stamps of estimates that are of one moment [s].
    """

    weighing: str = "fixed"
    shrink: float = 0.46
    gate: float = 0.999
    drift_translation: float = 0.002
    drift_rotation: float = 0.02
    fresh: float = 0.5
    hold: float = 30.0
    window: float = 0.05

    def __post_init__(self) -> None:
        WEIGHINGS[self.weighing]
        if not 0.0 < self.gate < 1.0:
            raise ConfigError(f"fusion gate: got {self.gate}, expected a probability in (0, 1)")
        for name in ("shrink", "drift_translation", "drift_rotation", "fresh", "hold", "window"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"fusion {name}: got {getattr(self, name)}, expected more than 0")


def fuse(estimates: Sequence[PoseEstimate], symmetry: Symmetry, config: FusionConfig | None = None) -> PoseEstimate:
    """Return the fused estimate of one moment; of one camera alone where the others have none.

    Estimates that disagree beyond the gate are not averaged: nobody knows which of them is right.

    Args:
        estimates: One per camera.
        symmetry: Of the object: images of an orientation are the same.
        config: Parameters.
    """
    config = config or FusionConfig()
    good = [estimate for estimate in estimates if estimate.ok]
    if not good:
        reasons = "; ".join(dict.fromkeys(estimate.reason for estimate in estimates)) or "no camera"
        status = max((e.status for e in estimates), key=_gravity, default=Status.STALE)
        occlusion = min((e.occlusion for e in estimates), default=1.0)
        return no_estimate(SOURCE, status, reasons, occlusion)
    fused = good[0]
    for other in good[1:]:
        distance, limit = disagreement(fused, other, symmetry, config.gate)
        if distance > limit:
            gap = np.linalg.norm(fused.T_world_object[:3, 3] - other.T_world_object[:3, 3])
            reason = f"{fused.source} and {other.source} are {gap * 1000:.0f} mm apart ({distance:.0f} > {limit:.0f})"
            return no_estimate(SOURCE, Status.DISAGREE, reason, min(fused.occlusion, other.occlusion))
        fused = intersect(fused, other, symmetry, config)
    return _as_fused(fused, estimates)


def _gravity(status: Status) -> int:
    """Return how much a status says: what a camera saw counts for more than that it saw nothing."""
    order = (Status.STALE, Status.BAD_INPUT, Status.NO_OBJECT, Status.POOR, Status.AMBIGUOUS, Status.DISAGREE)
    return order.index(status) if status in order else -1


def _as_fused(fused: PoseEstimate, estimates: Sequence[PoseEstimate]) -> PoseEstimate:
    reasons = "; ".join(e.reason for e in estimates if not e.ok)
    return PoseEstimate(
        Status.OK,
        reasons,
        fused.pose,
        fused.covariance,
        fused.fitness,
        fused.rmse,
        fused.occlusion,
        fused.segmentation,
        SOURCE,
    )


def _difference(first: PoseEstimate, second: PoseEstimate, symmetry: Symmetry) -> Array:
    """Return the tangent (6,) that takes ``first`` to the nearest image of ``second``."""
    a, b = first.T_world_object, second.T_world_object
    return np.concatenate((b[:3, 3] - a[:3, 3], symmetry.difference(b[:3, :3], a[:3, :3])))


def disagreement(first: PoseEstimate, second: PoseEstimate, symmetry: Symmetry, gate: float) -> tuple[float, float]:
    """Return the squared Mahalanobis distance of two estimates, and the limit that consistent ones keep."""
    xi = _difference(first, second, symmetry)
    return float(xi @ np.linalg.solve(first.covariance + second.covariance, xi)), float(chi2.ppf(gate, 6))


def intersect(
    first: PoseEstimate, second: PoseEstimate, symmetry: Symmetry, config: FusionConfig | None = None
) -> PoseEstimate:
    """Return the covariance intersection of two estimates that have poses."""
    config = config or FusionConfig()
    xi = _difference(first, second, symmetry)
    w = WEIGHINGS[config.weighing](first.covariance, second.covariance)
    a, b = w * np.linalg.inv(first.covariance), (1 - w) * np.linalg.inv(second.covariance)
    covariance = np.linalg.inv(a + b)
    move = covariance @ (b @ xi)
    T = first.T_world_object.copy()
    T[:3, :3] = Rotation.from_rotvec(move[3:]).as_matrix() @ T[:3, :3]
    T[:3, 3] += move[:3]
    return PoseEstimate(
        Status.OK,
        "",
        pose_of(T),
        0.5 * config.shrink * (covariance + covariance.T),
        w * first.fitness + (1 - w) * second.fitness,
        float(np.sqrt(w * first.rmse**2 + (1 - w) * second.rmse**2)),
        min(first.occlusion, second.occlusion),
        max(first.segmentation, second.segmentation),
        SOURCE,
    )


class PoseFusion:
    """Fuses moment after moment, and says what is known at any time between and after them.

    Args:
        symmetry: Of the object.
        config: Parameters.
    """

    def __init__(self, symmetry: Symmetry, config: FusionConfig | None = None) -> None:
        self.symmetry, self.config = symmetry, config or FusionConfig()
        self.reset()

    def reset(self) -> None:
        """Forget everything: the world has begun anew."""
        self._moment = -np.inf
        self._missing: PoseEstimate | None = None
        self._last: tuple[float, PoseEstimate] | None = None

    @property
    def missing(self) -> PoseEstimate | None:
        """Why the newest moment has no pose; None if it has one."""
        return self._missing

    def update(self, time: float, estimates: Sequence[PoseEstimate]) -> PoseEstimate:
        """Take the estimates of the moment ``time`` [s] and return what is known then.

        Time that runs backwards, or stands at zero, is a new world's: what was seen before is forgotten.
        """
        if time < self._moment or time == 0.0:
            self.reset()
        self._moment = time
        fused = fuse(estimates, self.symmetry, self.config)
        if fused.ok:
            if self._last is not None and time - self._last[0] <= self.config.hold:
                # What looks the same must not seem to turn.
                T = fused.T_world_object.copy()
                T[:3, :3] = self.symmetry.nearest(T[:3, :3], self._last[1].T_world_object[:3, :3])
                fused = replace(fused, pose=pose_of(T))
            self._last, self._missing = (time, fused), None
        else:
            self._missing = fused
        return self.at(time)

    def at(self, time: float) -> PoseEstimate:
        """Return what is known at ``time`` [s].

        A pose that was seen a moment ago holds. Where no camera has one, or they disagree, or no image comes, the last
        pose is held: with status ``HELD``, a covariance that grows with its age, and as wholly occluded, so that vision
        counts for nothing. A pose that is too old, or of the future, is given up.
        """
        if self._last is None:
            return self._missing or no_estimate(SOURCE, Status.STALE, "no image has come yet")
        age = time - self._last[0]
        if not -self.config.window <= age <= self.config.hold:
            reason = f"the last image with the object is {age:.2f} s old"
            return self._missing or no_estimate(SOURCE, Status.STALE, reason)
        if self._missing is None and age <= self.config.fresh:
            return self._last[1]
        return self._held(max(age, 0.0), self._last[1])

    def _held(self, age: float, last: PoseEstimate) -> PoseEstimate:
        config = self.config
        drift = age * np.repeat([config.drift_translation**2, config.drift_rotation**2], 3)
        why = "no newer image" if self._missing is None else self._missing.reason
        nan = float("nan")
        return PoseEstimate(
            Status.HELD,
            f"held for {age:.2f} s: {why}",
            last.pose,
            last.covariance + np.diag(drift),
            nan,
            nan,
            1.0,
            0.0,
            SOURCE,
        )
