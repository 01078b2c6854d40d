from __future__ import annotations

import numpy as np
import pytest

from vnb_grasp.errors import ShapeError
from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.images.cloud import organised_cloud

LENS = Intrinsics(4, 3, 2.0, 4.0, 1.0, 0.5)


def test_every_pixel_becomes_the_point_that_projects_to_it() -> None:
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    points = organised_cloud(depth, LENS)
    assert points.shape == (3, 4, 3) and points.dtype == np.float32
    assert np.isnan(points[0, 0]).all()  # nothing measured
    np.testing.assert_allclose(points[2, 3], [11.0 * (3 - 1.0) / 2.0, 11.0 * (2 - 0.5) / 4.0, 11.0])
    v, u = LENS.project(points[1:].astype(np.float64))
    np.testing.assert_allclose(v, np.broadcast_to([[1.0], [2.0]], (2, 4)), atol=1e-6)
    np.testing.assert_allclose(u, np.broadcast_to([0.0, 1.0, 2.0, 3.0], (2, 4)), atol=1e-6)


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="camera info"):
        organised_cloud(np.ones((4, 4), dtype=np.float32), LENS)
