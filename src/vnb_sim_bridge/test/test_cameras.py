from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vnb_grasp.description import load_camera
from vnb_grasp.errors import PerceptionError
from vnb_grasp.optics.pinhole import intrinsics_of, place_of
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.cameras.noise import DepthDefects, measure
from vnb_sim_bridge.cameras.rig import CAMERAS, CameraRig
from vnb_sim_bridge.cameras.source import CameraImages
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World

CLEAN = DepthDefects(0.0, 0.0, 0.0, (88.0, 89.9), 1.0)


def wall(camera_name: str, z: float) -> np.ndarray:
    camera = load_camera(camera_name)
    return np.full((camera.height, camera.width), z, dtype=np.float32)


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAMERAS)
def test_a_wall_is_measured_with_the_devices_noise(name: str) -> None:
    camera = load_camera(name)
    got = measure(wall(name, 1.0), camera, np.random.default_rng(0), CLEAN).astype(float) / 1000
    seen = got[:, 60:]
    assert (seen > 0).all()
    np.testing.assert_allclose(seen.mean(), 1.0, atol=6e-4)  # a fifth of a step of the disparity
    axial = camera.axial[0] + camera.axial[1] * 0.36 if name == "astra" else 0.08 / (425.0 * 0.05)
    step = camera.disparity_step / (camera.fx * camera.baseline)
    np.testing.assert_allclose(seen.std(), np.hypot(axial, step / np.sqrt(12)), rtol=0.1)


def test_depth_is_quantised_in_disparity() -> None:
    quiet = load_camera("astra").model_copy(update={"axial": (1e-9, 0.0, 0.0)})
    depths = np.linspace(0.9, 1.1, 640, dtype=np.float32)[None].repeat(480, 0)
    got = np.unique(measure(depths, quiet, np.random.default_rng(0), CLEAN))
    steps = np.diff(got[got > 0].astype(float))
    np.testing.assert_allclose(steps, 2.9, atol=1.3)  # 2.9 mm at 1 m, in whole millimetres


def test_edges_have_holes_and_flying_pixels() -> None:
    camera = load_camera("astra")
    depth = wall("astra", 1.0)
    depth[:, 320:] = 0.6
    got = measure(depth, camera, np.random.default_rng(0)).astype(float) / 1000
    edge = got[:, 319:321]
    assert 0.3 < (edge == 0).mean() < 0.5
    assert ((edge > 0.62) & (edge < 0.88)).mean() > 0.15
    inner = got[:, 100:300]
    assert (inner == 0).mean() < 0.01


def test_out_of_range_and_nothing_give_nothing() -> None:
    for z in (0.3, 9.0, np.inf):
        assert not measure(wall("astra", z), load_camera("astra"), np.random.default_rng(0)).any()


def test_the_second_imager_misses_the_left_margin() -> None:
    camera = load_camera("d435i")
    got = measure(wall("d435i", 0.5), camera, np.random.default_rng(0), CLEAN)
    assert not got[:, :42].any() and got[:, 44:].all()  # B f / z = 42.5 pixels


def test_noise_is_shared_in_blocks() -> None:
    camera = replace_correlation(3)
    got = measure(wall("astra", 1.0), camera, np.random.default_rng(0), CLEAN)
    assert (got[:, 0] == got[:, 2]).all()
    assert (got[:, 0] != got[:, 3]).any()


def replace_correlation(side: int):  # type: ignore[no-untyped-def]
    return load_camera("astra").model_copy(update={"correlation": side})


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> World:
    return World(Scenario("cube", object_yaw=0.3))


@pytest.mark.render
@pytest.mark.parametrize("name", CAMERAS)
def test_a_known_cube_is_where_geometry_says(world: World, name: str) -> None:
    """The top corners of the cube project to depths that the picture shows around them."""
    rig = CameraRig(world, [name])
    camera = rig.cameras[0]
    depth = rig._renderer.draw(intrinsics_of(camera), place_of(camera))
    rig.close()
    assert depth.shape == (camera.height, camera.width)
    pose, place = world.object_pose(), place_of(camera)
    inside = np.array([[0.01 * x, 0.01 * y, 0.025, 1.0] for x in (-1, 1) for y in (-1, 1)])
    points = (inside @ pose.T)[:, :3]
    local = (points - place[:3, 3]) @ place[:3, :3]
    v, u = intrinsics_of(camera).project(local)
    got = depth[np.rint(v).astype(int), np.rint(u).astype(int)]
    np.testing.assert_allclose(got, local[:, 2], atol=0.003)  # half a pixel of a surface seen at an angle
    table = np.array([-0.05, 1.0, 0.777])
    local = (table - place[:3, 3]) @ place[:3, :3]
    v, u = intrinsics_of(camera).project(local)
    np.testing.assert_allclose(depth[round(float(v)), round(float(u))], local[2], atol=0.003)


@pytest.mark.render
def test_pictures_depend_on_the_seed_and_the_draw_only(world: World) -> None:
    rig = CameraRig(world)
    first, again, other = rig.take(0), rig.take(0), rig.take(1)
    rig.close()
    second = CameraRig(world)  # graphics of two rigs do not disturb each other
    fresh = second.take(0)
    second.close()
    for a, b, c, d in zip(first, again, other, fresh, strict=True):
        assert a.depth.dtype == np.uint16
        np.testing.assert_array_equal(a.depth, b.depth)
        np.testing.assert_array_equal(a.depth, d.depth)
        assert (a.depth != c.depth).any()


def test_cameras_stand_a_little_off_where_they_are_believed_to(world: World) -> None:
    places = []
    for seed in range(200):
        world.scenario = replace(world.scenario, seed=seed)
        rig = object.__new__(CameraRig)
        rig._world = world
        places.append(rig.true_place(load_camera("astra"))[:3, 3])
    world.scenario = replace(world.scenario, seed=0)
    spread = np.std(places, axis=0)
    np.testing.assert_allclose(spread, load_camera("astra").calibration_translation, rtol=0.25)


@pytest.mark.render
def test_a_bridge_with_cameras_takes_pictures_when_it_looks_and_knows_no_pose() -> None:
    bridge = SimBridge(Scenario("cube"), make_pose_source=CameraImages, camera_period=2)
    source = bridge.sensors.pose
    assert isinstance(source, CameraImages)
    assert len(source.fetch()) == 2 and source.fetch() == ()
    frame = bridge.begin_grasp()
    assert len(source.fetch()) == 2
    with pytest.raises(PerceptionError, match="not known"):
        frame.known_pose()
    assert (frame.occlusion, frame.segmentation) == (1.0, 0.0)
    bridge.decide(0, np.zeros(6))
    assert source.fetch() == ()
    bridge.decide(1, np.zeros(6))
    assert len(source.fetch()) == 2
    bridge.settle(0.04, look=False)
    assert source.fetch() == ()
    bridge.close()
