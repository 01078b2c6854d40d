from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_perception.estimate import PoseEstimate, Status, no_estimate, pose_of
from vnb_perception.fusion import FusionConfig, PoseFusion, fuse, intersect
from vnb_perception.objects.symmetry import NONE, Symmetry

PLAIN = FusionConfig(shrink=1.0)


def estimate(
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    std: tuple[float, ...] = (0.001,) * 3 + (0.01,) * 3,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    source: str = "astra",
) -> PoseEstimate:
    T = np.eye(4)
    T[:3, 3], T[:3, :3] = position, Rotation.from_rotvec(turn).as_matrix()
    return PoseEstimate(Status.OK, "", pose_of(T), np.diag(np.square(std)), 0.9, 0.001, 0.1, 0.9, source)


def test_equal_covariances_meet_half_way_and_stay_as_large() -> None:
    fused = fuse([estimate(), estimate((0.002, 0.0, 0.0), source="d435i")], NONE, PLAIN)
    assert fused.status is Status.OK
    np.testing.assert_allclose(fused.T_world_object[:3, 3], [0.001, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(fused.covariance, estimate().covariance, atol=1e-15)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.5, 4.0), min_size=12, max_size=12), st.floats(-0.99, 0.99))
def test_the_intersection_is_consistent_whatever_the_correlation(scales: list[float], correlation: float) -> None:
    a, b = (np.diag(np.square(np.array(s) * ([1e-3] * 3 + [1e-2] * 3))) for s in (scales[:6], scales[6:]))
    fused = intersect(
        estimate(std=tuple(np.sqrt(np.diag(a)))), estimate(std=tuple(np.sqrt(np.diag(b)))), NONE, PLAIN
    ).covariance
    gain = fused @ (0.5 * np.linalg.inv(b))
    cross = correlation * np.sqrt(a) @ np.sqrt(b)
    rest = np.eye(6) - gain
    true = rest @ a @ rest.T + gain @ b @ gain.T + rest @ cross @ gain.T + gain @ cross.T @ rest.T
    assert np.linalg.eigvalsh(fused - true).min() > -1e-12


@pytest.mark.parametrize("weighing", ["trace", "determinant"])
def test_a_searched_weight_is_no_worse_than_half(weighing: str) -> None:
    first = estimate(std=(0.001, 0.004, 0.001, 0.01, 0.02, 0.01))
    second = estimate(std=(0.003, 0.002, 0.002, 0.03, 0.02, 0.02))
    size = {
        "trace": lambda c: np.trace(c[:3, :3]) + 0.05**2 * np.trace(c[3:, 3:]),
        "determinant": lambda c: np.linalg.slogdet(c)[1],
    }[weighing]
    half = intersect(first, second, NONE, PLAIN).covariance
    best = intersect(first, second, NONE, FusionConfig(weighing, shrink=1.0)).covariance
    assert size(best) <= size(half) + 1e-9


def test_images_of_one_orientation_are_the_same() -> None:
    turns = np.stack((np.eye(3), np.diag((-1.0, -1.0, 1.0))))
    fused = fuse([estimate(), estimate(turn=(0.0, 0.0, np.pi))], Symmetry(turns, np.zeros((0, 3))), PLAIN)
    np.testing.assert_allclose(fused.T_world_object[:3, :3], np.eye(3), atol=1e-9)
    assert fuse([estimate(), estimate(turn=(0.0, 0.0, np.pi))], NONE, PLAIN).status is Status.DISAGREE


def test_estimates_that_contradict_each_other_are_not_averaged() -> None:
    fused = fuse([estimate(), estimate((0.05, 0.0, 0.0), source="d435i")], NONE)
    assert fused.status is Status.DISAGREE
    assert "50 mm apart" in fused.reason
    assert np.isnan(fused.T_world_object[:3, 3]).all()


def test_one_camera_is_enough_and_its_covariance_stays() -> None:
    blind = no_estimate("d435i", Status.NO_OBJECT, "d435i: nothing stands on the table")
    fused = fuse([estimate(), blind], NONE)
    assert fused.status is Status.OK
    assert "d435i" in fused.reason
    np.testing.assert_array_equal(fused.covariance, estimate().covariance)


def test_without_any_estimate_the_gravest_reason_is_told() -> None:
    blind = [no_estimate("astra", Status.STALE, "old"), no_estimate("d435i", Status.POOR, "poor")]
    fused = fuse(blind, NONE)
    assert (fused.status, fused.occlusion, fused.segmentation) == (Status.POOR, 1.0, 0.0)
    assert "old" in fused.reason and "poor" in fused.reason
    assert fuse([], NONE).status is Status.STALE


def test_a_pose_is_fresh_then_held_with_growing_doubt_then_given_up() -> None:
    fusion = PoseFusion(NONE, FusionConfig(fresh=0.5, hold=10.0, drift_translation=0.002))
    assert fusion.at(0.9).status is Status.STALE
    fusion.update(1.0, [estimate()])
    assert fusion.at(1.5).status is Status.OK
    held = fusion.at(5.0)
    assert (held.status, held.occlusion, held.segmentation) == (Status.HELD, 1.0, 0.0)
    np.testing.assert_allclose(held.covariance[0, 0], 0.001**2 + 4.0 * 0.002**2)
    assert fusion.at(12.0).status is Status.STALE


def test_a_moment_without_sight_holds_what_was_seen_before() -> None:
    fusion = PoseFusion(NONE)
    fusion.update(1.0, [estimate()])
    assert fusion.update(1.2, [no_estimate("astra", Status.NO_OBJECT, "gone")]).status is Status.HELD
    # ... also at the same time, as when a grasp begins where a rest ended.
    assert fusion.update(1.2, [no_estimate("astra", Status.NO_OBJECT, "gone")]).status is Status.HELD


@pytest.mark.parametrize("time", [0.0, 0.5])
def test_a_new_world_is_not_seen_through_the_old_one(time: float) -> None:
    fusion = PoseFusion(NONE)
    fusion.update(1.0, [estimate()])
    assert fusion.update(time, [no_estimate("astra", Status.NO_OBJECT, "empty")]).status is Status.NO_OBJECT


def test_what_looks_the_same_does_not_seem_to_turn() -> None:
    turns = np.stack((np.eye(3), np.diag((-1.0, -1.0, 1.0))))
    fusion = PoseFusion(Symmetry(turns, np.zeros((0, 3))))
    fusion.update(1.0, [estimate()])
    got = fusion.update(1.4, [estimate(turn=(0.0, 0.0, np.pi - 0.01))])
    np.testing.assert_allclose(Rotation.from_matrix(got.T_world_object[:3, :3]).as_rotvec(), [0, 0, -0.01], atol=1e-9)


def test_parameters_are_checked() -> None:
    for bad in ({"gate": 1.0}, {"hold": 0.0}, {"shrink": -1.0}):
        with pytest.raises(ConfigError):
            FusionConfig(**bad)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="trace"):
        FusionConfig("best")
