"""Depth image to object pose: one camera's estimator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vnb_grasp.description import CameraDescription
from vnb_grasp.errors import ConfigError, ShapeError
from vnb_grasp.optics.pinhole import Intrinsics, intrinsics_of, place_of
from vnb_perception.estimate import PoseEstimate, Status, no_estimate, pose_of
from vnb_perception.images.depth import Depth
from vnb_perception.images.robot import PlacedRobot
from vnb_perception.images.segment import Cluster, SegmentConfig, edge_step, segment
from vnb_perception.objects.model import ObjectModel
from vnb_perception.objects.starts import starts, upright_box
from vnb_perception.registration.icp import Icp, IcpConfig, Registration
from vnb_perception.registration.refine import (
    Evidence,
    RefineConfig,
    Surface,
    covariance,
    moved,
    outline_evidence,
    solve,
    steep,
)
from vnb_perception.registration.view import Mask, Patch, patch_around

Array = NDArray[np.float64]

UPRIGHT = np.eye(3)
"""Orientation to which the images of a symmetric object are brought near when nothing earlier is known."""


@dataclass(frozen=True)
class EstimatorConfig:
    """Parameters of the estimator.

    Attributes:
        segment, icp, refine: Of its parts.
        least_points: Pixels of the smallest cluster that is registered.
        least_fitness: Below it an estimate is declared poor.
        least_overlap: Overlap of the masks below which it is.
        most_occlusion: Share hidden by the robot above which it is.
        least_measured: Share of what should be seen that was measured, below which it is: a part of a long object
            that stands looks like all of one that lies, where nothing contradicts.
        most_spread: Standard deviation of the position, in its worst direction, above which it is [m].
        size_slack: Length by which a cluster may exceed the object's diagonal [m].
        least_inliers: Share of points on the refined surface below which it is.
        sunk: Depth under the table at which no object can be [m].
        hover: Height over the table at which none can be unless the robot may hold it [m].
        grip: Distance from the robot within which it may hold something [m].
        rays: Of the expected view.
        track_iterations: Of the refinement of a pose that was known a moment ago.
    """

    segment: SegmentConfig = field(default_factory=SegmentConfig)
    icp: IcpConfig = field(default_factory=IcpConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    least_points: int = 80
    least_fitness: float = 0.8
    least_overlap: float = 0.75
    most_occlusion: float = 0.8
    least_measured: float = 0.6
    most_spread: float = 0.012
    size_slack: float = 0.03
    least_inliers: float = 0.8
    sunk: float = 0.005
    hover: float = 0.012
    grip: float = 0.04
    rays: int = 6000
    track_iterations: int = 2

    def __post_init__(self) -> None:
        for name in ("least_fitness", "least_overlap", "most_occlusion", "least_measured"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"pose estimator {name}: got {getattr(self, name)}, expected 0 to 1")


@dataclass(frozen=True, eq=False)
class _View:
    """What is expected at a pose, beside what is seen."""

    depth: NDArray[np.float32]
    expected: Mask
    free: Mask
    beside: Mask
    occlusion: float
    overlap: float
    measured: float


@dataclass(frozen=True, eq=False)
class _Moment:
    """What an image brings: itself, the robot, and the table's plane in it."""

    image: Depth
    robot: PlacedRobot | None
    plane: Array


@dataclass(frozen=True, eq=False)
class _Fit:
    """A refined candidate."""

    T: Array
    evidence: Evidence
    registration: Registration
    view: _View
    cluster: Cluster
    plane: Array
    held: bool

    @property
    def worth(self) -> float:
        """What candidates are compared by: the score of the registration, surface and masks as refined."""
        return self.registration.score + self.evidence.inliers + self.view.overlap


