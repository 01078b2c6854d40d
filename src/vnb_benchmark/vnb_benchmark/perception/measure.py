"""Estimate poses from simulated images and hold them against the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vnb_benchmark.perception.look import Look, plain_look
from vnb_benchmark.perception.poses import TrialPose
from vnb_grasp.frames.pose import Pose
from vnb_perception.estimate import PoseEstimate
from vnb_perception.estimator import EstimatorConfig, PoseEstimator
from vnb_perception.fusion import FusionConfig, fuse
from vnb_perception.images.robot import RobotShape
from vnb_perception.objects.library import ModelLibrary
from vnb_perception.objects.model import ObjectModel
from vnb_sim_bridge.cameras.rig import CameraRig
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

FUSED = "fused"
LIMITS = (0.008, np.radians(10.0))
"""Translation [m] and rotation [rad] beyond which an estimate is a bad one."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """One estimate and its error.

    Attributes:
        pose: What was to be estimated.
        source: Camera, or ``fused``.
        status: Name of the estimate's status.
        reason: Why there is none.
        translation: Error of the object's centre [m]; NaN without an estimate, or without the object.
        rotation: Error of the orientation, up to symmetry [rad].
        error: Tangent of the error (6,) in the world, symmetric directions at 0.
        nees: Normalised squared error over the observable directions.
        freedom: Their number.
        occlusion, segmentation: As estimated.
        duration: Wall-clock time [s].
    """

    pose: TrialPose
    source: str
    status: str
    reason: str
    translation: float
    rotation: float
    error: Array
    nees: float
    freedom: int
    occlusion: float
    segmentation: float
    duration: float

    @property
    def declared(self) -> bool:
        """Whether the estimator says that it has no estimate."""
        return self.status != "OK"

    @property
    def bad(self) -> bool:
        """Whether there is no estimate, one beyond the limits, or one of an object that is not there."""
        return not (self.translation <= LIMITS[0] and self.rotation <= LIMITS[1])


def measure_poses(
    poses: Sequence[TrialPose],
    config: EstimatorConfig | None = None,
    fusion: FusionConfig | None = None,
    on_pose: Callable[[int], None] | None = None,
    look: Look = plain_look,
    library: ModelLibrary | None = None,
) -> list[Measurement]:
    """Return one measurement per pose for each camera, and one for both together.

    Args:
        poses: To try.
        config: Of the estimators.
        fusion: Of the fusion.
        on_pose: Called with the number of poses done.
        look: Takes the pictures; arm and hand stay at home with the usual one.
        library: Of the models to look with; the descriptions if None. The frame of a mesh file is taken for that of
            the description of its name.
    """
    done: list[Measurement] = []
    torch.set_num_threads(1)
    for name in dict.fromkeys(pose.object_name for pose in poses):
        model = (library or ModelLibrary()).model(name)
        world = World(Scenario(name))
        robot = RobotShape(world.hand, world.arm)
        rig = CameraRig(world)
        estimators = [PoseEstimator(camera, model, config) for camera in rig.cameras]
        for pose in [p for p in poses if p.object_name == name]:
            world.reset(Scenario(name, seed=pose.seed))
            place = Pose.from_matrix(torch.from_numpy(pose.T_world_object))
            world.set_object_pose(place.position.numpy(), place.quaternion.numpy())
            shot = look(pose, world, rig)
            pose = replace(pose, T_world_object=world.object_pose())  # a closing hand has moved it
            placed = robot.place(shot.arm_q, shot.hand_q)
            estimates = []
            for estimator, frame in zip(estimators, shot.frames, strict=True):
                started = time.perf_counter()
                depth = frame.depth.astype(np.float32) * np.float32(0.001)
                estimate = estimator.estimate(depth, placed)
                estimates.append(estimate)
                done.append(_measured(pose, model, estimate, time.perf_counter() - started, estimate.source))
            started = time.perf_counter()
            both = fuse(estimates, model.symmetry, fusion)
            done.append(_measured(pose, model, both, time.perf_counter() - started, FUSED))
            if on_pose is not None:
                on_pose(len(done) // (len(estimators) + 1))
        rig.close()
    return done


def _measured(pose: TrialPose, model: ObjectModel, estimate: PoseEstimate, duration: float, source: str) -> Measurement:
    if not (estimate.ok and pose.present):
        nan, nowhere = float("nan"), np.full(6, np.nan)
        rest = (estimate.occlusion, estimate.segmentation, duration)
        return Measurement(pose, source, estimate.status.name, estimate.reason, nan, nan, nowhere, nan, 0, *rest)
    T, truth = estimate.T_world_object, pose.T_world_object
    turn = model.symmetry.difference(truth[:3, :3], T[:3, :3])  # from the estimate to the truth
    image = Rotation.from_rotvec(turn).as_matrix() @ T[:3, :3]
    shift = truth[:3, 3] + truth[:3, :3] @ model.centre - (T[:3, 3] + T[:3, :3] @ model.centre)
    error = np.concatenate((shift, turn))
    nees, freedom = normalised(error, estimate.covariance, model, image)
    return Measurement(
        pose,
        source,
        estimate.status.name,
        "",
        float(np.linalg.norm(shift)),
        float(np.linalg.norm(turn)),
        error,
        nees,
        freedom,
        estimate.occlusion,
        estimate.segmentation,
        duration,
    )


def normalised(error: Array, covariance: Array, model: ObjectModel, rotation: Array) -> tuple[float, int]:
    """Return the normalised squared error (NEES) over the directions that symmetry leaves, and their number.

    Args:
        error: Tangent (6,) at the model's centre.
        covariance: (6, 6), of the same; described objects have their frame there.
        model: Of the object.
        rotation: Its orientation (3, 3).
    """
    if model.symmetry.spherical:
        kept = np.eye(6)[:, :3]
    elif len(model.symmetry.axes):
        axis = rotation @ model.symmetry.axes[0]
        plane = np.linalg.svd(axis[None])[2][1:].T
        kept = np.zeros((6, 5))
        kept[:3, :3], kept[3:, 3:] = np.eye(3), plane
    else:
        kept = np.eye(6)
    reduced = kept.T @ error
    return float(reduced @ np.linalg.solve(kept.T @ covariance @ kept, reduced)), kept.shape[1]
