"""The D435i's way through its maker's own library, fed with drawn frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vnb_grasp.description import CameraDescription, load_camera
from vnb_grasp.optics.pinhole import Intrinsics
from vnb_perception.estimate import Status
from vnb_perception.objects.model import described_model
from vnb_perception.tracking import CameraTracker, RawImage

rs = pytest.importorskip("pyrealsense2", reason="the D435i's library is not installed")


def through_the_library(camera: CameraDescription, millimetres: np.ndarray) -> Any:
    """Return the depth frame that the library hands over for an image that a device would have sent."""
    intrinsics = rs.intrinsics()
    intrinsics.width, intrinsics.height = camera.width, camera.height
    intrinsics.fx, intrinsics.fy, intrinsics.ppx, intrinsics.ppy = camera.fx, camera.fy, camera.cx, camera.cy
    intrinsics.model, intrinsics.coeffs = rs.distortion.brown_conrady, [0.0] * 5
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.index, stream.uid = rs.stream.depth, rs.format.z16, 0, 1
    stream.width, stream.height, stream.fps, stream.bpp = camera.width, camera.height, 30, 2
    stream.intrinsics = intrinsics
    device = rs.software_device()
    sensor = device.add_sensor("Depth")
    sensor.add_read_only_option(rs.option.depth_units, 0.001)
    profile = sensor.add_video_stream(stream).as_video_stream_profile()
    queue = rs.frame_queue(1, True)
    sensor.open(profile)
    sensor.start(queue)
    frame = rs.software_video_frame()
    frame.stride, frame.bpp, frame.frame_number, frame.timestamp = 2 * camera.width, 2, 1, 0.0
    frame.domain, frame.profile, frame.pixels = rs.timestamp_domain.hardware_clock, profile, millimetres
    frame.depth_units = 0.001
    sensor.on_video_frame(frame)
    got = queue.wait_for_frame(5000).as_depth_frame()
    sensor.stop()
    sensor.close()
    return got


def test_a_frame_of_the_library_becomes_a_pose(
    draw: Callable[..., np.ndarray], stand: Callable[..., np.ndarray]
) -> None:
    camera, model = load_camera("d435i"), described_model("cube")
    T = stand(model)
    millimetres = np.rint(draw("d435i", [("cube", T)], seed=1) * 1000).astype(np.uint16)
    frame = through_the_library(camera, millimetres)
    data = np.asanyarray(frame.get_data())
    np.testing.assert_array_equal(data, millimetres)
    of = frame.get_profile().as_video_stream_profile().get_intrinsics()
    intrinsics = Intrinsics(of.width, of.height, of.fx, of.fy, of.ppx, of.ppy)
    image = RawImage(data.tobytes(), "16UC1", of.height, of.width, frame.get_stride_in_bytes())
    found = CameraTracker(camera, model).update(1.0, image, intrinsics=intrinsics)
    assert found.status is Status.OK, found.reason
    assert np.linalg.norm(found.T_world_object[:3, 3] - T[:3, 3]) < 0.005
