"""State streams: what they hand on, and what they take for a loss."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.errors import LinkError, SilenceError, VnbError
from vnb_hardware.arm import cnde
from vnb_hardware.arm.cnde import Frame, Kind
from vnb_hardware.arm.state import ArmState
from vnb_hardware.arm.stream import PORTS, STREAMS, StateStream
from vnb_hardware.emulators.arm import ArmEmulator
from vnb_hardware.emulators.arm.testing import until

KINDS = list(STREAMS)


class Reader:
    """A stream with what it said."""

    def __init__(self, kind: str, port: int, **settings: Any) -> None:
        self.states: list[ArmState] = []
        self.losses: list[VnbError] = []
        self.stream: StateStream = STREAMS[kind]("127.0.0.1", port, self.states.append, self.losses.append, **settings)


@contextmanager
def reading(kind: str, stale_after: float = 0.5) -> Iterator[tuple[Reader, ArmEmulator]]:
    with ArmEmulator(ports=(0, 0, 0, 0)) as arm:
        reader = Reader(kind, arm.ports[1 if kind == "cnde" else 2], stale_after=stale_after)
        reader.stream.open()
        try:
            yield reader, arm
        finally:
            reader.stream.close()


def test_each_kind_has_its_port() -> None:
    assert {kind: PORTS[kind] for kind in KINDS} == {"cnde": 20005, "legacy": 20004}


@pytest.mark.parametrize("kind", KINDS)
def test_states_arrive_in_order_and_none_is_missed(kind: str) -> None:
    with reading(kind) as (reader, arm):
        until(lambda: len(reader.states) > 50)
        counts = np.array([state.count for state in reader.states[:50]])
        assert_allclose(np.diff(counts) % 256, 1)
        assert_allclose(reader.states[-1].position, arm.model.position, atol=2e-4)
        counters = reader.stream.counters
        assert (counters.missed, counters.rejected, counters.rejected_bytes) == (0, 0, 0)
    assert reader.losses == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["fin", "rst", "silence", "stale", "garbage"])
def test_a_loss_is_said_once(kind: str, fault: str) -> None:
    with reading(kind) as (reader, arm):
        arm.inject(fault)
        until(lambda: reader.losses)
        arm.clear()
        heard = len(reader.states)
        time.sleep(0.15)
        assert len(reader.losses) == 1
        assert len(reader.states) == heard, "nothing is opened again behind the driver's back"
        assert isinstance(reader.losses[0], SilenceError if fault in ("silence", "stale") else LinkError)


@pytest.mark.parametrize("kind", KINDS)
def test_closing_is_no_loss(kind: str) -> None:
    with reading(kind) as (reader, arm):
        reader.stream.close()
        if kind == "cnde":
            until(lambda: any(s.channel == "state" and s.data[3] == Kind.STOP for s in arm.wire.since()))
    assert reader.losses == []


@pytest.mark.parametrize("kind", KINDS)
def test_opening_fails_with_its_reason(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SilenceError, match=r"0\.2 s"):
            Reader(kind, port, timeout=0.2).stream.open()
    with pytest.raises(LinkError, match="is the controller on"):
        Reader(kind, port, timeout=0.2).stream.open()


def serve_once(answer: bytes) -> int:
    """Answer the first bytes of one client, and return the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            client, _ = server.accept()
        with client:
            client.recv(4096)
            client.sendall(answer)
            client.recv(4096)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (cnde.encode(Frame(Kind.MESSAGE, b"\x01NOT_FOUND rocket")), "refused: 'NOT_FOUND rocket'"),
        (b"x" * 8192, "no answer to the subscription"),
    ],
)
def test_a_refused_subscription(answer: bytes, text: str) -> None:
    with pytest.raises(LinkError, match=text):
        Reader("cnde", serve_once(answer), timeout=1.0).stream.open()


def test_the_wrong_kind_of_stream_is_noticed() -> None:
    with ArmEmulator(ports=(0, 0, 0, 0)) as arm:
        with pytest.raises(SilenceError):
            Reader("legacy", arm.ports[1], timeout=0.3).stream.open()
        with pytest.raises(LinkError):
            Reader("cnde", arm.ports[2], timeout=0.5).stream.open()


def test_frames_that_are_no_measurements_are_counted_and_then_a_loss() -> None:
    with reading("cnde") as (reader, arm):
        arm.model.plant = lambda reference, dt: reference + 1e4
        until(lambda: reader.losses)
        assert isinstance(reader.losses[0], SilenceError)
        assert reader.stream.counters.rejected > 0
        assert all(np.abs(state.position).max() < 10 for state in reader.states)
