"""Drivers of the cameras that ``./vnb emulate cameras`` stands in for."""

from __future__ import annotations

import socket
import time
from typing import Any

from vnb_grasp.errors import ConfigError, LinkError, SilenceError
from vnb_hardware.cameras.extras import require_package
from vnb_hardware.cameras.interface import CAMERAS, DEPTH_UNIT, CameraFrame, CameraSettings, Intrinsics
from vnb_hardware.cameras.realsense import RealSenseCamera
from vnb_hardware.cameras.wire import Decoder, decode_frame, encode

_CONNECT = 2.0
_CHUNK = 1 << 18
_PAIRING = 0.05
"""Time for the vendor's library to pair depth and colour [s]; then it gets the next images."""


@CAMERAS.register("emulated")
class EmulatorCamera:
    """A camera behind a socket; see :class:`~vnb_hardware.cameras.interface.Camera`.

    Args:
        settings: Of the streams; ``address`` says where the emulator listens, ``serial`` which of its cameras is meant.
            Rates are the emulator's own.

    Raises:
        ConfigError: If the address is none.
    """

    def __init__(self, settings: CameraSettings) -> None:
        host, _, port = settings.address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise ConfigError(f"address of emulated cameras: got {settings.address!r}, expected HOST:PORT")
        self._where = (host, int(port))
        self._settings = settings
        self._socket: socket.socket | None = None
        self._decoder = Decoder()

    def open(self) -> str:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        self.close()
        settings = self._settings
        wanted = {
            "serial": settings.serial,
            "depth": [settings.width, settings.height],
            "color": [settings.color_width, settings.color_height],
        }
        try:
            self._socket = socket.create_connection(self._where, timeout=_CONNECT)
            self._socket.sendall(encode(wanted))
            head, _ = self._message(_CONNECT)
        except (OSError, SilenceError) as error:
            self.close()
            raise LinkError(
                f"no emulated camera at {settings.address}: {error}; is ./vnb emulate cameras running?"
            ) from error
        if "error" in head:
            self.close()
            raise LinkError(f"emulated cameras: {head['error']}")
        return str(head.get("name", "an emulated camera without a name"))

    def read(self, timeout: float) -> CameraFrame:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        return decode_frame(*self._message(timeout))

    def close(self) -> None:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        link, self._socket, self._decoder = self._socket, None, Decoder()
        if link is not None:
            link.close()

    def _message(self, timeout: float) -> tuple[dict[str, Any], bytes]:
        if self._socket is None:
            raise LinkError("the emulated camera is not open")
        due = time.monotonic() + timeout
        while (message := self._decoder.next()) is None:
            left = due - time.monotonic()
            if left <= 0:
                raise SilenceError(f"the emulated camera has sent no images for {timeout:.2f} s")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                continue
            except OSError as error:
                raise LinkError(f"the emulated camera is gone: {error}; it is opened again when it is back") from error
            if not data:
                raise LinkError("the emulated camera is not connected any more; it is opened again when it is back")
            self._decoder.feed(data)
        return message


@CAMERAS.register("emulated_realsense")
class EmulatorRealSense:
    """An emulated D435i whose images take the way of a real one's through the vendor's library.

    Args:
        settings: As for :class:`EmulatorCamera`.

    Raises:
        ConfigError: If the address is none, or ``pyrealsense2`` is not installed.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._rs = require_package("pyrealsense2", "RealSense cameras")
        self._settings = settings
        self._link = EmulatorCamera(settings)
        self._camera = RealSenseCamera(settings, self)
        self._device: _SoftwareDevice | None = None

    def open(self) -> str:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        self.close()
        said = self._link.open()
        try:
            first = self._link.read(_CONNECT)
        except SilenceError as error:
            raise LinkError(f"{error}, so that its intrinsics are not known") from error
        _same_size(first, self._settings)
        self._device = _SoftwareDevice(self._rs, first, self._settings)
        self._camera.open()
        return said

    def read(self, timeout: float) -> CameraFrame:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        if self._device is None:
            raise LinkError("the emulated camera is not open")
        due = time.monotonic() + timeout
        while True:
            frame = self._link.read(max(due - time.monotonic(), 0.0))
            _same_size(frame, self._settings)
            self._device.take(frame)
            try:
                return self._camera.read(_PAIRING)
            except SilenceError:  # the library pairs streams only while both go on
                continue

    def close(self) -> None:
        """See :class:`~vnb_hardware.cameras.interface.Camera`."""
        self._camera.close()
        self._link.close()
        self._device = None

    def query_devices(self) -> list[Any]:
        """Return the software device, as a context of the vendor's library does with what is plugged in."""
        return [] if self._device is None else [self._device]


