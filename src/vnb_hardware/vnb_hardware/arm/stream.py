"""The state streams as background readers: they say what arrives, and once, when nothing may be believed any more.

A lost stream is never opened again behind the driver's back. What counts as lost: a closed connection (FIN) as much as
a reset one (RST), silence, frames that repeat (count and controller clock stand still), and bytes that are no frames.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vnb_grasp.errors import LinkError, SilenceError, VnbError
from vnb_grasp.registry import Registry
from vnb_hardware.arm import cnde, legacy
from vnb_hardware.arm.cnde import Frame, Kind, Subscription, Values
from vnb_hardware.arm.state import ArmState, state_from_values

OnState = Callable[[ArmState], None]
OnLoss = Callable[[VnbError], None]

_CHUNK = 16384


@dataclass
class StreamCounters:
    """What the stream has seen.

    Attributes:
        frames: States that were handed on.
        missed: States that the counter says never came.
        rejected: Frames that were no states.
        rejected_bytes: Bytes that were in no frame.
        longest_gap: Longest time between two new states [s].
    """

    frames: int = 0
    missed: int = 0
    rejected: int = 0
    rejected_bytes: int = 0
    longest_gap: float = 0.0


class StateStream(ABC):
    """Reads states in a thread.

    Args:
        host: Name or address of the controller.
        port: Of its state server.
        on_state: Called with each new state, in the reader's thread; must return soon.
        on_loss: Called once, in the reader's thread, when the stream is lost; never after :meth:`close`.
        stale_after: Longest time without a new state [s].
        timeout: For connecting and for the first state [s].
        period_ms: Time between two states, where it can be asked for [ms].
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_state: OnState,
        on_loss: OnLoss,
        stale_after: float = 0.1,
        timeout: float = 3.0,
        period_ms: int = 8,
    ) -> None:
        self.host, self.port = host, port
        self.stale_after, self.timeout, self.period_ms = stale_after, timeout, period_ms
        self.counters = StreamCounters()
        self._on_state, self._on_loss = on_state, on_loss
        self._closing = threading.Event()
        self._first = threading.Event()
        self._lost: VnbError | None = None
        self._last: ArmState | None = None
        self._news = 0.0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Connect, agree on the content and wait for the first state.

        Raises:
            LinkError: If the connection cannot be made or carries nonsense.
            SilenceError: If no state comes.
        """
        where = f"state stream {self.host}:{self.port}"
        try:
            self._socket = socket.create_connection((self.host, self.port), self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._agree(time.monotonic() + self.timeout)
        except TimeoutError as error:
            self.close()
            raise SilenceError(f"{where}: no answer within {self.timeout} s") from error
        except OSError as error:
            self.close()
            raise LinkError(f"{where}: {error}; is the controller on and its address right?") from error
        except VnbError:
            self.close()
            raise
        self._news = time.monotonic()
        self._thread = threading.Thread(target=self._read, name="arm-state", daemon=True)
        self._thread.start()
        came, lost = self._first.wait(self.timeout), self._lost
        if lost is not None or not came:
            self.close()
            raise lost or SilenceError(f"{where}: no state within {self.timeout} s")

    def close(self) -> None:
        """End the reader and the connection; says goodbye where the protocol has a word for it."""
        self._closing.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._say_goodbye()
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self.timeout)
        if self._socket is not None:
            self._socket.close()

    @abstractmethod
    def _agree(self, deadline: float) -> None:
        """Shake hands; may raise OSError."""

    @abstractmethod
    def _take(self, chunk: bytes) -> Sequence[tuple[int, Values]]:
        """Return counts and fields of the states that ``chunk`` completes."""

    @abstractmethod
    def _rejected(self) -> int:
        """Return the bytes so far that were in no frame."""

    def _say_goodbye(self) -> None:  # noqa: B027 - a protocol without a goodbye says nothing
        """Tell the controller that the driver leaves."""

    def _read(self) -> None:
        try:
            while not self._closing.is_set():
                for count, values in self._take(self._receive()):
                    self._accept(count, values)
                self._require_sense()
        except VnbError as error:
            self._lose(error)
        except OSError as error:
            self._lose(LinkError(f"state stream {self.host}:{self.port} broke: {error}; connect again"))
        except Exception as error:
            self._lose(LinkError(f"state stream {self.host}:{self.port}: {error!r}; nobody reads it any more"))
            raise

    @property
    def _patience(self) -> float:
        return self.stale_after if self.counters.frames else self.timeout

    def _receive(self) -> bytes:
        assert self._socket is not None
        left = self._news + self._patience - time.monotonic()
        # Even when the deadline has passed, what has arrived meanwhile is read first: this thread may be what was late.
        if not select.select([self._socket], [], [], max(left, 0.0))[0]:
            raise SilenceError(
                f"state stream {self.host}:{self.port}: no new state for {self._patience} s; connect again"
            )
        chunk = self._socket.recv(_CHUNK)
        if not chunk:
            raise LinkError(f"state stream {self.host}:{self.port} was closed by the controller; connect again")
        return chunk

    def _accept(self, count: int, values: Values) -> None:
        now = time.monotonic()
        try:
            state = state_from_values(values, count, now)
        except VnbError:
            self.counters.rejected += 1
            self._require_fresh(now)
            return
        last, self._last = self._last, state
        if last is not None and last.count == count and last.clock == state.clock:
            self._require_fresh(now)
            return
        if last is not None:
            self.counters.missed += (count - last.count - 1) % 256
            self.counters.longest_gap = max(self.counters.longest_gap, now - self._news)
        self._news = now
        self.counters.frames += 1
        self._on_state(state)
        self._first.set()

    def _require_fresh(self, now: float) -> None:
        if now - self._news > self._patience:
            raise SilenceError(
                f"state stream {self.host}:{self.port}: frames arrive, but none is new or makes sense for "
                f"{self._patience} s; connect again"
            )

    def _require_sense(self) -> None:
        self.counters.rejected_bytes = self._rejected()
        if self.counters.rejected_bytes > cnde.MAX_FRAME:  # TCP loses nothing, so the other side speaks otherwise
            raise LinkError(
                f"state stream {self.host}:{self.port}: {self.counters.rejected_bytes} bytes are no frames; is it the "
                "kind of stream that fits the controller's version?"
            )
        self._require_fresh(time.monotonic())

    def _lose(self, error: VnbError) -> None:
        self._lost = error
        self._first.set()
        if not self._closing.is_set():
            self._on_loss(error)


class CndeStream(StateStream):
    """Subscribes by name on port 20005."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        self._subscription = Subscription(period_ms=self.period_ms)
        self._deframer = cnde.Deframer()

    def _agree(self, deadline: float) -> None:
        assert self._socket is not None
        self._socket.sendall(cnde.encode(Frame(Kind.OUTPUT_CONFIG, self._subscription.request())))
        self._await_message(deadline)
        self._socket.sendall(cnde.encode(Frame(Kind.START, b"", 1)))

    def _await_message(self, deadline: float) -> None:
        assert self._socket is not None
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise LinkError(f"state stream {self.host}:{self.port} was closed while it was set up")
            for frame in self._deframer.feed(chunk):
                if frame.kind is Kind.MESSAGE:
                    _require_yes(frame)
                    self._socket.settimeout(None)
                    return
            if self._deframer.rejected > cnde.MAX_FRAME or time.monotonic() > deadline:
                raise LinkError(f"state stream {self.host}:{self.port}: no answer to the subscription")

    def _take(self, chunk: bytes) -> Sequence[tuple[int, Values]]:
        states = []
        for frame in self._deframer.feed(chunk):
            if frame.kind is Kind.MESSAGE:
                _require_yes(frame)
            elif frame.kind is Kind.OUTPUT and len(frame.data) == self._subscription.size:
                states.append((frame.count, self._subscription.unpack(frame.data)))
            else:
                self.counters.rejected += 1
        return states

    def _rejected(self) -> int:
        return self._deframer.rejected

    def _say_goodbye(self) -> None:
        if self._socket is not None:
            self._socket.settimeout(0.05)
            self._socket.sendall(cnde.encode(Frame(Kind.STOP)))


class LegacyStream(StateStream):
    """Listens to port 20004 of older controllers, which send without being asked."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        self._deframer = legacy.Deframer()

    def _agree(self, deadline: float) -> None:
        pass

    def _take(self, chunk: bytes) -> Sequence[tuple[int, Values]]:
        return self._deframer.feed(chunk)

    def _rejected(self) -> int:
        return self._deframer.rejected


STREAMS: Registry[type[StateStream]] = Registry("state stream")
STREAMS.add("cnde", CndeStream)
STREAMS.add("legacy", LegacyStream)

PORTS = {"cnde": 20005, "legacy": 20004}


def _require_yes(frame: Frame) -> None:
    if frame.data[:1] != b"\0":
        raise LinkError(f"state stream: the controller refused: {frame.data[1:200].decode('utf-8', 'replace')!r}")
