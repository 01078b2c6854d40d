from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.optics.pinhole import Intrinsics, intrinsics_of
from vnb_perception.estimate import Status
from vnb_perception.images.robot import RobotShape
from vnb_perception.objects.model import described_model
from vnb_perception.tracking import CameraTracker, RawImage


@pytest.fixture(scope="module")
def tracker() -> CameraTracker:
    return CameraTracker(
        load_camera("astra"), described_model("cube"), RobotShape(load_hand("l6_v31"), load_arm("fr3"))
    )


def raw(depth: np.ndarray, encoding: str = "16UC1") -> RawImage:
    pixels = np.rint(depth * 1000).astype("<u2") if encoding == "16UC1" else depth.astype("<f4")
    return RawImage(pixels.tobytes(), encoding, *depth.shape)


def test_both_encodings_give_the_same_pose(
    tracker: CameraTracker, draw: Callable[..., np.ndarray], stand: Callable[..., np.ndarray]
) -> None:
    depth = np.rint(draw("astra", [("cube", stand(described_model("cube")))], seed=1) * 1000) / 1000
    first, second = tracker.update(10.0, raw(depth)), tracker.update(5.0, raw(depth, "32FC1"))
    assert (first.status, second.status) == (Status.OK, Status.OK)
    np.testing.assert_allclose(first.T_world_object, second.T_world_object, atol=1e-5)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (RawImage(b"", "16UC1", 0, 0), "0 bytes"),
        (RawImage(np.full((480, 640), np.nan, dtype="<f4").tobytes(), "32FC1", 480, 640), "no pixel"),
        (RawImage(np.full((480, 640), 600.0, dtype="<f4").tobytes(), "32FC1", 480, 640), "millimetres"),
        (RawImage(np.full((480, 640), 600, dtype="<u2").tobytes(), "bgr8", 480, 640), "bgr8"),
        (RawImage(np.full((240, 320), 600, dtype="<u2").tobytes(), "16UC1", 240, 320), "camera info"),
    ],
)
def test_whatever_comes_is_answered(tracker: CameraTracker, image: RawImage, words: str) -> None:
    found = tracker.update(1.0, image)
    assert found.status is Status.BAD_INPUT
    assert words in found.reason
    assert np.isnan(found.T_world_object[:3, 3]).all()


def test_joints_that_are_not_finite_are_bad_input(tracker: CameraTracker) -> None:
    found = tracker.update(1.0, raw(np.full((480, 640), 0.6)), (np.full(6, np.nan), np.zeros(11)))
    assert found.status is Status.BAD_INPUT


def test_intrinsics_of_the_message_count() -> None:
    camera = load_camera("astra")
    tracker = CameraTracker(camera, described_model("cube"))
    half = Intrinsics(320, 240, camera.fx / 2, camera.fy / 2, camera.cx / 2, camera.cy / 2)
    assert half != intrinsics_of(camera)
    found = tracker.update(1.0, raw(np.full((240, 320), 5.0)), intrinsics=half)
    assert "workspace" in found.reason  # it was read, and shows only what is far away