def _same_size(frame: CameraFrame, settings: CameraSettings) -> None:
    """Refuse what the vendor's library would read beyond its end; raises :class:`LinkError`."""
    for what, lens, expected in (
        ("depth", frame.depth_intrinsics, (settings.width, settings.height)),
        ("colour", frame.color_intrinsics, (settings.color_width, settings.color_height)),
    ):
        got = (lens.width, lens.height) if lens else (0, 0)
        if got != expected:
            raise LinkError(f"the emulated camera sends {what} of {got}, expected {expected} pixels")


class _SoftwareDevice:
    """A device of the vendor's library that is fed with images.

    Args:
        rs: The library.
        frame: Whose intrinsics it gets.
        settings: Of the streams.
    """

    def __init__(self, rs: Any, frame: CameraFrame, settings: CameraSettings) -> None:
        self._rs, self._number = rs, 0
        self._device = rs.software_device()
        self._device.register_info(rs.camera_info.serial_number, settings.serial)
        self._device.register_info(rs.camera_info.name, "emulated RealSense")
        self._streams = []
        lenses = [(rs.stream.depth, rs.format.z16, frame.depth_intrinsics, 2)]
        if frame.color_intrinsics is not None:
            lenses.append((rs.stream.color, rs.format.rgb8, frame.color_intrinsics, 3))
        for number, (kind, form, lens, size) in enumerate(lenses):
            sensor = self._device.add_sensor(kind.name)
            if kind == rs.stream.depth:
                sensor.add_read_only_option(rs.option.depth_units, DEPTH_UNIT)
            stream = _video_stream(rs, kind, form, lens, number, size, settings.rate)
            self._streams.append((sensor, sensor.add_video_stream(stream), size))
        if len(self._streams) > 1:
            here = rs.extrinsics()
            here.rotation, here.translation = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.0] * 3
            self._streams[0][1].register_extrinsics_to(self._streams[1][1], here)
        self._device.create_matcher(rs.matchers.default)

    def take(self, frame: CameraFrame) -> None:
        """Hand images over."""
        self._number += 1
        images: list[Any] = [frame.depth] if frame.color is None else [frame.depth, frame.color]
        for (sensor, profile, size), pixels in zip(self._streams, images, strict=True):
            video = self._rs.software_video_frame()
            video.stride, video.bpp, video.pixels, video.frame_number = (
                pixels.shape[1] * size,
                size,
                pixels,
                self._number,
            )
            video.timestamp, video.domain = 1000.0 * frame.stamp, self._rs.timestamp_domain.system_time
            video.profile = profile.as_video_stream_profile()
            if size == 2:
                video.depth_units = DEPTH_UNIT
            sensor.on_video_frame(video)

    def is_connected(self) -> bool:
        """Return whether it is there; the socket says when it is not."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)


def _video_stream(rs: Any, kind: Any, form: Any, lens: Intrinsics, number: int, size: int, rate: int) -> Any:
    stream, given = rs.video_stream(), rs.intrinsics()
    given.width, given.height = lens.width, lens.height
    given.fx, given.fy, given.ppx, given.ppy = lens.fx, lens.fy, lens.cx, lens.cy
    given.model, given.coeffs = rs.distortion.none, [0.0] * 5
    stream.type, stream.index, stream.uid, stream.fmt, stream.bpp = kind, 0, number, form, size
    stream.width, stream.height, stream.fps, stream.intrinsics = lens.width, lens.height, rate, given
    return stream
