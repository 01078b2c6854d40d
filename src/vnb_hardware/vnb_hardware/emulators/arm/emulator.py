"""An FR3 controller on loopback: calls, text frames, both state streams, kinematics and faults."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from vnb_grasp.errors import LinkError
from vnb_hardware.arm import rpc
from vnb_hardware.arm.controller import TEXT_PORT
from vnb_hardware.arm.stream import PORTS as STREAM_PORTS
from vnb_hardware.arm.units import Array
from vnb_hardware.emulators.arm.faults import FAULTS, FaultBoard, clear
from vnb_hardware.emulators.arm.methods import Methods
from vnb_hardware.emulators.arm.model import ArmModel, Plant
from vnb_hardware.emulators.arm.servers import CndeHandler, LegacyHandler, Listener, RpcHandler, TextHandler
from vnb_hardware.emulators.arm.wire import Wire

PORTS = (rpc.PORT, STREAM_PORTS["cnde"], STREAM_PORTS["legacy"], TEXT_PORT)
"""Of calls, CNDE stream, legacy stream and text frames, as on a controller."""

STEP = 0.004
_LONGEST_STEP = 0.05


class ArmEmulator:
    """Serves an emulated arm from construction until :meth:`close`; also a context manager.

    Args:
        host: Address to listen on; loopback, unless the network is to see it.
        ports: As :data:`PORTS`; 0 = any free one.
        start: Joint angles (6,) [rad]; home if None.
        compensation: DH compensation of this unit [mm].
        plant: What the reference moves: ``measured = plant(reference, dt)``, called every few milliseconds in the
            emulator's thread. The arm follows exactly if None.

    Raises:
        LinkError: If a port cannot be had.

    Attributes:
        model: The arm.
        faults: What is wrong just now.
        wire: What clients sent.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        ports: Sequence[int] = PORTS,
        start: Array | None = None,
        compensation: tuple[float, ...] = (0.0,) * 6,
        plant: Plant | None = None,
    ) -> None:
        self.host = host
        self.model = ArmModel(start, compensation, plant=plant)
        self.methods = Methods(self.model, host)
        self.faults = FaultBoard()
        self.wire = Wire()
        self.closing = threading.Event()
        self._listeners: list[Listener] = []
        try:
            for port, handler in zip(ports, (RpcHandler, CndeHandler, LegacyHandler, TextHandler), strict=True):
                self._listeners.append(Listener(self, host, port, handler))
        except OSError as error:
            self.close()
            raise LinkError(f"emulated arm: {host}:{port}: {error}; choose other ports") from error
        self._clock = threading.Thread(target=self._run, name="emulated-arm-clock", daemon=True)
        self._clock.start()

    @property
    def ports(self) -> tuple[int, int, int, int]:
        """The ports of calls, CNDE stream, legacy stream and text frames."""
        rpc_port, cnde_port, legacy_port, text_port = (listener.server_address[1] for listener in self._listeners)
        return rpc_port, cnde_port, legacy_port, text_port

    def inject(self, name: str) -> None:
        """Inject a fault of :data:`FAULTS`; raises UnknownNameError."""
        FAULTS[name](self)

    def clear(self) -> None:
        """Mend what faults broke."""
        clear(self)

    def drop(self, how: Callable[[socket.socket], None], state_only: bool = False) -> None:
        """End connections, those of the state streams or all."""
        for listener in self._listeners[1:3] if state_only else self._listeners:
            listener.drop(how)

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        for listener in self._listeners:
            listener.close()
        if hasattr(self, "_clock"):
            self._clock.join(2.0)

    def __enter__(self) -> ArmEmulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        last = time.monotonic()
        while not self.closing.wait(STEP):
            now = time.monotonic()
            if now > last:
                self.model.step(min(now - last, _LONGEST_STEP))
            last = now
