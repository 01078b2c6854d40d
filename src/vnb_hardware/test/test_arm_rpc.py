"""Calls: one attempt each, bounded in time and size, whatever the other side does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vnb_grasp.errors import DeviceFaultError, HardwareError, HoldError, LinkError, MotionError, SilenceError
from vnb_hardware.arm import codes, xml_codec
from vnb_hardware.arm.rpc import ControllerRpc


def http(body: bytes, head: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Controller:
    """Reads each call and does what it is told to."""

    def __init__(self, act: Callable[[socket.socket], None]) -> None:
        self._act = act
        self.calls: list[str] = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        data = b""
        with client, contextlib.suppress(OSError):
            while chunk := client.recv(65536):
                data += chunk
                if b"</methodCall>" in data:
                    self.calls.append(xml_codec.load_call(data.partition(b"\r\n\r\n")[2])[0])
                    data = b""
                    self._act(client)

    def close(self) -> None:
        self._server.close()


@contextmanager
def calling(act: Callable[[socket.socket], None], timeout: float = 1.0) -> Iterator[tuple[ControllerRpc, Controller]]:
    controller = Controller(act)
    rpc = ControllerRpc("127.0.0.1", controller.port, timeout)
    try:
        yield rpc, controller
    finally:
        rpc.close()
        controller.close()


def answering(value: object) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(http(xml_codec.dump_response(value)))


def test_one_connection_serves_many_calls() -> None:
    with calling(answering([0, 1.5, 2])) as (rpc, controller):
        rpc.open()
        assert rpc.query("GetActual", 2) == [1.5, 2]
        assert rpc.query("GetActual", -1) == [1.5, 2]
        assert controller.calls == ["GetActual"] * 2
        assert controller.connections == 1


def reset(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)


def half(client: socket.socket) -> None:
    client.sendall(http(xml_codec.dump_response(0))[:-20])
    client.shutdown(socket.SHUT_RDWR)


def drip(client: socket.socket) -> None:
    for byte in http(xml_codec.dump_response(0)):
        client.sendall(bytes([byte]))
        time.sleep(0.02)


def silent(client: socket.socket) -> None:
    """Say nothing."""


def endless(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        client.sendall(b"x" * 65536)


def endless_head(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(100000):
        client.sendall(f"X-{i}: {'y' * 100}\r\n".encode())


def claims_much(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200000)


def refuses(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")


def babbles(client: socket.socket) -> None:
    client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


BAD = [
    (reset, LinkError),
    (half, LinkError),
    (drip, SilenceError),
    (silent, SilenceError),
    (endless, LinkError),
    (endless_head, LinkError),
    (claims_much, LinkError),
    (refuses, LinkError),
    (babbles, LinkError),
]


@pytest.mark.parametrize(("act", "kind"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bad_answer_is_an_error_and_the_call_is_sent_once(act: Callable[[socket.socket], None], kind: type) -> None:
    with calling(act, timeout=0.3) as (rpc, controller):
        with pytest.raises(kind, match="MoveJ"):
            rpc.command("MoveJ", [0.0] * 6)
        time.sleep(0.05)
        assert controller.calls == ["MoveJ"]


def test_a_connection_that_was_closed_while_idle_is_replaced_before_anything_is_sent() -> None:
    def once(client: socket.socket) -> None:
        client.sendall(http(xml_codec.dump_response(0)))
        client.shutdown(socket.SHUT_RDWR)

    with calling(once) as (rpc, controller):
        for _ in range(3):
            rpc.command("Mode", 0)
            time.sleep(0.05)
        assert controller.calls == ["Mode"] * 3
        assert controller.connections == 3


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    def twice(client: socket.socket) -> None:
        client.sendall(http(xml_codec.dump_response(0)))
        client.sendall(http(xml_codec.dump_response(99)))

    with calling(twice) as (rpc, _):
        for _ in range(3):
            rpc.command("Mode", 0)
            time.sleep(0.05)


def test_a_closed_link_sends_nothing_until_it_is_opened_again() -> None:
    with calling(answering(0)) as (rpc, controller):
        rpc.command("Mode", 0)
        rpc.close()
        with pytest.raises(LinkError, match="was closed; nothing was sent"):
            rpc.command("MoveJ", [0.0] * 6)
        assert controller.calls == ["Mode"]
        rpc.open()
        rpc.command("Mode", 0)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    rpc = ControllerRpc("127.0.0.1", port, 0.3)
    with pytest.raises(LinkError, match="is the controller on"):
        rpc.open()
    with pytest.raises(LinkError, match="not repeated"):
        rpc.command("Mode", 0)


def test_a_number_that_is_not_finite_is_not_sent() -> None:
    with calling(answering(0)) as (rpc, controller):
        with pytest.raises(LinkError, match="finite"):
            rpc.command("MoveJ", [float("nan")] * 6)
        assert controller.calls == []


def test_return_codes_become_errors() -> None:
    for value, kind in ((codes.SAFETY_STOP, HoldError), (14, DeviceFaultError), (112, MotionError), (3, HardwareError)):
        with calling(answering(value)) as (rpc, _):
            with pytest.raises(kind, match=f"answered {value}"):
                rpc.command("MoveJ")
            with pytest.raises(kind, match=f"answered {value}"):
                rpc.query("GetActual", 6)
        with calling(answering([value, 0.0])) as (rpc, _), pytest.raises(kind, match=f"answered {value}"):
            rpc.query("GetActual", 1)


@pytest.mark.parametrize("value", ["0", [], ["x", 1], [0, 1], 1.5])
def test_answers_of_another_shape_are_refused(value: object) -> None:
    with calling(answering(value)) as (rpc, _), pytest.raises(LinkError, match="GetActual: got"):
        rpc.query("GetActual", 2)


def test_a_command_needs_a_code() -> None:
    with calling(answering([0])) as (rpc, _), pytest.raises(LinkError, match="expected a return code"):
        rpc.command("Mode", 0)


def test_an_orderly_refusal_keeps_the_connection() -> None:
    with calling(lambda client: client.sendall(http(xml_codec.dump_fault("no method")))) as (rpc, controller):
        for _ in range(2):
            with pytest.raises(DeviceFaultError, match="no method"):
                rpc.command("Jump")
        assert controller.connections == 1
