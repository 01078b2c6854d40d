"""Settings, clocks and missing packages of cameras."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vnb_grasp.errors import ConfigError
from vnb_hardware.cameras.extras import require_package
from vnb_hardware.cameras.interface import CameraSettings, HostClock


@pytest.mark.parametrize("given", [{"width": 0}, {"rate": 0}, {"color_width": 0}, {"color_height": -1}])
def test_settings_out_of_range(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        CameraSettings(**given)


def test_a_constant_delay_is_taken_out_once_the_fastest_frame_has_come() -> None:
    clock = HostClock(relax=0.0)
    for device, delay in ((0.0, 0.05), (0.1, 0.02), (0.2, 0.08)):
        stamp = clock.host(device, 1000.0 + device + delay)
    assert_allclose(stamp, 1000.22, rtol=0, atol=1e-9)


@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 0.5)), min_size=1, max_size=40))
def test_no_stamp_is_after_its_arrival(frames: list[tuple[float, float]]) -> None:
    clock, device = HostClock(), 0.0
    for step, delay in frames:
        device += step
        arrival = 500.0 + device + delay
        assert clock.host(device, arrival) <= arrival + 1e-9


def test_a_device_that_starts_anew_gets_a_new_clock() -> None:
    clock = HostClock()
    clock.host(100.0, 1000.0)
    assert_allclose(clock.host(1.0, 2000.0), 2000.0)


def test_a_missing_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(ConfigError, match=r"pip install -r requirements/cameras.txt.*remap"):
        require_package("pyrealsense2", "RealSense cameras")
