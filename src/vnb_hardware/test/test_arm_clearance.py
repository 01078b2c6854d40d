"""Distances to table and workspace box: exact for every primitive, and paths that come too near are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import MotionError
from vnb_grasp.frames.se3 import exp_so3
from vnb_grasp.shapes.primitive import Primitive
from vnb_hardware.arm.clearance import ClearanceCheck, Workspace, _Solids, refine

ARM, HAND = load_arm("fr3"), load_hand("l6_v31")
READY, OPEN = np.array([-1.6114, -2.097, -1.571, -1.604, 0.5, 2.09]), np.zeros(6)
CHECK = ClearanceCheck(ARM, HAND, Workspace())

SHAPES = [
    Primitive("box", (0.1, 0.2, 0.3), (0.0, 0.1, 0.0)),
    Primitive("sphere", (0.15,), (0.2, 0.0, 0.0)),
    Primitive("cylinder", (0.1, 0.25), (0.0, 0.0, 0.1)),
    Primitive("capsule", (0.1, 0.25)),
]


def surface(shape: Primitive, rng: np.random.Generator) -> np.ndarray:
    """Return points on a primitive, many enough to find its lowest to a millimetre."""
    direction = rng.normal(size=(40000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    size = shape.size
    if shape.kind == "box":
        points = np.sign(direction) * size
    elif shape.kind == "sphere":
        points = direction * size[0]
    elif shape.kind == "cylinder":
        flat = direction[:, :2] / np.linalg.norm(direction[:, :2], axis=1, keepdims=True)
        points = np.column_stack([flat * size[0], np.sign(direction[:, 2]) * size[1]])
    else:
        points = direction * size[0]
        points[:, 2] += np.sign(direction[:, 2]) * size[1]
    return points + shape.position


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(*[st.floats(-1, 1)] * 3))
@settings(max_examples=10, deadline=None)
def test_the_lowest_point_of_a_solid(shape: Primitive, turn: tuple[float, ...], at: tuple[float, ...]) -> None:
    pose = np.eye(4)
    pose[:3, :3] = exp_so3(torch.tensor(turn, dtype=torch.float64)).numpy()
    pose[:3, 3] = at
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    lowest = _Solids([(0, shape)]).lowest(pose[None, None], normals)[0, 0]
    points = surface(shape, np.random.default_rng(0)) @ pose[:3, :3].T + pose[:3, 3]
    assert_allclose(lowest, (points @ normals.T).min(axis=0), atol=2e-3)


def test_a_pose_above_the_table_is_free() -> None:
    distances = CHECK.distances(READY[None], OPEN)[0]
    assert distances.min() > 0
    CHECK.require_free(READY[None], OPEN, "ready")


def test_a_higher_table_and_a_lower_ceiling_are_met() -> None:
    for workspace, place in (
        (Workspace(table_height=1.1, upper=(2.0, 2.0, 3.0)), "the table"),
        (Workspace(upper=(0.75, 1.4, 1.1)), r"workspace's \+z side"),
        (Workspace(lower=(0.05, -0.1, 0.7)), "workspace's -x side"),
    ):
        check = ClearanceCheck(ARM, HAND, workspace)
        with pytest.raises(MotionError, match=place):
            check.require_free(np.stack([np.array(ARM.home), READY]), OPEN, "goal")


def test_a_path_that_dips_below_the_table_is_refused_although_both_ends_are_free() -> None:
    above = READY.copy()
    down = READY.copy()
    down[1] -= 0.45
    assert CHECK.distances(down[None], OPEN)[0, :, 0].min() < 0
    with pytest.raises(MotionError, match="the table after 50% of the way"):
        CHECK.require_free(np.stack([above, down, above]), OPEN, "goal")


def test_an_arm_of_other_lengths_keeps_more_clearance() -> None:
    check, path = ClearanceCheck(ARM, HAND, Workspace()), np.stack([np.array(ARM.home), READY])
    check.require_free(path, OPEN, "goal")
    check.slack = float(check.distances(READY[None], OPEN).min()) + 0.001
    with pytest.raises(MotionError, match="goal: "):
        check.require_free(path, OPEN, "goal")


def test_who_stands_too_near_may_leave_but_not_come_nearer() -> None:
    low = READY.copy()
    while CHECK.distances(low[None], OPEN)[0, :, 0].min() > -0.01:
        low[1] -= 0.02
    lower = low.copy()
    lower[1] -= 0.05
    CHECK.require_free(np.stack([low, READY]), OPEN, "out")
    with pytest.raises(MotionError, match="the table"):
        CHECK.require_free(np.stack([low, lower]), OPEN, "in")


def test_a_closed_hand_reaches_elsewhere() -> None:
    closed = np.array([joint.upper for joint in HAND.actuated])
    assert not np.allclose(CHECK.distances(READY[None], OPEN), CHECK.distances(READY[None], closed))


def test_refined_paths_keep_their_points_and_step_finely() -> None:
    path = np.array([[0.0] * 6, [0.1] * 6, [0.1, 0.1, 0.1, 0.1, 0.1, 0.4]])
    fine = refine(path, 0.05)
    assert np.abs(np.diff(fine, axis=0)).sum(axis=1).max() <= 0.05 + 1e-12
    for point in path:
        assert np.abs(fine - point).max(axis=1).min() < 1e-12
    assert_allclose(refine(path[:1], 0.05), path[:1])
