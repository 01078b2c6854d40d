"""Text frames, and the stop that must be confirmed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnb_grasp.errors import LinkError
from vnb_hardware.arm.text_frame import TextFrame, decode, encode, send_stop

STOP = b"/f/bIII1III102III4IIIStopIII/b/f"


def test_documented_bytes() -> None:
    assert encode(TextFrame(1, 102, "Stop")) == STOP
    assert decode(STOP) == TextFrame(1, 102, "Stop")


@given(st.integers(0, 65535), st.integers(0, 9999), st.text("ABCxyz()0123456789,.- ", max_size=200))
def test_frames_round_trip(count: int, command: int, content: str) -> None:
    frame = TextFrame(count, command, content)
    assert decode(b"noise" + encode(frame) + b"more") == frame


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"/f/b",
        STOP[:-1],
        b"/f/bIII1III102III5IIIStopIII/b/f",
        b"/f/bIIIxIII102III4IIIStopIII/b/f",
        STOP.replace(b"Stop", b"St\xffp"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(LinkError, match="text frame"):
        decode(data)


@given(st.binary(max_size=2000))
def test_whatever_comes_is_a_frame_or_an_error_of_the_link(data: bytes) -> None:
    with contextlib.suppress(LinkError):
        assert encode(decode(data)) in data


@contextmanager
def controller(answer: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """One that answers its first frame with ``answer``; None closes without one."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                heard.append(client.recv(1024))
                if answer is not None:
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(5.0)


def test_a_confirmed_stop() -> None:
    with controller(b"/f/bIII1III102III1III1III/b/f") as (port, heard):
        send_stop("127.0.0.1", port, 2.0)
    assert heard == [STOP]


@pytest.mark.parametrize("answer", [None, b"?", b"/f/bIII1III102III1III0III/b/f", b"/f/bIII1III103III1III1III/b/f"])
def test_a_stop_that_is_not_confirmed_is_an_error(answer: bytes | None) -> None:
    with controller(answer) as (port, _), pytest.raises(LinkError, match="button"):
        send_stop("127.0.0.1", port, 2.0)


def test_a_stop_without_an_answer_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(LinkError, match="timed out"):
        send_stop("127.0.0.1", server.getsockname()[1], 0.1)
