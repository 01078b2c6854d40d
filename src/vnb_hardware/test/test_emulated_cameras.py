"""Emulated cameras and their drivers: the same images, through every fault and back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from vnb_grasp.errors import ConfigError, LinkError, SilenceError
from vnb_hardware.cameras.emulated import EmulatorCamera, EmulatorRealSense
from vnb_hardware.cameras.interface import CAMERAS, Camera, CameraFrame, CameraSettings, FrameCheck, Intrinsics
from vnb_hardware.cameras.wire import MAGIC, MOST_PIXELS, Decoder, decode_frame, encode, encode_frame
from vnb_hardware.emulators.cameras.faults import NAMES, CameraFaults
from vnb_hardware.emulators.cameras.server import CameraServer, EmulatedCamera

WIDTH, HEIGHT = 64, 48
LENS = Intrinsics(WIDTH, HEIGHT, 60.0, 61.0, 31.5, 23.5)
DEPTH = (500 + np.arange(WIDTH * HEIGHT, dtype=np.uint16) % 97).reshape(HEIGHT, WIDTH)
COLOR = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)


def picture(stamp: float = 0.0) -> CameraFrame:
    return CameraFrame(stamp or time.time(), DEPTH, LENS, COLOR, LENS)


@pytest.fixture
def served() -> Iterator[tuple[EmulatedCamera, CameraServer]]:
    camera = EmulatedCamera("d435i", "emulated camera")
    camera.show(picture())
    with CameraServer([camera]) as server:
        yield camera, server


def settings(server: CameraServer, **given: Any) -> CameraSettings:
    size = {"width": WIDTH, "height": HEIGHT, "color_width": WIDTH, "color_height": HEIGHT}
    return CameraSettings(serial="d435i", address=server.address, **{**size, **given})


def read(driver: Camera, camera: EmulatedCamera) -> CameraFrame:
    """Show pictures until the driver has one of now."""
    began, due = time.time(), time.monotonic() + 20.0
    while time.monotonic() < due:
        camera.show(picture())
        try:
            frame = driver.read(0.2)
        except SilenceError:
            continue
        if frame.stamp >= began:
            return frame
    raise AssertionError("no image within 20 s")


def read_on(driver: Camera, camera: EmulatedCamera, check: FrameCheck) -> None:
    """Read until something is wrong; what was on its way before is still well."""
    for _ in range(50):
        camera.show(picture())
        check.require(driver.read(0.2), time.time())


def made(kind: str) -> Callable[[CameraSettings], Camera]:
    if kind == "emulated_realsense":
        pytest.importorskip("pyrealsense2", reason="an optional package: requirements/cameras.txt")
    return CAMERAS[kind]


KINDS = ("emulated", "emulated_realsense")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", [True, False])
def test_images_come_through(served: tuple[EmulatedCamera, CameraServer], kind: str, colour: bool) -> None:
    camera, server = served
    size = {} if colour else {"color_width": 0, "color_height": 0}
    driver = made(kind)(settings(server, **size))
    assert driver.open() == "emulated camera, serial number d435i"
    frame = read(driver, camera)
    assert_array_equal(frame.depth, DEPTH)
    assert frame.depth_intrinsics == LENS
    if colour:
        assert frame.color is not None and frame.color_intrinsics == LENS
        assert_array_equal(frame.color, COLOR)
    else:
        assert frame.color is None
    driver.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_noticed_and_gone_when_it_ends(served: tuple[EmulatedCamera, CameraServer], kind: str) -> None:
    camera, server = served
    given = settings(server)
    driver, check = made(kind)(given), FrameCheck(given, 2.0)
    faults: dict[str, type[Exception]] = {
        "stall": SilenceError,
        "unplug": LinkError,
        "wrong_size": LinkError,
        "stale": SilenceError,
        "garbage": LinkError,
    }
    assert set(faults) == set(NAMES)
    for name, kind_of_error in faults.items():
        driver.open()
        check.require(read(driver, camera), time.time())
        camera.faults.switch(name)
        with pytest.raises(kind_of_error):
            read_on(driver, camera, check)
        if name == "unplug":
            with pytest.raises(LinkError, match="found none"):
                driver.open()
        camera.faults.clear()
        driver.open()
        check.require(read(driver, camera), time.time())
    driver.close()


def test_what_is_not_there(served: tuple[EmulatedCamera, CameraServer]) -> None:
    _, server = served
    with pytest.raises(LinkError, match="found d435i, expected serial number astra"):
        EmulatorCamera(replace(settings(server), serial="astra")).open()
    with pytest.raises(LinkError, match=r"no depth of size \[640, 48\]; it has: \[64, 48\]"):
        EmulatorCamera(settings(server, width=640)).open()
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LinkError, match=r"is \./vnb emulate cameras running"):
        EmulatorCamera(CameraSettings(address=nobody)).open()
    with pytest.raises(ConfigError, match="HOST:PORT"):
        EmulatorCamera(CameraSettings(address="localhost"))
    with pytest.raises(LinkError, match="not open"):
        EmulatorCamera(settings(server)).read(0.1)


def test_the_only_camera_needs_no_serial_number(served: tuple[EmulatedCamera, CameraServer]) -> None:
    driver = EmulatorCamera(replace(settings(served[1]), serial=""))
    assert "d435i" in driver.open()
    driver.close()


def test_without_the_vendors_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyrealsense2", None)
    with pytest.raises(ConfigError, match=r"requirements/cameras\.txt"):
        EmulatorRealSense(CameraSettings())


def test_images_survive_the_wire_in_any_pieces() -> None:
    data, decoder = encode_frame(picture(12.5)) + encode({"a": 1}), Decoder()
    messages = []
    for start in range(0, len(data), 777):
        decoder.feed(data[start : start + 777])
        while (message := decoder.next()) is not None:
            messages.append(message)
    assert messages[1] == ({"a": 1}, b"")
    frame = decode_frame(*messages[0])
    assert frame.stamp == 12.5 and frame.depth_intrinsics == LENS
    assert_array_equal(frame.depth, DEPTH)


@given(st.binary(max_size=200), st.booleans())
def test_nothing_that_comes_does_more_than_be_refused(noise: bytes, begins_well: bool) -> None:
    decoder = Decoder()
    decoder.feed((MAGIC if begins_well else b"") + noise)
    try:
        while (message := decoder.next()) is not None:
            decode_frame(*message)
    except LinkError:
        return


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ({"stamp": "now", "depth": [1, 1, 1, 1, 0, 0]}, 2),
        ({"stamp": 1.0}, 0),
        ({"stamp": 1.0, "depth": [2, 1, 1, 1, 0, 0]}, 2),
        ({"stamp": 1.0, "depth": [-1, -1, 1, 1, 0, 0]}, 2),
        ({"stamp": 1.0, "depth": [MOST_PIXELS, 2, 1, 1, 0, 0]}, 2),
        ({"stamp": 1.0, "depth": [1, 1, 1, 1, 0, 0], "color": [1, 1]}, 5),
    ],
)
def test_images_that_are_none(head: dict[str, Any], size: int) -> None:
    with pytest.raises(LinkError):
        decode_frame(head, bytes(size))


def test_what_images_must_be() -> None:
    check = FrameCheck(CameraSettings(width=WIDTH, height=HEIGHT, color_width=WIDTH, color_height=HEIGHT), 1.0)
    check.require(picture(100.0), 100.5)
    with pytest.raises(SilenceError, match=r"1\.50 s old"):
        check.require(picture(100.0), 101.5)
    with pytest.raises(SilenceError, match="in the future"):
        check.require(picture(100.0), 98.0)
    with pytest.raises(LinkError, match=r"colour image: got shape None, expected \(48, 64, 3\)"):
        check.require(replace(picture(100.0), color=None), 100.0)
    with pytest.raises(LinkError, match="depth image"):
        check.require(replace(picture(100.0), depth=DEPTH[:10]), 100.0)


def test_unknown_faults() -> None:
    with pytest.raises(ConfigError, match="stall"):
        CameraFaults().switch("rust")
