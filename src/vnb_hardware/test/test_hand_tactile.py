"""Rows become matrices, and those of two instants never mix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vnb_hardware.hand.frames import ROWS, TactileRow
from vnb_hardware.hand.tactile import TactileAssembler


def row(index: int, value: int, finger: int = 1) -> TactileRow:
    return TactileRow(finger, index, (value,) * 6)


def test_a_whole_batch_shows_at_once() -> None:
    pads = TactileAssembler()
    changed = [pads.add(row(i, i + 1), 2.0 + i) for i in range(ROWS)]
    assert changed == [False] * 11 + [True]
    assert pads.matrices[1, :, 0].tolist() == list(range(1, 13))
    assert pads.times.tolist() == [-np.inf, 13.0, -np.inf, -np.inf, -np.inf]
    assert pads.sums().tolist() == [0, 6 * 78, 0, 0, 0]
    assert pads.dropped == 0


def test_a_batch_with_a_hole_never_shows() -> None:
    pads = TactileAssembler()
    for i in range(ROWS):
        if i != 5:
            pads.add(row(i, 9), 0.0)
    assert not pads.matrices.any()
    for i in range(ROWS):
        pads.add(row(i, 3), 1.0)
    assert (pads.matrices[1] == 3).all()
    assert pads.dropped == 11


def test_rows_before_a_first_row_are_dropped() -> None:
    pads = TactileAssembler()
    assert not pads.add(row(4, 9), 0.0)
    assert pads.dropped == 1


def test_latest_row_wins() -> None:
    pads = TactileAssembler(whole=False)
    assert pads.add(row(4, 9), 1.0)
    assert pads.matrices[1, 4].tolist() == [9] * 6
    assert pads.matrices.sum() == 54


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 11)), max_size=120))
def test_matrices_are_always_of_one_batch(order: list[tuple[int, int]]) -> None:
    """Every row carries its batch's number; a matrix that shows has one number only."""
    pads = TactileAssembler()
    batch = [0] * 5
    for finger, index in order:
        batch[finger] += index == 0
        pads.add(TactileRow(finger, index, (batch[finger],) * 6), 0.0)
        for matrix in pads.matrices:
            assert len(np.unique(matrix)) == 1
