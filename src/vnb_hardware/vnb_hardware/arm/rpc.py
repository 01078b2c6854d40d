"""XML-RPC calls to the controller: one attempt, bounded in time and size, and never a second one behind one's back.

The standard library's client repeats a call whose connection was closed under it, and so would run a motion twice. This
one sends each call once. A connection that the controller closed while it was idle is replaced before anything is sent.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import threading
import time
from typing import Any

from vnb_grasp.errors import DeviceFaultError, LinkError, SilenceError
from vnb_hardware.arm import codes, xml_codec

PORT = 20003
PATH = "/RPC2"

_MAX_HEADERS = 16384


class _BoundedReader(io.RawIOBase):
    """Reads a socket until a deadline and a number of bytes, whatever the pace at which they come."""

    def __init__(self, connection: socket.socket, deadline: float, limit: int) -> None:
        self._connection, self._deadline, self._left = connection, deadline, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        if self._left <= 0:
            raise LinkError(f"answer of the controller: more than {xml_codec.MAX_BODY} bytes; the link is closed")
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: min(len(buffer), self._left)])
        self._left -= count
        return count


class _ReplySocket:
    """What :class:`http.client.HTTPResponse` needs of a socket."""

    def __init__(self, reader: _BoundedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, 4096)


class ControllerRpc:
    """Calls methods of the controller, one at a time, over a connection that is kept open.

    Args:
        host: Name or address of the controller.
        port: Of its XML-RPC server.
        timeout: For a whole call, connecting included [s].
    """

    def __init__(self, host: str, port: int = PORT, timeout: float = 0.5) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._closed = False

    def command(self, method: str, *arguments: Any) -> None:
        """Call a method that answers with a code; raises the error of a code that is not 0, or as :meth:`call`."""
        code = self.call(method, *arguments)
        if not isinstance(code, int):
            raise LinkError(f"{method}: got {code!r}, expected a return code")
        if code != codes.OK:
            raise codes.error_of(method, code)

    def query(self, method: str, count: int, *arguments: Any) -> list[Any]:
        """Call a method that answers with a code and ``count`` values (-1: any number), and return these."""
        answer = self.call(method, *arguments)
        if isinstance(answer, int) and not isinstance(answer, bool) and answer != codes.OK:
            raise codes.error_of(method, answer)
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], int):
            raise LinkError(f"{method}: got {answer!r}, expected a code and values")
        if answer[0] != codes.OK:
            raise codes.error_of(method, answer[0])
        if count >= 0 and len(answer) != count + 1:
            raise LinkError(f"{method}: got {len(answer) - 1} values, expected {count}")
        return answer[1:]

    def call(self, method: str, *arguments: Any) -> Any:
        """Send one call, once, and return the answer's value.

        Args:
            method: Its name on the wire.
            *arguments: In the order of the wire.

        Raises:
            SilenceError: If the answer did not come in time. The controller may have carried the call out.
            LinkError: If the connection cannot be made, breaks, or carries nonsense. The same holds.
                After :meth:`close`, too: then nothing is sent.
            DeviceFaultError: If the controller refused the call.
        """
        body = xml_codec.dump_call(method, arguments)
        with self._lock:
            if self._closed:
                raise LinkError(f"{method}: the link to {self.host}:{self.port} was closed; nothing was sent")
            deadline = time.monotonic() + self.timeout
            try:
                return self._exchange(method, body, deadline)
            except TimeoutError as error:
                self._close()
                raise SilenceError(
                    f"{method}: no answer of {self.host}:{self.port} in time; it may have been carried out, so it is "
                    "not repeated: look at the state before the next command"
                ) from error
            except DeviceFaultError:
                raise  # an orderly answer, the connection is sound
            except (OSError, http.client.HTTPException, LinkError) as error:
                self._close()
                raise LinkError(
                    f"{method}: link to {self.host}:{self.port}: {type(error).__name__}: {error}; not repeated"
                ) from error

    def open(self) -> None:
        """Connect now, so that a later call does not have to; raises :class:`LinkError` or :class:`SilenceError`."""
        with self._lock:
            self._closed = False
            try:
                self._connected(time.monotonic() + self.timeout)
            except TimeoutError as error:
                raise SilenceError(
                    f"{self.host}:{self.port} does not take a connection within {self.timeout} s"
                ) from error
            except OSError as error:
                raise LinkError(
                    f"{self.host}:{self.port}: {error}; is the controller on and its address right?"
                ) from error

    def close(self) -> None:
        """Close the connection; calls are refused until it is opened again."""
        with self._lock:
            self._closed = True
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, body: bytes, deadline: float) -> Any:
        connection = self._connected(deadline)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: text/xml\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.settimeout(max(deadline - time.monotonic(), 1e-3))
        connection.sendall(head.encode() + body)
        reader = _BoundedReader(connection, deadline, xml_codec.MAX_BODY + _MAX_HEADERS)
        reply = http.client.HTTPResponse(_ReplySocket(reader), method="POST")  # type: ignore[arg-type]
        reply.begin()
        if reply.status != http.client.OK:
            raise LinkError(f"got HTTP status {reply.status}, expected 200")
        data = reply.read(xml_codec.MAX_BODY + 1)
        if reply.will_close or reply.length:
            self._close()
        return xml_codec.load_response(data)

    def _connected(self, deadline: float) -> socket.socket:
        if self._connection is not None and select.select([self._connection], [], [], 0)[0]:
            self._close()  # closed by the other side, or an answer that nobody asked for: nothing was sent yet
        if self._connection is None:
            left = max(deadline - time.monotonic(), 1e-3)
            self._connection = socket.create_connection((self.host, self.port), left)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection
