"""The controller's text frames (port 8080), of which the driver uses the stop: a second way to it. Codec and one call.

A frame is ``/f/bIII<count>III<command>III<length>III<content>III/b/f``.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from vnb_grasp.errors import LinkError

STOP_COMMAND = 102
MAX_FRAME = 1024

_DONE = "1"

_PATTERN = re.compile(rb"/f/bIII(\d{1,5})III(\d{1,4})III(\d{1,4})III(.{0,900}?)III/b/f", re.DOTALL)


@dataclass(frozen=True)
class TextFrame:
    """One frame: running number, command and its text."""

    count: int
    command: int
    content: str


def encode(frame: TextFrame) -> bytes:
    """Return the bytes of a frame."""
    content = frame.content
    return f"/f/bIII{frame.count & 0xFFFF}III{frame.command}III{len(content)}III{content}III/b/f".encode()


def decode(data: bytes) -> TextFrame:
    """Return the first frame in ``data``; raises :class:`LinkError` if there is none or its length is wrong."""
    match = _PATTERN.search(data[:MAX_FRAME])
    if match is None:
        raise LinkError(f"text frame: got {data[:80]!r}, expected /f/bIII...III/b/f")
    count, command, length = (int(match[i]) for i in (1, 2, 3))
    if length != len(match[4]):
        raise LinkError(f"text frame: got {len(match[4])} bytes of content, its own length says {length}")
    try:
        return TextFrame(count, command, match[4].decode("ascii"))
    except UnicodeDecodeError as error:
        raise LinkError(f"text frame: got {match[4][:80]!r}, expected ASCII") from error


def send_stop(host: str, port: int, timeout: float) -> None:
    """Send the stop and wait for its confirmation: bytes that were sent are not bytes that arrived.

    Args:
        host: Name or address of the controller.
        port: Of its text frames.
        timeout: For connecting and for each part of the answer [s].

    Raises:
        LinkError: If it cannot be sent or is not confirmed.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(encode(TextFrame(1, STOP_COMMAND, "Stop")))
            answer = decode(connection.recv(MAX_FRAME))
    except (OSError, LinkError) as error:
        raise LinkError(f"stop to {host}:{port}: {error}; use the emergency stop button") from error
    if (answer.command, answer.content) != (STOP_COMMAND, _DONE):
        raise LinkError(f"stop to {host}:{port}: got {answer}, expected a confirmation; use the button")
