"""The joint table: order of the wire, three scales, exact round trips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.description import ACTUATED_JOINTS, load_hand
from vnb_grasp.errors import DescriptionError, NonFiniteError, ShapeError, UnknownNameError
from vnb_hardware.hand.joints import WIRE_ORDER, JointScale, JointTable, known_tables, load_table, reorder, to_wire

TABLES = ("l6_v31", "o6_like", "sdk")


def test_the_variants() -> None:
    assert known_tables() == TABLES
    assert_allclose(load_table("o6_like").closed, [1.54, 0.52, 1.57, 1.57, 1.57, 1.57])
    assert_allclose(load_table("sdk").closed, [1.39, 0.99, 1.26, 1.26, 1.26, 1.26])
    assert load_table("l6_v31").open[0] == -0.087266


@pytest.mark.parametrize("name", ["l6_v31", "o6_like"])
def test_a_table_has_the_range_of_its_description(name: str) -> None:
    table = load_table(name)
    joints = load_hand(table.description).actuated
    assert_allclose(table.open, [joint.lower for joint in joints])
    assert_allclose(table.closed, [joint.upper for joint in joints])


def test_the_thumb_is_the_other_way_round_on_the_wire() -> None:
    assert WIRE_ORDER[:2] == ("thumb_cmc_pitch", "thumb_cmc_yaw")
    assert set(WIRE_ORDER) == set(ACTUATED_JOINTS)
    assert reorder((10, 20, 30, 40, 50, 60)).tolist() == [20, 10, 30, 40, 50, 60]
    assert to_wire(np.array([20, 10, 30, 40, 50, 60])) == (10, 20, 30, 40, 50, 60)
    table = load_table("o6_like")
    yaw_closed = table.open.copy()
    yaw_closed[0] = table.closed[0]
    assert table.to_raw(yaw_closed) == (255, 0, 255, 255, 255, 255)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("joint", range(6))
def test_every_byte_round_trips(name: str, joint: int) -> None:
    table = load_table(name)
    for value in range(256):
        raw = tuple(value if i == joint else 7 for i in range(6))
        assert table.to_raw(table.from_raw(raw)) == raw


def test_published_resolution() -> None:
    resolution = load_table("o6_like").resolution * 1000
    assert_allclose(resolution[:3], [6.04, 2.04, 6.16], atol=0.005)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_angles_become_the_nearest_count(values: list[float]) -> None:
    table = load_table("l6_v31")
    q = np.array(values)
    back = table.from_raw(table.to_raw(q))
    assert_allclose(back, np.clip(q, table.open, table.closed), atol=table.resolution.max() / 2 + 1e-9)


def test_bad_angles_are_refused() -> None:
    table = load_table("l6_v31")
    with pytest.raises(ShapeError):
        table.to_raw(np.zeros(5))
    with pytest.raises(NonFiniteError):
        table.to_raw(np.array([0, 0, np.nan, 0, 0, 0]))


def test_bad_tables_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="l6_v31, o6_like, sdk"):
        load_table("l20")
    with pytest.raises(DescriptionError, match="thumb_cmc_yaw"):
        JointTable("x", "l6_v31", {name: JointScale(open=0, closed=1) for name in ACTUATED_JOINTS[1:]})
    with pytest.raises(ValueError, match="not below"):
        JointScale(open=1, closed=1)
