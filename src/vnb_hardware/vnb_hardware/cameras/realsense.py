"""Intel RealSense cameras (D435i) by ``pyrealsense2``, an optional package."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from vnb_grasp.errors import LinkError, SilenceError
from vnb_hardware.cameras.extras import require_package
from vnb_hardware.cameras.interface import CAMERAS, DEPTH_UNIT, CameraFrame, CameraSettings, HostClock, Intrinsics

_MILLISECOND = 0.001


@CAMERAS.register("realsense")
class RealSenseCamera:
    """A RealSense camera; see :class:`~vnb_hardware.cameras.interface.Camera`.

    Sensors are opened one by one rather than through the vendor's pipeline, so that a software device of the vendor's
    library can take the camera's place.

    Args:
        settings: Of the streams.
        context: Of the vendor's library; None makes one.

    Raises:
        ConfigError: If ``pyrealsense2`` is not installed.
    """

    def __init__(self, settings: CameraSettings, context: Any = None) -> None:
        self._rs = require_package("pyrealsense2", "RealSense cameras")
        self._settings = settings
        self._context = context or self._rs.context()
        self._device: Any = None
        self._sensors: list[Any] = []
        self._clock = HostClock()

    def open(self) -> str:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        rs, settings = self._rs, self._settings
        self.close()
        self._device = self._find()
        self._queue = rs.syncer(10)
        self._align = rs.align(rs.stream.color)
        wanted = [(rs.stream.depth, rs.format.z16, settings.width, settings.height)]
        if settings.color_width:
            wanted.append((rs.stream.color, rs.format.rgb8, settings.color_width, settings.color_height))
        try:
            for stream in wanted:
                sensor, profile = self._profile(*stream)
                sensor.open(profile)
                self._sensors.append(sensor)
                sensor.start(self._queue)
        except RuntimeError as error:
            self.close()
            raise LinkError(f"the RealSense camera does not start: {error}; plug it out and in again") from error
        except LinkError:
            self.close()
            raise
        return f"{self._info('name')}, serial number {self._info('serial_number')}"

    def read(self, timeout: float) -> CameraFrame:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        due = time.monotonic() + timeout
        while True:
            if not self._sensors or not self._device.is_connected():
                raise LinkError("the RealSense camera is not connected any more; it is opened again when it is back")
            left = due - time.monotonic()
            if left <= 0:
                raise SilenceError(f"the RealSense camera has sent no images for {timeout:.2f} s; is it on USB 3?")
            came, frames = self._queue.try_wait_for_frames(max(int(min(left, 0.1) / _MILLISECOND), 1))
            if came and frames.get_depth_frame() and (not self._settings.color_width or frames.get_color_frame()):
                return self._frame(frames, time.time())

    def close(self) -> None:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        sensors, self._sensors, self._device = self._sensors, [], None
        for sensor in sensors:
            try:
                sensor.stop()
                sensor.close()
            except RuntimeError:  # it has been unplugged
                continue

    # --- device -------------------------------------------------------------------------------------------------------

    def _find(self) -> Any:
        devices = list(self._context.query_devices())
        serials = [self._serial(device) for device in devices]
        wanted = self._settings.serial
        if wanted in serials:
            return devices[serials.index(wanted)]
        if not wanted and len(devices) == 1:
            return devices[0]
        found = ", ".join(serials) or "none"
        expected = f"serial number {wanted}" if wanted else "exactly one, or a serial number in the settings"
        raise LinkError(f"RealSense cameras: found {found}, expected {expected}; check cable and USB port")

    def _serial(self, device: Any) -> str:
        info = self._rs.camera_info.serial_number
        return str(device.get_info(info)) if device.supports(info) else ""

    def _info(self, name: str) -> str:
        info = getattr(self._rs.camera_info, name)
        return str(self._device.get_info(info)) if self._device.supports(info) else f"no {name}"

    def _profile(self, stream: Any, form: Any, width: int, height: int) -> tuple[Any, Any]:
        """Return a sensor and its profile of a stream."""
        known = []
        for sensor in self._device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() != stream or not profile.is_video_stream_profile():
                    continue
                video = profile.as_video_stream_profile()
                size = (video.width(), video.height(), profile.fps())
                if size == (width, height, self._settings.rate) and profile.format() == form:
                    return sensor, profile
                known.append(f"{size[0]} x {size[1]} at {size[2]} Hz")
        raise LinkError(
            f"the RealSense camera has no {stream.name} of {width} x {height} at {self._settings.rate} Hz; it has: "
            f"{', '.join(sorted(set(known))) or 'none'}"
        )

    # --- images -------------------------------------------------------------------------------------------------------

    def _frame(self, frames: Any, arrival: float) -> CameraFrame:
        depth = frames.get_depth_frame()
        color = frames.get_color_frame() if self._settings.color_width else None
        aligned = self._align.process(frames).get_depth_frame() if color else None
        return CameraFrame(
            stamp=self._stamp(depth, arrival),
            depth=_millimetres(depth),
            depth_intrinsics=_intrinsics(depth),
            color=np.array(color.get_data(), dtype=np.uint8) if color else None,
            color_intrinsics=_intrinsics(color) if color else None,
            aligned_depth=_millimetres(aligned) if aligned else None,
        )

    def _stamp(self, frame: Any, arrival: float) -> float:
        stamp = float(frame.get_timestamp()) * _MILLISECOND
        if frame.get_frame_timestamp_domain() == self._rs.timestamp_domain.hardware_clock:
            return self._clock.host(stamp, arrival)
        return stamp


def _millimetres(frame: Any) -> np.ndarray:
    """Return a depth frame in millimetres, whatever the camera's unit is."""
    raw = np.array(frame.get_data(), dtype=np.uint16)
    scale = float(frame.get_units()) / DEPTH_UNIT
    if abs(scale - 1.0) < 1e-6:
        return raw
    return np.clip(np.rint(raw * scale), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _intrinsics(frame: Any) -> Intrinsics:
    given = frame.get_profile().as_video_stream_profile().get_intrinsics()
    k1, k2, p1, p2, k3 = (float(value) for value in given.coeffs)
    return Intrinsics(given.width, given.height, given.fx, given.fy, given.ppx, given.ppy, (k1, k2, p1, p2, k3))
