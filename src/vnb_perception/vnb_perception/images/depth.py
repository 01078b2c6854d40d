"""Depth images as they come over the wire, in metres: the one place that knows encodings and units (REP 118)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import PerceptionError

Depth = NDArray[np.float32]

_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_LONGEST = 65.0
"""Depth [m] that no image in metres reaches: 16 bits of millimetres end there."""
_SHORTEST = 0.03
"""Median depth [m] below which an image cannot be of millimetres in whole numbers."""


def depth_in_metres(
    data: bytes | bytearray | memoryview | NDArray[np.uint8],
    encoding: str,
    height: int,
    width: int,
    step: int = 0,
    *,
    big_endian: bool = False,
    camera: str = "camera",
) -> Depth:
    """Return a depth image (height, width) [m]; pixels without a measurement are 0.

    Args:
        data: Bytes of the rows, one after the other.
        encoding: ``16UC1`` (millimetres, 0 = nothing) or ``32FC1`` (metres, NaN, infinity or 0 = nothing).
        height, width: [pixels].
        step: Length of a row [bytes]; 0 = without padding.
        big_endian: Byte order.
        camera: For error messages.

    Raises:
        PerceptionError: If the encoding is another one, the data have another length than stated, no pixel is measured,
            or the numbers cannot be of the encoding's unit.
    """
    if encoding not in _TYPES:
        raise PerceptionError(
            f"depth image of {camera}: got encoding {encoding!r}, expected 16UC1 (millimetres) or 32FC1 (metres); "
            "subscribe to the depth topic, not to the colour one"
        )
    kind = np.dtype((">" if big_endian else "<") + _TYPES[encoding])
    row = width * kind.itemsize
    step = step or row
    raw = np.frombuffer(data, dtype=np.uint8)
    if height <= 0 or width <= 0 or step < row or raw.size != step * height:
        raise PerceptionError(
            f"depth image of {camera}: got {raw.size} bytes for {height} rows of {step} bytes with {width} pixels of "
            f"{kind.itemsize}; look at the camera driver"
        )
    pixels = np.ascontiguousarray(raw.reshape(height, step)[:, :row]).view(kind)
    if kind.kind == "u":
        depth = pixels.astype(np.float32) * np.float32(0.001)
    else:
        depth = np.where(np.isfinite(pixels) & (pixels > 0), pixels, 0.0).astype(np.float32)
    return _plausible(depth, encoding, camera)


def _plausible(depth: Depth, encoding: str, camera: str) -> Depth:
    measured = depth[depth > 0]
    if measured.size == 0:
        raise PerceptionError(f"depth image of {camera}: no pixel has a depth; is the lens covered?")
    middle = float(np.median(measured))
    if encoding == "32FC1" and middle > _LONGEST:
        raise PerceptionError(
            f"depth image of {camera}: got a median of {middle:.0f} in 32FC1, expected metres; these look like "
            "millimetres, which come as 16UC1"
        )
    if encoding != "32FC1" and middle < _SHORTEST:
        raise PerceptionError(
            f"depth image of {camera}: got a median of {middle * 1000:.0f} in {encoding}, expected millimetres; these "
            "look like metres, which come as 32FC1"
        )
    return depth
