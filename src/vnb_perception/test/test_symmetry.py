from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vnb_perception.objects.model import described_model
from vnb_perception.objects.symmetry import NONE, Symmetry, cube_rotations

ROUND = Symmetry(np.stack((np.eye(3), np.diag((1.0, -1.0, -1.0)))), np.array([[0.0, 0.0, 1.0]]))
vectors = st.tuples(*[st.floats(-3.0, 3.0)] * 3).map(np.array)


def test_the_cubes_rotations_are_a_group_of_24() -> None:
    turns = cube_rotations()
    assert turns.shape == (24, 3, 3)
    np.testing.assert_array_equal(turns[0], np.eye(3))
    products = np.einsum("aij,bjk->abik", turns, turns).reshape(-1, 9)
    assert len(np.unique(products.round(6), axis=0)) == 24


@settings(deadline=None, max_examples=50)
@given(vectors, vectors, st.floats(-3.0, 3.0))
def test_a_turn_about_the_axis_is_no_difference(first: np.ndarray, second: np.ndarray, angle: float) -> None:
    a, b = Rotation.from_rotvec(first).as_matrix(), Rotation.from_rotvec(second).as_matrix()
    turned = a @ Rotation.from_rotvec([0.0, 0.0, angle]).as_matrix()
    np.testing.assert_allclose(ROUND.difference(turned, a), 0.0, atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(ROUND.difference(a, b)), np.linalg.norm(ROUND.difference(turned, b)), atol=1e-6
    )


def test_without_symmetry_the_difference_is_the_rotation_between() -> None:
    turn = Rotation.from_rotvec([0.1, -0.2, 0.3])
    np.testing.assert_allclose(NONE.difference(turn.as_matrix(), np.eye(3)), [0.1, -0.2, 0.3], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "axes", "turns"),
    [("cube", 0, 24), ("box", 0, 8), ("cylinder", 1, 2), ("tomato_soup_can", 1, 2), ("tennis_ball", 3, 1)],
)
def test_the_objects_symmetries_are_found_in_their_surface(name: str, axes: int, turns: int) -> None:
    symmetry = described_model(name).symmetry
    assert (len(symmetry.axes), len(symmetry.turns)) == (axes, turns)
