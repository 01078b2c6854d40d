"""What every camera driver gives, whoever made the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import ConfigError, LinkError, SilenceError
from vnb_grasp.registry import Registry

DEPTH_UNIT = 0.001
"""Unit of depth images [m]: millimetres in 16 bits, 0 = no reading, as in REP 118."""

EMULATOR_PORT = 20050
"""Where ``./vnb emulate cameras`` listens."""


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera.

    Attributes:
        width, height: Size of the image [pixels].
        fx, fy, cx, cy: Focal lengths and principal point [pixels].
        distortion: Coefficients k1, k2, p1, p2, k3 of the plumb-bob model; zeros for a rectified image.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CameraFrame:
    """Images of one moment.

    Attributes:
        stamp: When they were taken [s], UNIX time.
        depth: (H, W) uint16 in :data:`DEPTH_UNIT`.
        depth_intrinsics: Of the depth image.
        color: (H, W, 3) uint8, red first; None if the camera gives none.
        color_intrinsics: Of the colour image.
        aligned_depth: Depth as the colour camera would see it, with its size and intrinsics; None without colour.
    """

    stamp: float
    depth: NDArray[np.uint16]
    depth_intrinsics: Intrinsics
    color: NDArray[np.uint8] | None = None
    color_intrinsics: Intrinsics | None = None
    aligned_depth: NDArray[np.uint16] | None = None


@dataclass(frozen=True)
class CameraSettings:
    """Settings of a camera; a value out of range raises :class:`ConfigError`.

    Attributes:
        serial: Serial number; empty takes the only camera of the kind.
        width, height: Of the depth image [pixels].
        color_width, color_height: Of the colour image [pixels]; 0 = no colour.
        rate: Images per second.
        address: HOST:PORT of the emulator, of emulated cameras only.
    """

    serial: str = ""
    width: int = 640
    height: int = 480
    color_width: int = 640
    color_height: int = 480
    rate: int = 30
    address: str = f"127.0.0.1:{EMULATOR_PORT}"

    def __post_init__(self) -> None:
        for name in ("width", "height", "rate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.color_width < 0 or self.color_height < 0 or bool(self.color_width) != bool(self.color_height):
            raise ConfigError(
                f"colour: got {self.color_width} x {self.color_height}, expected two sizes, or two zeros for none"
            )


class Camera(Protocol):
    """A camera; used from one thread. Failures are :class:`LinkError`, silence is :class:`SilenceError`."""

    def open(self) -> str:
        """Find it and start its streams; return what it says about itself.

        Raises:
            LinkError: If it is not there, or has no such streams.
        """

    def read(self, timeout: float) -> CameraFrame:
        """Return the next images.

        Raises:
            LinkError: If the camera is gone; open it again when it is back.
            SilenceError: If none came within ``timeout`` [s].
        """

    def close(self) -> None:
        """Stop the streams; nothing to do if it is not open."""


class HostClock:
    """Turns stamps of a device's own clock into host time, by the least delay that was ever seen.

    Args:
        relax: How much the least delay is forgotten per second [s/s], so that drifting clocks are followed.
    """

    def __init__(self, relax: float = 1e-4) -> None:
        self._relax = relax
        self._offset = math.inf
        self._at = -math.inf

    def host(self, device: float, arrival: float) -> float:
        """Return the host time of a device stamp that arrived at ``arrival``, all in [s]; never after the arrival."""
        if device < self._at or math.isinf(self._at):  # the first stamp, or the device has started anew
            self._offset = arrival - device
        else:
            self._offset = min(self._offset + self._relax * (device - self._at), arrival - device)
        self._at = device
        return device + self._offset


class FrameCheck:
    """Refuses images that are not what was asked for, or not of now.

    Args:
        settings: That the camera was opened with.
        max_age: Largest age of an image [s]; 0 = any.
    """

    def __init__(self, settings: CameraSettings, max_age: float) -> None:
        self._settings, self._max_age = settings, max_age

    def require(self, frame: CameraFrame, now: float) -> None:
        """Return if the images may be used.

        Args:
            frame: The images.
            now: UNIX time [s].

        Raises:
            LinkError: If they have another size: open the camera again.
            SilenceError: If they are too old, or of the future.
        """
        settings = self._settings
        wanted: list[tuple[str, NDArray[np.uint8] | NDArray[np.uint16] | None, tuple[int, ...]]] = [
            ("depth", frame.depth, (settings.height, settings.width))
        ]
        if settings.color_width:
            wanted.append(("colour", frame.color, (settings.color_height, settings.color_width, 3)))
        for what, pixels, shape in wanted:
            got = None if pixels is None else pixels.shape
            if got != shape:
                raise LinkError(f"{what} image: got shape {got}, expected {shape}; the camera is opened again")
        age = now - frame.stamp
        if self._max_age > 0 and abs(age) > self._max_age:
            raise SilenceError(
                f"the image is {abs(age):.2f} s {'old' if age > 0 else 'in the future'}, the limit is "
                f"{self._max_age} s; look at the camera's clock and the load of this machine"
            )


CAMERAS: Registry[type] = Registry("camera")
"""Camera classes by name; each is called with :class:`CameraSettings`."""
