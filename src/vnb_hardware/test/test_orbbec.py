"""The Orbbec driver on a stand-in for the vendor's package, which has no device without a device."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from vnb_grasp.errors import ConfigError, LinkError, SilenceError
from vnb_hardware.cameras.interface import CameraSettings, Intrinsics
from vnb_hardware.cameras.orbbec import OrbbecCamera

SETTINGS = CameraSettings(width=4, height=3, color_width=4, color_height=3)
DEPTH = np.arange(12, dtype=np.uint16).reshape(3, 4)
COLOR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


class OBError(Exception):
    """The vendor's exception."""


def image(pixels: np.ndarray, scale: float = 1.0) -> Any:
    return SimpleNamespace(
        get_data=lambda: pixels.ravel().view(np.uint8),
        get_height=lambda: pixels.shape[0],
        get_width=lambda: pixels.shape[1],
        get_depth_scale=lambda: scale,
        get_timestamp_us=lambda: 5_000_000,
    )


class Vendor(ModuleType):
    """What the driver uses of the package; the attributes say what is plugged in and what it sends."""

    def __init__(self) -> None:
        super().__init__("pyorbbecsdk")
        self.serials, self.scale, self.sends, self.broken = ["A1"], 1.0, True, False
        self.OBError, self.stopped, self.enabled = OBError, 0, []
        self.OBSensorType = SimpleNamespace(DEPTH_SENSOR="depth", COLOR_SENSOR="color")
        self.OBFormat = SimpleNamespace(Y16="y16", RGB="rgb")
        self.Context = lambda: SimpleNamespace(query_devices=self._devices)
        self.Config = lambda: SimpleNamespace(enable_stream=self.enabled.append)
        self.Pipeline = lambda device: SimpleNamespace(
            get_stream_profile_list=lambda sensor: SimpleNamespace(get_video_stream_profile=self._profile),
            start=lambda config: None,
            stop=self._stop,
            get_camera_param=self._parameters,
            wait_for_frames=self._wait,
        )

    def _devices(self) -> Any:
        info = SimpleNamespace(get_name=lambda: "Astra", get_serial_number=lambda: self.serials[0])
        return SimpleNamespace(
            get_count=lambda: len(self.serials),
            get_device_serial_number_by_index=lambda i: self.serials[i],
            get_device_by_index=lambda i: SimpleNamespace(get_device_info=lambda: info),
        )

    def _profile(self, width: int, height: int, form: str, rate: int) -> Any:
        if width != 4:
            raise OBError("no such profile")
        return (width, height, form, rate)

    def _stop(self) -> None:
        self.stopped += 1

    def _parameters(self) -> Any:
        lens = SimpleNamespace(width=4, height=3, fx=570.0, fy=571.0, cx=2.0, cy=1.5)
        bent = SimpleNamespace(k1=0.1, k2=0.0, p1=0.0, p2=0.0, k3=0.0)
        return SimpleNamespace(depth_intrinsic=lens, rgb_intrinsic=lens, depth_distortion=bent, rgb_distortion=bent)

    def _wait(self, milliseconds: int) -> Any:
        if self.broken:
            raise OBError("device disconnected")
        if not self.sends:
            return None
        return SimpleNamespace(get_depth_frame=lambda: image(DEPTH, self.scale), get_color_frame=lambda: image(COLOR))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    made = Vendor()
    monkeypatch.setitem(sys.modules, "pyorbbecsdk", made)
    return made


def test_images_and_intrinsics(vendor: Vendor) -> None:
    camera = OrbbecCamera(SETTINGS)
    assert camera.open() == "Astra, serial number A1"
    assert vendor.enabled == [(4, 3, "y16", 30), (4, 3, "rgb", 30)]
    frame = camera.read(1.0)
    assert_array_equal(frame.depth, DEPTH)
    assert frame.color is not None
    assert_array_equal(frame.color, COLOR)
    assert frame.depth_intrinsics == Intrinsics(4, 3, 570.0, 571.0, 2.0, 1.5, (0.1, 0.0, 0.0, 0.0, 0.0))
    camera.close()
    assert vendor.stopped == 1


def test_depth_is_in_millimetres(vendor: Vendor) -> None:
    vendor.scale = 0.5
    camera = OrbbecCamera(SETTINGS)
    camera.open()
    assert_array_equal(camera.read(1.0).depth, np.rint(DEPTH * 0.5).astype(np.uint16))


def test_unplugged(vendor: Vendor) -> None:
    camera = OrbbecCamera(SETTINGS)
    camera.open()
    vendor.broken = True
    with pytest.raises(LinkError, match="is gone"):
        camera.read(0.05)
    vendor.broken, vendor.serials = False, []
    with pytest.raises(LinkError, match="found none"):
        camera.open()
    vendor.serials = ["A1"]
    camera.open()
    assert camera.read(1.0).depth.shape == (3, 4)


def test_silence(vendor: Vendor) -> None:
    camera = OrbbecCamera(SETTINGS)
    camera.open()
    vendor.sends = False
    with pytest.raises(SilenceError, match="no images"):
        camera.read(0.02)
    vendor.serials = []
    with pytest.raises(LinkError, match="not connected"):
        camera.read(0.02)


def test_what_is_not_there(vendor: Vendor) -> None:
    with pytest.raises(LinkError, match="found A1, expected serial number B2"):
        OrbbecCamera(CameraSettings(serial="B2")).open()
    with pytest.raises(LinkError, match="no such profile; ask for streams that it has"):
        OrbbecCamera(CameraSettings()).open()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyorbbecsdk", None)
    with pytest.raises(ConfigError, match="Orbbec cameras need the package pyorbbecsdk"):
        OrbbecCamera(SETTINGS)
