"""Orbbec Astra cameras by ``pyorbbecsdk``, an optional package of the vendor's."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from vnb_grasp.errors import LinkError, SilenceError
from vnb_hardware.cameras.extras import require_package
from vnb_hardware.cameras.interface import CAMERAS, DEPTH_UNIT, CameraFrame, CameraSettings, HostClock, Intrinsics

_MILLISECOND = 0.001
_MICROSECOND = 1e-6


@CAMERAS.register("orbbec")
class OrbbecCamera:
    """An Astra camera; see :class:`~vnb_hardware.cameras.interface.Camera`.

    The library gives depth either as taken or aligned with colour; it is read as taken, and ``aligned_depth`` is None.

    Args:
        settings: Of the streams.

    Raises:
        ConfigError: If ``pyorbbecsdk`` is not installed.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._ob = require_package("pyorbbecsdk", "Orbbec cameras")
        self._settings = settings
        self._context = self._ob.Context()
        self._pipeline: Any = None
        self._device: Any = None
        self._clock = HostClock()

    def open(self) -> str:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        ob, settings = self._ob, self._settings
        self.close()
        self._device = self._find()
        info = self._device.get_device_info()
        try:
            self._pipeline = ob.Pipeline(self._device)
            config = ob.Config()
            streams = [(ob.OBSensorType.DEPTH_SENSOR, ob.OBFormat.Y16, settings.width, settings.height)]
            if settings.color_width:
                color = (ob.OBSensorType.COLOR_SENSOR, ob.OBFormat.RGB, settings.color_width, settings.color_height)
                streams.append(color)
            for sensor, form, width, height in streams:
                profiles = self._pipeline.get_stream_profile_list(sensor)
                config.enable_stream(profiles.get_video_stream_profile(width, height, form, settings.rate))
            self._pipeline.start(config)
            self._parameters = self._pipeline.get_camera_param()
        except ob.OBError as error:
            self.close()
            raise LinkError(
                f"the Orbbec camera does not start with {settings.width} x {settings.height} at {settings.rate} Hz: "
                f"{error}; ask for streams that it has, or plug it out and in again"
            ) from error
        return f"{info.get_name()}, serial number {info.get_serial_number()}"

    def read(self, timeout: float) -> CameraFrame:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        if self._pipeline is None:
            raise LinkError("the Orbbec camera is not open")
        due = time.monotonic() + timeout
        while (left := due - time.monotonic()) > 0:
            try:
                frames = self._pipeline.wait_for_frames(max(int(left / _MILLISECOND), 1))
            except self._ob.OBError as error:
                raise LinkError(f"the Orbbec camera is gone: {error}; it is opened again when it is back") from error
            if frames is None or frames.get_depth_frame() is None:
                continue
            if not self._settings.color_width or frames.get_color_frame() is not None:
                return self._frame(frames, time.time())
        if not self._serials():
            raise LinkError("the Orbbec camera is not connected any more; it is opened again when it is back")
        raise SilenceError(f"the Orbbec camera has sent no images for {timeout:.2f} s; is it on a USB port of its own?")

    def close(self) -> None:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        pipeline, self._pipeline, self._device = self._pipeline, None, None
        if pipeline is not None:
            try:
                pipeline.stop()
            except self._ob.OBError:  # it has been unplugged
                return

    def _serials(self) -> list[str]:
        devices = self._context.query_devices()
        return [str(devices.get_device_serial_number_by_index(i)) for i in range(devices.get_count())]

    def _find(self) -> Any:
        serials, wanted = self._serials(), self._settings.serial
        if (wanted in serials) or (not wanted and len(serials) == 1):
            index = serials.index(wanted) if wanted else 0
            return self._context.query_devices().get_device_by_index(index)
        expected = f"serial number {wanted}" if wanted else "exactly one, or a serial number in the settings"
        raise LinkError(
            f"Orbbec cameras: found {', '.join(serials) or 'none'}, expected {expected}; check cable, USB port and the "
            "vendor's udev rules"
        )

    def _frame(self, frames: Any, arrival: float) -> CameraFrame:
        depth = frames.get_depth_frame()
        color = frames.get_color_frame() if self._settings.color_width else None
        parameters = self._parameters
        return CameraFrame(
            stamp=self._clock.host(depth.get_timestamp_us() * _MICROSECOND, arrival),
            depth=_millimetres(depth),
            depth_intrinsics=_intrinsics(parameters.depth_intrinsic, parameters.depth_distortion),
            color=_rgb(color) if color is not None else None,
            color_intrinsics=_intrinsics(parameters.rgb_intrinsic, parameters.rgb_distortion) if color else None,
        )


def _millimetres(frame: Any) -> np.ndarray:
    """Return a depth frame in millimetres; the library's own unit is a multiple of them."""
    raw = np.frombuffer(frame.get_data(), dtype=np.uint16).reshape(frame.get_height(), frame.get_width())
    scale = float(frame.get_depth_scale()) * 0.001 / DEPTH_UNIT  # the library's unit is given in millimetres
    if abs(scale - 1.0) < 1e-6:
        return raw.copy()
    return np.clip(np.rint(raw * scale), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _rgb(frame: Any) -> np.ndarray:
    data = np.frombuffer(frame.get_data(), dtype=np.uint8)
    return data.reshape(frame.get_height(), frame.get_width(), 3).copy()


def _intrinsics(lens: Any, distortion: Any) -> Intrinsics:
    d = (distortion.k1, distortion.k2, distortion.p1, distortion.p2, distortion.k3)
    return Intrinsics(lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy, tuple(float(v) for v in d))  # type: ignore[arg-type]