class PoseEstimator:
    """Estimates the pose of one known object from one camera's depth images.

    Args:
        camera: Whose images come; its noise and the accuracy of its place make the covariance.
        model: Of the object.
        config: Parameters.
        intrinsics: Of the images, where they are not those of the description.
    """

    def __init__(
        self,
        camera: CameraDescription,
        model: ObjectModel,
        config: EstimatorConfig | None = None,
        intrinsics: Intrinsics | None = None,
    ) -> None:
        self.camera, self.model = camera, model
        self.config = config or EstimatorConfig()
        self.intrinsics = intrinsics or intrinsics_of(camera)
        self._place = place_of(camera)
        self._icp = Icp(model, self.config.icp)
        self._surface = Surface(model)
        self._scene = model.scene()
        self._corners = model.points - model.centre

    def estimate(self, depth: Depth, robot: PlacedRobot | None = None, last: Array | None = None) -> PoseEstimate:
        """Return the pose, or the status that says why there is none.

        Args:
            depth: (height, width) [m]; 0 where there is nothing.
            robot: The robot at the time of the image; None if it is out of the picture.
            last: ``T_world_object`` (4, 4) of the last estimate of an object that has hardly moved: the registration
                begins there, and with all starts only if that fails.

        Raises:
            ShapeError: If the image is not of the camera's size.
        """
        if depth.shape != (self.intrinsics.height, self.intrinsics.width):
            raise ShapeError(
                f"depth image of {self.camera.name}: got {depth.shape}, expected "
                f"{(self.intrinsics.height, self.intrinsics.width)} as its camera info says"
            )
        found = segment(depth, self.intrinsics, self._place, robot, self.config.segment)
        if found.workspace < self.config.least_points:
            return self._none(Status.BAD_INPUT, f"only {found.workspace} pixels show the workspace")
        clusters = [c for c in found.clusters if len(c.points) >= self.config.least_points]
        if not clusters:
            return self._none(Status.NO_OBJECT, "nothing stands on the table but the robot")
        moment = _Moment(depth, robot, found.plane)
        if last is not None:
            tracked = self._track(clusters, moment, last)
            if tracked is not None:
                return self._report(tracked, last[:3, :3])
        fits = [fit for cluster in clusters[:3] if (fit := self._fit(cluster, moment)) is not None]
        if not fits:
            return self._none(Status.NO_OBJECT, f"nothing of the size of {self.model.name} stands on the table")
        good = [fit for fit in fits if not self._fault(fit)]
        if not good:
            worst = max(fits, key=lambda fit: fit.worth)
            return self._none(Status.POOR, self._fault(worst), worst.view.occlusion)
        if len(good) > 1:
            return self._none(Status.AMBIGUOUS, f"{len(good)} things look like {self.model.name}")
        return self._report(good[0], UPRIGHT if last is None else last[:3, :3])

    def _none(self, status: Status, reason: str, occlusion: float = 1.0) -> PoseEstimate:
        return no_estimate(self.camera.name, status, f"{self.camera.name}: {reason}", occlusion)

    def _track(self, clusters: list[Cluster], moment: _Moment, last: Array) -> _Fit | None:
        """Return the fit that begins at the last pose, or None if it does not hold."""
        centre = last.copy()
        centre[:3, 3] += last[:3, :3] @ self.model.centre
        reach = 0.5 * self.model.diameter + 0.02
        near = [c for c in clusters if np.linalg.norm(c.points - centre[:3, 3], axis=1).min() < reach]
        if not near:
            return None
        cluster = _joined(near, centre[:3, 3], reach)
        if len(cluster.points) < self.config.least_points:
            return None
        fit = self._refined(cluster, self._icp.track(cluster.points, centre), moment, self.config.track_iterations)
        return None if self._fault(fit) else fit

    def _fit(self, cluster: Cluster, moment: _Moment) -> _Fit | None:
        """Return the best fit of the model to a cluster, or None if its size alone excludes it."""
        size = float(np.linalg.norm(upright_box(cluster.points)[2]))
        if size > self.model.diameter + self.config.size_slack:
            return None
        first = starts(cluster.points, self.model, self._place[:3, 3])
        low = -3.0 * self.config.sunk
        high = np.inf if self._held(cluster, moment) else 2.0 * self.config.hover
        candidates = self._icp.register(cluster.points, first, lambda T: low < self._lowest(T, moment.plane) < high)
        fits = [self._refined(cluster, candidate, moment) for candidate in candidates if candidate.fitness > 0.5]
        if not fits:
            return None
        standing = [fit for fit in fits if not self._misplaced(fit)]
        return max(standing or fits, key=lambda fit: fit.worth)

    def _held(self, cluster: Cluster, moment: _Moment) -> bool:
        """Return whether the robot is so close to a cluster that it may hold it."""
        few = cluster.points[:: max(len(cluster.points) // 300, 1)]
        return moment.robot is not None and bool(moment.robot.near(few, self.config.grip).any())

    def _misplaced(self, fit: _Fit) -> str:
        """Return why an object cannot be where a fit puts it; empty if it can."""
        lowest = self._lowest(fit.T, fit.plane)
        if lowest < -self.config.sunk:
            return f"the object would reach {-1000 * lowest:.0f} mm into the table"
        if lowest > self.config.hover and not fit.held:
            return f"the object would hang {1000 * lowest:.0f} mm over the table with nothing that holds it"
        return ""

    def _lowest(self, T: Array, plane: Array) -> float:
        """Return the height of the model's lowest point over the table [m]."""
        return float((self._corners @ T[2, :3]).min() + T[2, 3]) - float(plane[:2] @ T[:2, 3] + plane[2])

    def _fault(self, fit: _Fit) -> str:
        """Return why a fit cannot be trusted; empty if it can."""
        config = self.config
        if fit.registration.fitness < config.least_fitness:
            return f"fitness {fit.registration.fitness:.2f} is below {config.least_fitness}"
        if fit.view.occlusion > config.most_occlusion:
            return f"the robot hides {fit.view.occlusion:.0%} of the object"
        if fit.evidence.inliers < config.least_inliers:
            return f"{fit.evidence.inliers:.0%} of the points are on the surface, less than {config.least_inliers:.0%}"
        spread = covariance(fit.evidence, fit.T, self.model, self.camera, config.refine)[:3, :3]
        vague = float(np.sqrt(np.linalg.eigvalsh(spread)[-1]))
        if vague > config.most_spread:
            return f"the place is known to {1000 * vague:.0f} mm only"
        if fit.view.measured < config.least_measured:
            return f"{fit.view.measured:.0%} of what should be seen was measured, less than {config.least_measured:.0%}"
        if misplaced := self._misplaced(fit):
            return misplaced
        if fit.view.overlap < config.least_overlap:
            return f"the masks overlap by {fit.view.overlap:.2f}, less than {config.least_overlap}"
        return ""

    def _refined(self, cluster: Cluster, candidate: Registration, moment: _Moment, iterations: int = 0) -> _Fit:
        image, robot = moment.image, moment.robot
        patch = patch_around(cluster, self.intrinsics, self._place, 10, self.config.rays)
        seen = patch.mask(cluster)
        # Where nothing was measured, and not just a pixel, nothing is known of the mask.
        blind = ndimage.binary_opening(image[np.ix_(patch.rows, patch.columns)] == 0, np.ones((3, 3))) & ~seen
        hand = None if robot is None else robot.scene(candidate.T_world_centre[:3, 3], 0.5 * self.model.diameter + 0.3)
        hand_depth = None if hand is None else patch.cast(hand)
        T = candidate.T_world_centre
        beside: Mask | None = None
        rounds = iterations or self.config.refine.iterations
        for i in range(rounds):
            # What is too close to the robot to be told from it hardly changes while the pose moves by millimetres.
            view = self._view(T, patch, seen, blind, hand_depth, moment, beside)
            beside = view.beside
            # At first outlines may be far apart: a long object of which the picture shows a part has slid along itself.
            evidence = self._evidence(cluster, T, patch, seen, view, 6.0 if i < rounds - 2 else 1.0)
            T = moved(T, solve(evidence))
        view = self._view(T, patch, seen, blind, hand_depth, moment)
        evidence, held = self._evidence(cluster, T, patch, seen, view), self._held(cluster, moment)
        return _Fit(T, evidence, candidate, view, cluster, moment.plane, held)

    def _evidence(
        self, cluster: Cluster, T: Array, patch: Patch, seen: Mask, view: _View, widening: float = 1.0
    ) -> Evidence:
        config = replace(self.config.refine, outline_gate=widening * self.config.refine.outline_gate)
        surface = self._surface.evidence(cluster, T, self.camera, config)
        return surface + outline_evidence(
            patch, seen, view.expected, view.free, view.depth, T, self.intrinsics.fx, self.camera.correlation, config
        )

    def _view(
        self,
        T: Array,
        patch: Patch,
        seen: Mask,
        blind: Mask,
        hand: NDArray[np.float32] | None,
        moment: _Moment,
        beside: Mask | None = None,
    ) -> _View:
        """Return what should be seen with the model's centre at ``T``; ``beside`` where it is known already."""
        depth = patch.cast(self._scene, T)
        whole = np.isfinite(depth)
        points = patch.points(np.where(whole, depth, 1.0))
        plane, margin = moment.plane, self.config.segment.table_margin
        height = points[..., 2] - (points[..., :2] @ plane[:2] + plane[2])
        cut = height < margin
        hidden = np.zeros_like(whole)
        if hand is not None and moment.robot is not None:
            hidden = whole & (hand < depth)
            if beside is None:
                beside = np.zeros_like(whole)
                beside[whole] = moment.robot.near(points[whole], self.config.segment.robot_margin)
        if beside is None:
            beside = np.zeros_like(whole)
        expected = whole & ~cut & ~hidden & ~beside
        # What is seen at a grazing angle may be measured or not, and the filter of edges may take it.
        vague = blind | (expected & steep(depth, expected, self._edge_step(depth, patch.stride)))
        # An outline is the object's own where neither table nor robot has made it, nor a gap in the measurement.
        other = (whole & (height < margin + 0.004)) | hidden | beside | vague
        other = ndimage.binary_dilation(other, iterations=2)
        if hand is not None:
            other |= ndimage.binary_dilation(np.isfinite(hand), iterations=2)
        other |= self._picture_edge(patch)
        visible = int(whole.sum())
        # The filter of edges takes a pixel off the measured mask.
        shrunk = (ndimage.binary_erosion(expected) if patch.stride == 1 else expected) & ~vague
        sure = seen & ~vague
        union = int((shrunk | sure).sum())
        overlap = float((shrunk & sure).sum()) / union if union else 0.0
        occlusion = float(hidden.sum()) / visible if visible else 1.0
        measured = 1.0 - float((expected & blind).sum()) / max(int(expected.sum()), 1)
        return _View(depth, expected, ~other, beside, occlusion, overlap, measured)

    def _picture_edge(self, patch: Patch) -> Mask:
        """Return the pixels (H, W) at the picture's edge: what is cut off there has no outline there."""
        near = 2 * patch.stride + 1
        rows = (patch.rows < near) | (patch.rows >= self.intrinsics.height - near)
        columns = (patch.columns < near) | (patch.columns >= self.intrinsics.width - near)
        return np.asarray(rows[:, None] | columns[None, :])

    def _edge_step(self, depth: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """Return the step of depth [m] from which the filter of edges may take a pixel."""
        far = np.where(np.isfinite(depth), depth, 1.0).astype(np.float32)
        return 0.6 * edge_step(far, self.intrinsics, self.config.segment) * stride

    def _report(self, fit: _Fit, reference: Array) -> PoseEstimate:
        """Return the estimate of the object's frame."""
        spread = covariance(fit.evidence, fit.T, self.model, self.camera, self.config.refine)
        T = fit.T.copy()
        T[:3, :3] = self.model.symmetry.nearest(T[:3, :3], reference)
        lever = -T[:3, :3] @ self.model.centre
        T[:3, 3] += lever
        # A turn about the centre moves the frame's origin.
        move = np.eye(6)
        move[:3, 3:] = np.array([[0, lever[2], -lever[1]], [-lever[2], 0, lever[0]], [lever[1], -lever[0], 0]])
        spread = move @ spread @ move.T
        registration = fit.registration
        return PoseEstimate(
            Status.OK,
            "",
            pose_of(T),
            0.5 * (spread + spread.T),
            registration.fitness,
            registration.rmse,
            fit.view.occlusion,
            fit.view.overlap,
            self.camera.name,
        )


def _joined(clusters: list[Cluster], centre: Array, reach: float) -> Cluster:
    """Return the points of several clusters within ``reach`` [m] of ``centre``."""
    kept = [np.linalg.norm(c.points - centre, axis=1) < reach for c in clusters]
    return Cluster(
        np.concatenate([c.points[k] for c, k in zip(clusters, kept, strict=True)]),
        np.concatenate([c.rows[k] for c, k in zip(clusters, kept, strict=True)]),
        np.concatenate([c.columns[k] for c, k in zip(clusters, kept, strict=True)]),
        np.concatenate([c.depth[k] for c, k in zip(clusters, kept, strict=True)]),
    )
