"""The RealSense driver on the vendor's library, with its software device in the camera's place."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vnb_grasp.errors import LinkError, SilenceError
from vnb_hardware.cameras.interface import CameraSettings, Intrinsics
from vnb_hardware.cameras.realsense import RealSenseCamera

rs = pytest.importorskip("pyrealsense2", reason="an optional package: requirements/cameras.txt")

WIDTH, HEIGHT, FOCAL = 64, 48, 60.0
SETTINGS = CameraSettings(width=WIDTH, height=HEIGHT, color_width=WIDTH, color_height=HEIGHT)
STAMP = 1_700_000_000.25


def video_stream(kind: Any, number: int, form: Any, size: int) -> Any:
    stream, lens = rs.video_stream(), rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = WIDTH, HEIGHT, FOCAL, FOCAL, 31.5, 23.5
    lens.model, lens.coeffs = rs.distortion.none, [0.0] * 5
    stream.type, stream.index, stream.uid, stream.fmt, stream.bpp = kind, 0, number, form, size
    stream.width, stream.height, stream.fps, stream.intrinsics = WIDTH, HEIGHT, 30, lens
    return stream


class SoftwareCamera:
    """A camera without glass: what the test pushes in, the driver reads. Also stands in for the library's context."""

    def __init__(self, serial: str = "SW1", baseline: float = 0.0, unit: float = 0.001) -> None:
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, serial)
        self.device.register_info(rs.camera_info.name, "software camera")
        self._unit, self.plugged, self._number = unit, True, 0
        self._depth, self._color = self.device.add_sensor("Depth"), self.device.add_sensor("Color")
        self._depth.add_read_only_option(rs.option.depth_units, unit)
        self._streams = (
            (self._depth, self._depth.add_video_stream(video_stream(rs.stream.depth, 0, rs.format.z16, 2)), 2),
            (self._color, self._color.add_video_stream(video_stream(rs.stream.color, 1, rs.format.rgb8, 3)), 3),
        )
        way = rs.extrinsics()
        way.rotation, way.translation = [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0], [baseline, 0.0, 0.0]
        self._streams[0][1].register_extrinsics_to(self._streams[1][1], way)
        self.device.create_matcher(rs.matchers.default)

    def push(self, depth: np.ndarray, color: np.ndarray, domain: Any = None, stamp: float = STAMP) -> None:
        """Take a picture."""
        self._number += 1
        for (sensor, profile, size), pixels in zip(self._streams, (depth, color), strict=True):
            frame = rs.software_video_frame()
            frame.stride, frame.bpp, frame.pixels, frame.frame_number = WIDTH * size, size, pixels, self._number
            frame.timestamp, frame.profile = 1000.0 * (stamp + self._number / 30), profile.as_video_stream_profile()
            frame.domain = rs.timestamp_domain.system_time if domain is None else domain
            if size == 2:
                frame.depth_units = self._unit
            sensor.on_video_frame(frame)

    def query_devices(self) -> list[Any]:
        """Return this camera, as long as it is plugged in."""
        return [Plugged(self)] if self.plugged else []


class Plugged:
    """The device, whose cable can be pulled."""

    def __init__(self, camera: SoftwareCamera) -> None:
        self._camera = camera

    def is_connected(self) -> bool:
        """Whether the cable is in."""
        return self._camera.plugged

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera.device, name)


def picture(depth: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(HEIGHT, dtype=np.uint16)[:, None]
    return np.full((HEIGHT, WIDTH), depth, np.uint16) + rows, np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)


def read(camera: RealSenseCamera, source: SoftwareCamera, **options: Any) -> Any:
    """Push pictures until the driver has one; the library pairs streams only when both go on."""
    due = time.monotonic() + 20.0
    while True:
        source.push(*picture(), **options)
        try:
            return camera.read(0.1)
        except SilenceError:
            assert time.monotonic() < due, "no images within 20 s"


def test_images_intrinsics_and_stamp() -> None:
    source = SoftwareCamera()
    camera = RealSenseCamera(SETTINGS, source)
    assert camera.open() == "software camera, serial number SW1"
    frame = read(camera, source)
    depth, color = picture()
    assert_array_equal(frame.depth, depth)
    assert_array_equal(frame.color, color)
    lens = Intrinsics(WIDTH, HEIGHT, FOCAL, FOCAL, 31.5, 23.5)
    assert frame.depth_intrinsics == lens and frame.color_intrinsics == lens
    pictures = (frame.stamp - STAMP) * 30
    assert_allclose(pictures, round(pictures), atol=0.03)
    assert pictures > 0.5
    assert (
        frame.aligned_depth == depth
    ).mean() > 0.99  # both cameras in one place; the library's rounding leaves holes
    camera.close()


def test_depth_is_aligned_with_the_colour_camera() -> None:
    source = SoftwareCamera(baseline=0.05)
    camera = RealSenseCamera(SETTINGS, source)
    camera.open()
    frame = read(camera, source)
    shift = FOCAL * 0.05 / 0.523  # pixels, in the row whose depth is 523 mm
    row = frame.aligned_depth[23]
    assert np.flatnonzero(row)[0] == pytest.approx(shift, abs=1.0)
    assert row[np.flatnonzero(row)].max() == 523
    camera.close()


def test_depth_is_in_millimetres_whatever_the_cameras_unit() -> None:
    source = SoftwareCamera(unit=0.0001)
    camera = RealSenseCamera(SETTINGS, source)
    camera.open()
    assert_allclose(read(camera, source).depth.astype(float), picture()[0] * 0.1, rtol=0, atol=0.51)
    camera.close()


def test_stamps_of_the_cameras_own_clock_become_host_time() -> None:
    source = SoftwareCamera()
    camera = RealSenseCamera(SETTINGS, source)
    camera.open()
    frame = read(camera, source, domain=rs.timestamp_domain.hardware_clock)
    assert abs(frame.stamp - time.time()) < 30.0
    camera.close()


def test_unplugged_and_plugged_in_again() -> None:
    source = SoftwareCamera()
    camera = RealSenseCamera(SETTINGS, source)
    camera.open()
    read(camera, source)
    source.plugged = False
    with pytest.raises(LinkError, match="not connected any more"):
        camera.read(0.1)
    with pytest.raises(LinkError, match="found none"):
        camera.open()
    source.plugged = True
    camera.open()
    assert read(camera, source).depth.shape == (HEIGHT, WIDTH)
    camera.close()


def test_silence() -> None:
    camera = RealSenseCamera(SETTINGS, SoftwareCamera())
    camera.open()
    with pytest.raises(SilenceError, match="no images"):
        camera.read(0.05)
    camera.close()


def test_what_is_not_there_is_named_beside_what_is() -> None:
    with pytest.raises(LinkError, match=r"found SW1, expected serial number 42"):
        RealSenseCamera(CameraSettings(serial="42"), SoftwareCamera()).open()
    with pytest.raises(LinkError, match="no depth of 640 x 480 at 30 Hz; it has: 64 x 48 at 30 Hz"):
        RealSenseCamera(CameraSettings(), SoftwareCamera()).open()
