from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_grasp.description import known_cameras, load_camera
from vnb_grasp.errors import ConfigError, ShapeError, UnknownNameError
from vnb_grasp.optics.pinhole import Intrinsics, depth_noise, intrinsics_of, place_of


@settings(deadline=None)
@given(st.floats(0, 479), st.floats(0, 639), st.floats(0.1, 5.0))
def test_a_ray_projects_back_to_its_pixel(v: float, u: float, depth: float) -> None:
    camera = intrinsics_of(load_camera("astra"))
    got = camera.project(camera.rays(np.array(v), np.array(u)) * depth)
    np.testing.assert_allclose(got, (v, u), atol=1e-8)


def test_what_is_behind_has_no_pixel() -> None:
    v, u = intrinsics_of(load_camera("astra")).project(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]))
    assert np.isnan(v).all() and np.isnan(u).all()
    with pytest.raises(ShapeError):
        intrinsics_of(load_camera("astra")).project(np.zeros(2))


@pytest.mark.parametrize("change", [{"fx": 0.0}, {"width": 0}, {"cx": float("nan")}, {"fy": float("inf")}])
def test_a_camera_that_has_not_said_its_intrinsics_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="camera driver"):
        Intrinsics(**{**asdict(intrinsics_of(load_camera("astra"))), **change})


@pytest.mark.parametrize("name", known_cameras())
def test_places_are_rotations_and_look_at_the_workspace(name: str) -> None:
    camera = load_camera(name)
    place = place_of(camera)
    np.testing.assert_allclose(place[:3, :3].T @ place[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(place[:3, :3]), 1.0)
    assert place[2, 1] < 0  # the picture's rows go down
    spot = (np.array([-0.05, 0.88, 0.8]) - place[:3, 3]) @ place[:3, :3]
    v, u = intrinsics_of(camera).project(spot)
    assert 0 < v < camera.height and 0 < u < camera.width


def test_fields_of_view_are_the_devices() -> None:
    for name, across, down in (("astra", 58.4, 45.5), ("d435i", 90.0, 58.9)):
        camera = load_camera(name)
        got = 2 * np.degrees(np.arctan([camera.width / 2 / camera.fx, camera.height / 2 / camera.fy]))
        np.testing.assert_allclose(got, (across, down), atol=0.7)


def test_noise_follows_the_devices_laws() -> None:
    astra, d435i = load_camera("astra"), load_camera("d435i")
    step = 0.125 * 1.0 / (572.0 * 0.075)
    expected = np.hypot(0.0012 + 0.0019 * 0.6**2, step / np.sqrt(12))
    np.testing.assert_allclose(depth_noise(astra, np.array(1.0)), expected)
    stereo = np.hypot(0.08, 0.03125 / np.sqrt(12)) / (425.0 * 0.05)
    np.testing.assert_allclose(depth_noise(d435i, np.array([0.5, 1.0])), [0.25 * stereo, stereo])


def test_unknown_cameras_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="astra"):
        load_camera("kinect")
