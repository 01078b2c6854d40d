"""The emulated controller's sockets: calls (XML-RPC), text frames, both state streams. Loopback unless told else."""

from __future__ import annotations

import contextlib
import ctypes
import http.server
import select
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vnb_grasp.errors import VnbError
from vnb_hardware.arm import cnde, legacy, text_frame, xml_codec
from vnb_hardware.arm.cnde import Frame, Kind, Subscription

if TYPE_CHECKING:
    from vnb_hardware.emulators.arm.emulator import ArmEmulator

_NOWHERE = struct.pack("H14x", socket.AF_UNSPEC)
_SEND_TIMEOUT = 0.2
_COARSE = 2.0**-7
"""The oldest clients compare the checksum untruncated, so it must stay below 65536: coarse numbers have zero bytes."""


class Listener(socketserver.ThreadingTCPServer):
    """A server with a thread per connection that knows its emulator and can drop its clients."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, emulator: ArmEmulator, host: str, port: int, handler: type[socketserver.BaseRequestHandler]
    ) -> None:
        self.emulator = emulator
        self.clients: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((host, port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="emulated-arm", daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a client, unless connections are refused just now."""
        if self.emulator.faults.refuse:
            reset(request)
            return
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._guard:
            self.clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a client."""
        with self._guard:
            self.clients.discard(request)
        super().shutdown_request(request)

    def drop(self, how: Callable[[socket.socket], None]) -> None:
        """End all connections with FIN (:func:`finish`) or RST (:func:`reset`)."""
        with self._guard:
            clients = list(self.clients)
            self.clients.clear()
        for client in clients:
            how(client)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no errors."""

    def close(self) -> None:
        """Stop listening and end all connections."""
        self.shutdown()
        self.server_close()
        self.drop(finish)
        self._thread.join(2.0)


