"""What an emulated camera and its driver say to each other: messages of a JSON head and raw pixels.

Each message is the magic word, the two lengths (4 bytes each, big endian), the head, the pixels. The driver says which
camera it wants and in which size; the emulator answers with a name or an error, then with images. Lengths are bounded
and heads are checked, so that nothing that answers on the port can make a driver take more than one image's memory.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import astuple
from typing import Any

import numpy as np

from vnb_grasp.errors import LinkError
from vnb_hardware.cameras.interface import CameraFrame, Intrinsics

MAGIC = b"VNBC"
LONGEST_HEAD = 4096
MOST_PIXELS = 1920 * 1080
"""In one image."""
_START = struct.Struct(">4sII")
_DEPTH_SIZE, _COLOR_SIZE = 2, 3
_LONGEST_BODY = MOST_PIXELS * (_DEPTH_SIZE + _COLOR_SIZE)
_LENS = 6


def encode(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    text = json.dumps(head).encode()
    return _START.pack(MAGIC, len(text), len(body)) + text + body


def encode_frame(frame: CameraFrame) -> bytes:
    """Return the bytes of images; distortion is not sent, for emulated cameras have none."""
    head = {"stamp": frame.stamp, "depth": astuple(frame.depth_intrinsics)[:_LENS]}
    body = np.ascontiguousarray(frame.depth, dtype="<u2").tobytes()
    if frame.color is not None and frame.color_intrinsics is not None:
        head["color"] = astuple(frame.color_intrinsics)[:_LENS]
        body += np.ascontiguousarray(frame.color, dtype=np.uint8).tobytes()
    return encode(head, body)


class Decoder:
    """Makes messages of the bytes that have come so far."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._bytes += data

    def next(self) -> tuple[dict[str, Any], bytes] | None:
        """Return the next message, None if it has not come as a whole.

        Raises:
            LinkError: If what came is no message.
        """
        if len(self._bytes) < _START.size:
            return None
        magic, head_size, body_size = _START.unpack_from(self._bytes)
        if magic != MAGIC or head_size > LONGEST_HEAD or body_size > _LONGEST_BODY:
            raise LinkError(
                f"emulated camera: got {bytes(self._bytes[: _START.size]).hex(' ')}, expected {MAGIC.hex(' ')} and two "
                "lengths; is the port that of ./vnb emulate cameras?"
            )
        end = _START.size + head_size
        if len(self._bytes) < end + body_size:
            return None
        text, body = bytes(self._bytes[_START.size : end]), bytes(self._bytes[end : end + body_size])
        del self._bytes[: end + body_size]
        try:
            head = json.loads(text)
        except ValueError as error:
            raise LinkError(f"emulated camera: the head of a message is no JSON: {error}") from error
        if not isinstance(head, dict):
            raise LinkError(f"emulated camera: got a head of type {type(head).__name__}, expected an object")
        return head, body


def decode_frame(head: dict[str, Any], body: bytes) -> CameraFrame:
    """Return the images of a message.

    Raises:
        LinkError: If head and pixels are not those of images.
    """
    stamp = head.get("stamp")
    if not isinstance(stamp, int | float) or not math.isfinite(stamp):
        raise LinkError(f"emulated camera: got the stamp {stamp!r}, expected seconds")
    depth = _lens(head.get("depth"))
    color = _lens(head["color"]) if head.get("color") is not None else None
    split = depth.width * depth.height * _DEPTH_SIZE
    expected = split + (color.width * color.height * _COLOR_SIZE if color else 0)
    if len(body) != expected:
        raise LinkError(f"emulated camera: got {len(body)} bytes of pixels, expected {expected}")
    return CameraFrame(
        float(stamp),
        np.frombuffer(body[:split], "<u2").astype(np.uint16).reshape(depth.height, depth.width),
        depth,
        np.frombuffer(body[split:], np.uint8).reshape(color.height, color.width, 3) if color else None,
        color,
    )


def _lens(given: Any) -> Intrinsics:
    numbers = isinstance(given, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in given)
    if not numbers or len(given) != _LENS or not 0 < given[0] * given[1] <= MOST_PIXELS or min(given[:4]) <= 0:
        raise LinkError(
            f"emulated camera: got the intrinsics {given!r}, expected width, height, fx, fy, cx, cy and at most "
            f"{MOST_PIXELS} pixels"
        )
    width, height, fx, fy, cx, cy = given
    return Intrinsics(int(width), int(height), float(fx), float(fy), float(cx), float(cy))
