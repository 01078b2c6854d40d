"""Iterative closest point from many starts, by open3d."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vnb_grasp.errors import ConfigError
from vnb_perception.objects.model import ObjectModel
from vnb_perception.objects.symmetry import Symmetry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class IcpConfig:
    """Parameters of the registration.

    Attributes:
        coarse_points, fine_points: Points of the cluster that are used, from each start and at the end.
        coarse_reach, fine_reach: Largest distance of a match [m].
        coarse_iterations, fine_iterations: At most.
        finalists: Best different candidates that are refined.
        rmse_weight: Of the rmse [m] in the score ``fitness - rmse_weight * rmse``.
    """

    coarse_points: int = 350
    fine_points: int = 1500
    coarse_reach: float = 0.025
    fine_reach: float = 0.008
    coarse_iterations: int = 12
    fine_iterations: int = 25
    finalists: int = 3
    rmse_weight: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"ICP {name}: got {value}, expected more than 0")


@dataclass(frozen=True, eq=False)
class Registration:
    """A candidate.

    Attributes:
        T_world_centre: Pose of the model's centre (4, 4).
        fitness: Share of the cluster's points with a match.
        rmse: Of the matches [m].
        score: ``fitness - rmse_weight * rmse``.
    """

    T_world_centre: Array
    fitness: float
    rmse: float
    score: float


class Icp:
    """Registers clusters with one model.

    Args:
        model: Of the object.
        config: Parameters.
    """

    def __init__(self, model: ObjectModel, config: IcpConfig | None = None) -> None:
        self.config = config or IcpConfig()
        self._symmetry: Symmetry = model.symmetry
        self._target = model.cloud()
        registration = o3d.pipelines.registration
        self._estimation = registration.TransformationEstimationPointToPlane()

    def register(
        self, points: Array, starts: Array, possible: Callable[[Array], bool] = lambda T: True
    ) -> list[Registration]:
        """Return the best different candidates, the best first.

        Args:
            points: Cluster in the world (N, 3) [m].
            starts: Poses of the model's centre (M, 4, 4).
            possible: Tells whether the object can be at a pose of its centre at all; others are not refined.
        """
        config = self.config
        few, many = _cloud(points, config.coarse_points), _cloud(points, config.fine_points)
        rough = [self._align(few, start, config.coarse_reach, config.coarse_iterations) for start in starts]
        rough.sort(key=lambda candidate: -candidate.score)
        rough = [candidate for candidate in rough if possible(candidate.T_world_centre)] or rough
        finalists = self._different(rough)[: config.finalists]
        fine = [self._align(many, c.T_world_centre, config.fine_reach, config.fine_iterations) for c in finalists]
        return self._different(sorted(fine, key=lambda candidate: -candidate.score))

    def track(self, points: Array, start: Array) -> Registration:
        """Return the candidate found from one start near the truth."""
        many = _cloud(points, self.config.fine_points)
        near = self._align(many, start, 2 * self.config.fine_reach, self.config.coarse_iterations)
        return self._align(many, near.T_world_centre, self.config.fine_reach, self.config.fine_iterations)

    def _align(self, cloud: Any, start: Array, reach: float, iterations: int) -> Registration:
        # The cloud, of which nothing is behind the surface, is the source: every point of it has a match on the model,
        # while most of the model's points were not seen.
        criteria = o3d.pipelines.registration.ICPConvergenceCriteria(1e-5, 1e-5, iterations)
        result = o3d.pipelines.registration.registration_icp(
            cloud, self._target, reach, _inverse(start), self._estimation, criteria
        )
        fitness, rmse = round(float(result.fitness), 9), round(float(result.inlier_rmse), 9)
        score = fitness - self.config.rmse_weight * rmse
        return Registration(_rounded(_inverse(np.asarray(result.transformation))), fitness, rmse, score)

    def _different(self, candidates: list[Registration]) -> list[Registration]:
        kept: list[Registration] = []
        for candidate in candidates:
            if not any(self._same(candidate.T_world_centre, other.T_world_centre) for other in kept):
                kept.append(candidate)
        return kept

    def _same(self, a: Array, b: Array) -> bool:
        turn = self._symmetry.difference(a[:3, :3], b[:3, :3])
        return bool(np.linalg.norm(a[:3, 3] - b[:3, 3]) < 0.004 and np.linalg.norm(turn) < 0.07)


def _cloud(points: Array, count: int) -> Any:
    """Return at most about ``count`` of the points, evenly taken, as open3d's own type."""
    chosen = points[:: max(len(points) // count, 1)]
    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(chosen))


def _rounded(transform: Array) -> Array:
    """Return a transform (4, 4) to the micrometre and microradian.

    open3d adds up in threads, in an order that is not fixed; what follows must not depend on the last bits of its sums.
    """
    result = np.eye(4)
    turn = Rotation.from_matrix(transform[:3, :3]).as_rotvec()
    result[:3, :3] = Rotation.from_rotvec(np.round(turn, 6)).as_matrix()
    result[:3, 3] = np.round(transform[:3, 3], 6)
    return result


def _inverse(transform: Array) -> Array:
    result = np.eye(4)
    result[:3, :3] = transform[:3, :3].T
    result[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return result
