from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_grasp.errors import PerceptionError
from vnb_perception.images.depth import depth_in_metres

METRES = np.array([[0.5, 0.75, 1.0], [1.25, 0.0, 2.0]], dtype=np.float32)


def test_millimetres_and_metres_are_the_same_picture() -> None:
    millimetres = np.rint(METRES * 1000).astype("<u2")
    np.testing.assert_allclose(depth_in_metres(millimetres.tobytes(), "16UC1", 2, 3), METRES, atol=1e-6)
    np.testing.assert_array_equal(depth_in_metres(METRES.tobytes(), "32FC1", 2, 3), METRES)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 5), st.booleans(), st.sampled_from(["16UC1", "mono16", "32FC1"]))
def test_padding_and_byte_order_do_not_matter(padding: int, big: bool, encoding: str) -> None:
    kind = np.dtype((">" if big else "<") + ("f4" if encoding == "32FC1" else "u2"))
    pixels = (METRES if encoding == "32FC1" else np.rint(METRES * 1000)).astype(kind)
    row = 3 * kind.itemsize
    padded = b"".join(pixels[i].tobytes() + b"\xff" * padding for i in range(2))
    got = depth_in_metres(padded, encoding, 2, 3, row + padding, big_endian=big)
    np.testing.assert_allclose(got, METRES, atol=1e-6)


def test_what_is_not_measured_is_zero() -> None:
    pixels = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 0.8]], dtype=np.float32)
    np.testing.assert_array_equal(depth_in_metres(pixels.tobytes(), "32FC1", 1, 6), [[0, 0, 0, 0, 0, np.float32(0.8)]])


@pytest.mark.parametrize(
    ("pixels", "encoding", "words"),
    [
        (np.full((2, 3), np.nan, dtype="<f4"), "32FC1", "no pixel has a depth"),
        (np.zeros((2, 3), dtype="<u2"), "16UC1", "no pixel has a depth"),
        (np.full((2, 3), 800.0, dtype="<f4"), "32FC1", "millimetres"),
        (np.full((2, 3), 1, dtype="<u2"), "16UC1", "32FC1"),
        (np.full((2, 3), 800, dtype="<u2"), "rgb8", "rgb8"),
        (np.full((2, 2), 800, dtype="<u2"), "16UC1", "8 bytes"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused(pixels: np.ndarray, encoding: str, words: str) -> None:
    with pytest.raises(PerceptionError, match=words) as caught:
        depth_in_metres(pixels.tobytes(), encoding, 2, 3, camera="astra")
    assert "astra" in str(caught.value)


@pytest.mark.parametrize(("height", "width"), [(0, 0), (-1, 3), (2, 0)])
def test_empty_pictures_are_refused(height: int, width: int) -> None:
    with pytest.raises(PerceptionError):
        depth_in_metres(b"", "16UC1", height, width)