def finish(client: socket.socket) -> None:
    """Close a connection in good order (FIN)."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def reset(client: socket.socket) -> None:
    """End a connection by a reset (RST), at once.

    Closing with a linger time of zero resets too, but not while another thread waits for data. Linux resets a socket
    that is connected to no address family, whoever waits.
    """
    ctypes.CDLL(None).connect(client.fileno(), _NOWHERE, len(_NOWHERE))


class RpcHandler(http.server.BaseHTTPRequestHandler):
    """Answers calls."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Listener

    def do_POST(self) -> None:
        """Answer one call, or with the fault that is injected."""
        emulator = self.server.emulator
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= xml_codec.MAX_BODY:
            self.close_connection = True
            self.send_error(413)
            return
        body = self.rfile.read(length)
        emulator.wire.add("rpc", body)
        try:
            method, arguments = xml_codec.load_call(body)
        except VnbError:
            self.close_connection = True
            self.send_error(400)
            return
        emulator.closing.wait(emulator.faults.delay_of(method))
        reply = emulator.faults.replies.get(method) or emulator.faults.replies.get("")
        self._answer(reply if reply is not None else self._result(method, arguments))

    def _result(self, method: str, arguments: list[Any]) -> bytes:
        try:
            return xml_codec.dump_response(self.server.emulator.methods.call(method, arguments))
        except KeyError:
            return xml_codec.dump_fault(f"no method {method}")

    def _answer(self, reply: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the wire remembers."""


class TextHandler(socketserver.BaseRequestHandler):
    """Takes text frames and obeys the stop."""

    server: Listener

    def handle(self) -> None:
        """Take one frame and answer it."""
        emulator = self.server.emulator
        self.request.settimeout(1.0)
        data = self.request.recv(text_frame.MAX_FRAME)
        emulator.wire.add("text", data)
        if emulator.faults.text_silent:
            return
        frame = text_frame.decode(data)
        if frame.command == text_frame.STOP_COMMAND:
            emulator.model.stop()
        answer = text_frame.TextFrame(frame.count, frame.command, "1")
        self.request.sendall(text_frame.encode(answer))


class _Sender:
    """Sends one connection's states when they are due, with whatever is wrong just now."""

    def __init__(self, emulator: ArmEmulator, client: socket.socket, period: float) -> None:
        self._emulator, self._client, self._period = emulator, client, period
        client.settimeout(_SEND_TIMEOUT)

    def run(self, frame: Callable[[cnde.Values, int], bytes], running: Callable[[], bool]) -> None:
        """Send until the connection ends or ``running`` says no."""
        emulator, count, frozen = self._emulator, 0, b""
        due = time.monotonic()
        while running() and not emulator.closing.is_set():
            faults = emulator.faults
            if not faults.silent:
                if not (faults.stale and frozen):
                    frozen = frame(emulator.model.values(), count)
                    count += 1
                self._send(faults.garbage + frozen if faults.garbage else frozen, faults.chunk)
            due = max(due + self._period, time.monotonic() - self._period)
            emulator.closing.wait(max(due - time.monotonic(), 0.0))

    def _send(self, data: bytes, chunk: int) -> None:
        for start in range(0, len(data), chunk or len(data)):
            self._client.sendall(data[start : start + (chunk or len(data))])


class CndeHandler(socketserver.BaseRequestHandler):
    """Takes a subscription, then sends states until told to stop."""

    server: Listener

    def handle(self) -> None:
        """Obey configuration, start and stop."""
        self._subscription = Subscription()
        self._started = threading.Event()
        self._alive = True
        self._lock = threading.Lock()
        thread = threading.Thread(target=self._stream, daemon=True)
        thread.start()
        deframer = cnde.Deframer()
        try:
            while chunk := self.request.recv(4096) if self._readable() else b"-":
                for frame in deframer.feed(chunk) if chunk != b"-" else ():
                    self.server.emulator.wire.add("state", cnde.encode(frame))
                    self._obey(frame)
                if self.server.emulator.closing.is_set():
                    break
        except OSError:
            pass
        finally:
            self._alive = False
            self._started.set()
            thread.join(1.0)

    def _readable(self) -> bool:
        return bool(select.select([self.request], [], [], 0.2)[0])

    def _obey(self, frame: Frame) -> None:
        if frame.kind is Kind.OUTPUT_CONFIG:
            if self._started.is_set():
                return self._say(b"\x01running, stop first")
            try:
                self._subscription = Subscription.from_request(frame.data)
            except VnbError as error:
                return self._say(b"\x01NOT_FOUND " + str(error)[:200].encode("ascii", "replace"))
            return self._say(b"\0OK")
        if frame.kind is Kind.START:
            self._say(b"\0OK")
            self._started.set()
        elif frame.kind is Kind.STOP:
            self._started.clear()
            self._say(b"\0OK")
        return None

    def _say(self, text: bytes) -> None:
        with self._lock:
            self.request.sendall(cnde.encode(Frame(Kind.MESSAGE, text)))

    def _stream(self) -> None:
        while self._alive and not self.server.emulator.closing.is_set():
            if not self._started.wait(0.2):
                continue
            subscription = self._subscription
            sender = _Sender(self.server.emulator, self.request, subscription.period_ms / 1000)

            def frame(values: cnde.Values, count: int, subscription: Subscription = subscription) -> bytes:
                return cnde.encode(Frame(Kind.OUTPUT, subscription.pack(values), count))

            with contextlib.suppress(OSError):
                sender.run(frame, lambda: self._alive and self._started.is_set())
                continue
            return


class LegacyHandler(socketserver.BaseRequestHandler):
    """Sends states without being asked."""

    server: Listener
    period = 0.008

    def handle(self) -> None:
        """Send until the connection ends."""
        sender = _Sender(self.server.emulator, self.request, self.period)
        with contextlib.suppress(OSError):
            sender.run(_legacy_frame, lambda: True)


def _legacy_frame(values: cnde.Values, count: int) -> bytes:
    coarse = {
        name: tuple(round(v / _COARSE) * _COARSE if isinstance(v, float) else v for v in value)
        for name, value in values.items()
        if name != "target_joint_pos"
    }
    return legacy.encode(coarse, count)
