"""Measure the time of one pose estimate, its parts, and that of other registrations on the same clouds.

python benchmarks/pose_estimate.py [--poses 14] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import open3d as o3d
import torch

from vnb_benchmark.perception.measure import FUSED, _measured
from vnb_benchmark.perception.poses import TrialPose, random_poses
from vnb_grasp.frames.pose import Pose
from vnb_grasp.optics.pinhole import intrinsics_of, place_of
from vnb_perception.estimate import PoseEstimate, Status, pose_of
from vnb_perception.estimator import PoseEstimator
from vnb_perception.images.robot import RobotShape
from vnb_perception.images.segment import segment
from vnb_perception.objects.model import ObjectModel, described_model
from vnb_perception.objects.starts import starts
from vnb_sim_bridge.cameras.rig import CameraRig
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

REACH = 0.025
POINTS = 1500


@dataclass
class Row:
    """Times [s] and errors [m], [rad] of one way, by estimate."""

    seconds: list[float] = field(default_factory=list)
    shift: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)


def plain_open3d(points: np.ndarray, model: ObjectModel, first: np.ndarray) -> np.ndarray:
    """Return the pose of the model's centre by open3d's point-to-point ICP from every start, best fitness first."""
    registration = o3d.pipelines.registration
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    best = None
    for start in first:
        result = registration.registration_icp(
            cloud, model.cloud(), REACH, np.linalg.inv(start), registration.TransformationEstimationPointToPoint()
        )
        if best is None or (result.fitness, -result.inlier_rmse) > (best.fitness, -best.inlier_rmse):
            best = result
    assert best is not None
    return np.linalg.inv(np.asarray(best.transformation))


def small_gicp_starts(points: np.ndarray, model: ObjectModel, first: np.ndarray) -> np.ndarray:
    """Return the same by small_gicp's GICP, least error first."""
    import small_gicp

    target = small_gicp.PointCloud(model.points - model.centre)
    source = small_gicp.PointCloud(points)
    tree = small_gicp.KdTree(target)
    small_gicp.estimate_covariances(target, tree, 10)
    small_gicp.estimate_covariances(source, small_gicp.KdTree(source), 10)
    results = [
        small_gicp.align(
            target, source, tree, np.linalg.inv(start), max_correspondence_distance=REACH, registration_type="GICP"
        )
        for start in first
    ]
    best = max(results, key=lambda result: (result.num_inliers, -result.error))
    return np.linalg.inv(np.asarray(best.T_target_source))


def ways() -> dict[str, Callable[[np.ndarray, ObjectModel, np.ndarray], np.ndarray]]:
    """Return the other registrations that are installed."""
    found = {"open3d, point to point, all starts": plain_open3d}
    try:
        import small_gicp  # noqa: F401
    except ImportError:
        print("small_gicp is not installed; pip install -r requirements/dev.txt")
    else:
        found["small_gicp, GICP, all starts"] = small_gicp_starts
    return found


def compare(poses: tuple[TrialPose, ...]) -> dict[tuple[str, str], Row]:
    """Return a row by camera and way."""
    rows: dict[tuple[str, str], Row] = {}
    others = ways()

    def note(camera: str, way: str, pose: TrialPose, model: ObjectModel, T: np.ndarray, seconds: float) -> None:
        estimate = PoseEstimate(Status.OK, "", pose_of(T), np.eye(6), 1.0, 0.0, 0.0, 1.0, FUSED)
        found = _measured(pose, model, estimate, seconds, camera)
        row = rows.setdefault((camera, way), Row())
        row.seconds.append(seconds)
        row.shift.append(found.translation)
        row.turn.append(found.rotation)

    for pose in poses:
        model = described_model(pose.object_name)
        world = World(Scenario(pose.object_name, seed=pose.seed))
        place = Pose.from_matrix(torch.from_numpy(pose.T_world_object))
        world.set_object_pose(place.position.numpy(), place.quaternion.numpy())
        robot = RobotShape(world.hand, world.arm).place(world.arm_q(), world.hand_q())
        rig = CameraRig(world)
        for frame in rig.take(0):
            camera, depth = frame.camera, frame.depth.astype(np.float32) * np.float32(0.001)
            estimator = PoseEstimator(camera, model)
            began = time.perf_counter()
            ours = estimator.estimate(depth, robot)
            if ours.ok:
                note(camera.name, "vnb, all starts", pose, model, ours.T_world_object, time.perf_counter() - began)
                began = time.perf_counter()
                tracked = estimator.estimate(depth, robot, ours.T_world_object)
                note(camera.name, "vnb, tracking", pose, model, tracked.T_world_object, time.perf_counter() - began)
            began = time.perf_counter()
            cluster = segment(depth, intrinsics_of(camera), place_of(camera), robot).clusters[0]
            first = starts(cluster.points, model, place_of(camera)[:3, 3])
            before = time.perf_counter() - began
            points = cluster.points[:: max(len(cluster.points) // POINTS, 1)]
            for way, register in others.items():
                began = time.perf_counter()
                centre = register(points, model, first)
                seconds = before + time.perf_counter() - began
                centre[:3, 3] -= centre[:3, :3] @ model.centre
                note(camera.name, way, pose, model, centre, seconds)
        rig.close()
    return rows


def profile(pose: TrialPose) -> None:
    """Print where the time of an estimate goes."""
    model = described_model(pose.object_name)
    world = World(Scenario(pose.object_name, seed=pose.seed))
    place = Pose.from_matrix(torch.from_numpy(pose.T_world_object))
    world.set_object_pose(place.position.numpy(), place.quaternion.numpy())
    robot = RobotShape(world.hand, world.arm).place(world.arm_q(), world.hand_q())
    rig = CameraRig(world, ["astra"])
    depth = rig.take(0)[0].depth.astype(np.float32) * np.float32(0.001)
    estimator = PoseEstimator(rig.cameras[0], model)
    estimator.estimate(depth, robot)
    watch: Any = cProfile.Profile()
    watch.enable()
    for _ in range(10):
        estimator.estimate(depth, robot)
    watch.disable()
    pstats.Stats(watch).sort_stats("cumtime").print_stats("vnb_perception|vnb_grasp")
    rig.close()


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--poses", type=int, default=14)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    poses = random_poses(arguments.poses, 0)
    if arguments.profile:
        profile(poses[0])
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, {arguments.poses} poses\n")
    print("| camera | way | ms, median | ms, 95 % | mm, median | mm, worst | deg, median | deg, worst |")
    print("|---|---|---|---|---|---|---|---|")
    for (camera, way), row in compare(poses).items():
        times, shift, turn = (np.array(x) for x in (row.seconds, row.shift, row.turn))
        figures = (1000 * np.median(times), 1000 * np.quantile(times, 0.95))
        errors = (1000 * np.median(shift), 1000 * shift.max(), np.degrees(np.median(turn)), np.degrees(turn.max()))
        shown = (*(f"{x:.0f}" for x in figures), *(f"{x:.1f}" for x in errors))
        print(f"| {camera} | {way} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
