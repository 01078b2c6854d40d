from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vnb_grasp.description import load_camera
from vnb_grasp.errors import ConfigError
from vnb_grasp.optics.pinhole import intrinsics_of, place_of
from vnb_perception.images.segment import Cluster, SegmentConfig, segment
from vnb_perception.objects.model import ObjectModel, described_model
from vnb_perception.objects.starts import distinct, start_rotations, starts, upright_box
from vnb_perception.objects.symmetry import NONE
from vnb_perception.registration.icp import Icp, IcpConfig
from vnb_perception.registration.refine import (
    FULL_TURN,
    Evidence,
    RefineConfig,
    Surface,
    covariance,
    moved,
    solve,
)


def seen_side(model: ObjectModel, T: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """Return the model's points that face the eye, in the world, for the centre at ``T``."""
    points = (model.points - model.centre) @ T[:3, :3].T + T[:3, 3]
    normals = model.normals @ T[:3, :3].T
    return points[np.einsum("ij,ij->i", normals, eye - points) > 0]


@pytest.fixture(scope="module")
def case() -> tuple[ObjectModel, np.ndarray, np.ndarray]:
    model = described_model("mustard_bottle")
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", 0.7).as_matrix()
    T[:3, 3] = -0.05, 0.88, 0.777 + 0.5 * model.extents[2]
    return model, T, seen_side(model, T, np.array(load_camera("astra").position))


def test_there_are_fourteen_start_rotations_and_all_differ() -> None:
    rotations = start_rotations()
    assert rotations.shape == (14, 3, 3)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    assert len(distinct(rotations, NONE)) == 14
    assert len(distinct(rotations, described_model("cube").symmetry)) == 1


def test_the_upright_box_of_a_turned_box_is_that_box() -> None:
    rng = np.random.default_rng(0)
    points = (rng.random((4000, 3)) - 0.5) * [0.10, 0.04, 0.15]
    turn = Rotation.from_euler("z", 0.6).as_matrix()
    axes, centre, extents = upright_box(points @ turn.T + [0.1, 0.2, 0.3])
    np.testing.assert_allclose(extents, [0.10, 0.04, 0.15], atol=0.002)
    np.testing.assert_allclose(centre, [0.1, 0.2, 0.3], atol=0.002)
    np.testing.assert_allclose(np.abs(axes.T @ turn), np.eye(3), atol=0.03)
    upright_box(np.zeros((1, 3)))  # one point has a box too


def test_the_best_of_all_starts_is_the_truth_and_always_the_same(
    case: tuple[ObjectModel, np.ndarray, np.ndarray],
) -> None:
    model, T, points = case
    icp = Icp(model)
    first = starts(points, model, np.array(load_camera("astra").position))
    assert 1 <= len(first) <= 14
    found = icp.register(points, first)
    np.testing.assert_allclose(found[0].T_world_centre[:3, 3], T[:3, 3], atol=0.0015)
    assert np.linalg.norm(model.symmetry.difference(found[0].T_world_centre[:3, :3], T[:3, :3])) < 0.03
    assert found[0].fitness > 0.99
    again = icp.register(points, first)
    np.testing.assert_array_equal(found[0].T_world_centre, again[0].T_world_centre)


def test_a_cloud_that_does_not_overlap_has_no_fitness(case: tuple[ObjectModel, np.ndarray, np.ndarray]) -> None:
    model, T, points = case
    assert Icp(model).track(points + np.array([1.0, 0.0, 0.0]), T).fitness == 0.0


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.zeros((50, 3))])
def test_degenerate_clouds_are_survived(points: np.ndarray) -> None:
    model = described_model("cube")
    first = starts(points, model, np.array([1.0, 0.0, 1.0]))
    assert np.isfinite(first).all()
    for candidate in Icp(model).register(points, first):
        assert np.isfinite(candidate.T_world_centre).all()


def test_points_pull_a_displaced_pose_back(case: tuple[ObjectModel, np.ndarray, np.ndarray]) -> None:
    model, T, points = case
    camera = load_camera("astra")
    index = np.zeros(len(points), dtype=np.int64)
    cluster = Cluster(points, index, index, np.full(len(points), 0.6))
    surface, config = Surface(model), RefineConfig()
    pose = moved(T, np.array([0.002, -0.002, 0.001, 0.02, -0.01, 0.01]))
    for _ in range(6):
        pose = moved(pose, solve(surface.evidence(cluster, pose, camera, config)))
    np.testing.assert_allclose(pose[:3, 3], T[:3, 3], atol=4e-4)
    assert surface.evidence(cluster, pose, camera, config).inliers > 0.95


def test_nothing_moves_without_evidence() -> None:
    np.testing.assert_array_equal(solve(Evidence(np.zeros((6, 6)), np.zeros(6))), np.zeros(6))


@pytest.mark.parametrize(("name", "free"), [("mustard_bottle", 0), ("tomato_soup_can", 1), ("tennis_ball", 3)])
def test_the_covariance_is_positive_and_free_about_axes_of_symmetry(name: str, free: int) -> None:
    evidence = Evidence(np.diag([1e7, 1e7, 1e7, 1e4, 1e4, 1e4]), np.zeros(6))
    T = np.eye(4)
    T[:3, 3] = -0.05, 0.88, 0.82
    got = covariance(evidence, T, described_model(name), load_camera("astra"), RefineConfig())
    np.testing.assert_allclose(got, got.T, atol=1e-12)
    assert np.linalg.eigvalsh(got).min() > 0
    turns = np.linalg.eigvalsh(got[3:, 3:])
    np.testing.assert_allclose(turns[3 - free :], FULL_TURN, rtol=1e-3)
    assert (turns[: 3 - free] < 1e-3).all()


def test_the_table_is_removed_and_pieces_are_kept_apart(
    draw: Callable[..., np.ndarray], stand: Callable[..., np.ndarray]
) -> None:
    camera = load_camera("astra")
    model = described_model("cube")
    things = [("cube", stand(model, x=-0.12)), ("cube", stand(model, x=0.02, y=0.80))]
    found = segment(draw("astra", things, seed=1), intrinsics_of(camera), place_of(camera))
    assert found.table_found
    np.testing.assert_allclose(found.plane, [0.0, 0.0, 0.777], atol=0.02)
    large = [c for c in found.clusters if len(c.points) > 200]
    assert len(large) == 2
    for cluster in large:
        assert np.ptp(cluster.points, axis=0).max() < 0.09
        assert cluster.points[:, 2].min() > 0.777


def test_parameters_are_checked() -> None:
    with pytest.raises(ConfigError, match="fine_reach"):
        IcpConfig(fine_reach=0.0)
    with pytest.raises(ConfigError, match="outline_gate"):
        RefineConfig(outline_gate=-1.0)
    with pytest.raises(ConfigError, match="corners"):
        SegmentConfig(low=(1.0, 0.0, 0.0))
