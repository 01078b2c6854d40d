"""Serves the images of emulated cameras to their drivers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from vnb_grasp.errors import LinkError
from vnb_hardware.cameras.interface import CameraFrame, Intrinsics
from vnb_hardware.cameras.wire import Decoder, encode, encode_frame
from vnb_hardware.emulators.cameras.faults import CameraFaults

_POLL = 0.1
_SEND_TIMEOUT = 5.0
_MOST_CLIENTS = 16
_QUESTION = 4096


class EmulatedCamera:
    """A camera that has what it was last shown.

    Args:
        serial: Its serial number: what drivers ask for.
        name: What it says about itself.

    Attributes:
        faults: Whatever is wrong with it.
    """

    def __init__(self, serial: str, name: str) -> None:
        self.serial, self.name = serial, name
        self.faults = CameraFaults()
        self._changed = threading.Condition()
        self._frame: CameraFrame | None = None
        self._number = 0

    def show(self, frame: CameraFrame) -> None:
        """Take the next images; those that nobody has fetched are forgotten."""
        with self._changed:
            self._frame, self._number = frame, self._number + 1
            self._changed.notify_all()

    def after(self, number: int, timeout: float) -> tuple[int, CameraFrame | None]:
        """Return the newest images and their number, None if there are none newer than ``number``."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number, timeout)
            return self._number, self._frame if self._number > number else None


class CameraServer:
    """Emulated cameras on one port of this machine, until closed; a context manager.

    A camera is found once it has been shown an image. It has one mode: the size of that image.

    Args:
        cameras: By serial number they must differ.
        port: 0 takes any that is free.
        host: Where to listen; loopback by default.
    """

    def __init__(self, cameras: Sequence[EmulatedCamera], port: int = 0, host: str = "127.0.0.1") -> None:
        self.cameras = {camera.serial: camera for camera in cameras}
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(_POLL)
        self._ending = threading.Event()
        self._clients: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, name="emulated-cameras", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """HOST:PORT for the drivers' settings."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop serving; connections are closed."""
        self._ending.set()
        self._thread.join()
        for client in self._clients:
            client.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                link, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._clients = [client for client in self._clients if client.is_alive()]
            if len(self._clients) >= _MOST_CLIENTS:
                link.close()
                continue
            client = threading.Thread(target=self._serve, args=(link,), name="emulated-camera", daemon=True)
            self._clients.append(client)
            client.start()

    def _serve(self, link: socket.socket) -> None:
        with link:
            link.settimeout(_SEND_TIMEOUT)
            try:
                camera, color = self._answer(link)
                if camera is not None:
                    self._send(link, camera, color)
            except (OSError, LinkError):  # the driver has gone, or is none
                return

    def _answer(self, link: socket.socket) -> tuple[EmulatedCamera | None, bool]:
        """Return the camera that a driver asks for and whether it wants colour; None if it was refused."""
        decoder = Decoder()
        while (message := decoder.next()) is None:
            data = link.recv(_QUESTION)
            if not data:
                return None, False
            decoder.feed(data)
        asked = message[0]
        try:
            camera = self._find(str(asked.get("serial", "")))
            color = _require_mode(camera, asked)
        except LinkError as error:
            link.sendall(encode({"error": str(error)}))
            return None, False
        link.sendall(encode({"name": f"{camera.name}, serial number {camera.serial}"}))
        return camera, color

    def _find(self, serial: str) -> EmulatedCamera:
        found = {s: c for s, c in self.cameras.items() if not c.faults.unplug and c.after(0, 0.0)[1] is not None}
        if serial in found:
            return found[serial]
        if not serial and len(found) == 1:
            return next(iter(found.values()))
        expected = f"serial number {serial}" if serial else "exactly one, or a serial number in the settings"
        raise LinkError(f"found {', '.join(found) or 'none'}, expected {expected}")

    def _send(self, link: socket.socket, camera: EmulatedCamera, color: bool) -> None:
        number, faults = 0, camera.faults
        while not self._ending.is_set() and not faults.unplug:
            number, frame = camera.after(number, _POLL)
            if frame is None or faults.stall:
                continue
            if faults.garbage:
                link.sendall(bytes(range(256)))
                continue
            if not color:
                frame = replace(frame, color=None, color_intrinsics=None)
            if faults.wrong_size:
                frame = _halved(frame)
            link.sendall(encode_frame(replace(frame, stamp=frame.stamp - faults.stale)))

    def __enter__(self) -> CameraServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _require_mode(camera: EmulatedCamera, asked: dict[str, Any]) -> bool:
    """Return whether colour is wanted; raises :class:`LinkError` if the camera has no such images."""
    frame = camera.after(0, 0.0)[1]
    color_wanted = asked.get("color", [0, 0]) != [0, 0]
    for what, lens, given in (
        ("depth", frame.depth_intrinsics if frame else None, asked.get("depth")),
        ("color", frame.color_intrinsics if frame else None, asked.get("color") if color_wanted else None),
    ):
        has = [lens.width, lens.height] if lens else None
        if given is not None and given != has:
            raise LinkError(f"{camera.serial} has no {what} of size {given}; it has: {has or 'none'}")
    return color_wanted


def _halved(frame: CameraFrame) -> CameraFrame:
    lens = frame.depth_intrinsics
    half = Intrinsics((lens.width + 1) // 2, (lens.height + 1) // 2, lens.fx / 2, lens.fy / 2, lens.cx / 2, lens.cy / 2)
    return replace(frame, depth=frame.depth[::2, ::2], depth_intrinsics=half)
