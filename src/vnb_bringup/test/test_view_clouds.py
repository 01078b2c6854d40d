"""Clouds of the cameras: points in the world, bounded in number, from every source and in bad ones."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_bringup.view.assemble import Assembler
from vnb_bringup.view.clouds import MOST_POINTS, camera_place, cloud_of_image, cloud_of_message, optical_frame
from vnb_bringup.view.page import Page
from vnb_bringup.view.server import LocalServer, open_server
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.errors import ConfigError, PerceptionError, ShapeError
from vnb_grasp.optics.pinhole import intrinsics_of

CAMERA = "d435i"


def cloud(points: np.ndarray, padding: int = 4, **changes: Any) -> Any:
    """Return a cloud of points (H, W, 3) with as many bytes of something else behind each point."""
    height, width, _ = points.shape
    table = np.zeros((height, width), np.dtype([("p", "<f4", 3), ("rest", "u1", padding)]))
    table["p"] = points
    fields = [SimpleNamespace(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    values = {
        "header": SimpleNamespace(frame_id=optical_frame(CAMERA), stamp=SimpleNamespace(sec=0, nanosec=0)),
        "height": height,
        "width": width,
        "fields": fields,
        "is_bigendian": False,
        "point_step": 12 + padding,
        "row_step": width * (12 + padding),
        "data": array("B", table.tobytes()),
        "is_dense": False,
    }
    return SimpleNamespace(**{**values, **changes})


def image(depth: np.ndarray) -> Any:
    """Return a depth image (H, W) [mm]."""
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=optical_frame(CAMERA), stamp=SimpleNamespace(sec=0, nanosec=0)),
        height=depth.shape[0],
        width=depth.shape[1],
        encoding="16UC1",
        step=2 * depth.shape[1],
        is_bigendian=0,
        data=array("B", depth.astype("<u2").tobytes()),
    )


def info() -> Any:
    camera = load_camera(CAMERA)
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return SimpleNamespace(width=camera.width, height=camera.height, k=k)


def test_points_are_brought_into_the_world_and_those_without_depth_are_none() -> None:
    points = np.array([[[0.1, -0.2, 0.8], [np.nan] * 3], [[0.0, 0.0, 1.0], [0.3, 0.1, 0.5]]])
    place = camera_place(CAMERA)
    expected = points.reshape(-1, 3)[[0, 2, 3]] @ place[:3, :3].T + place[:3, 3]
    got = cloud_of_message(cloud(points), CAMERA)
    assert got.dtype == np.float32
    assert_allclose(got, expected, atol=1e-6)
    header = SimpleNamespace(frame_id="world")
    assert_allclose(cloud_of_message(cloud(points, header=header), CAMERA), points.reshape(-1, 3)[[0, 2, 3]], atol=1e-6)


def test_byte_order_is_kept() -> None:
    points = np.array([[[0.1, -0.2, 0.8]]])
    big = array("B", points.astype(">f4").tobytes())
    assert_allclose(
        cloud_of_message(cloud(points, padding=0, data=big, is_bigendian=True), CAMERA),
        cloud_of_message(cloud(points), CAMERA),
    )


@pytest.mark.parametrize("shape", [(480, 848), (1, 300_000), (3, 9_000), (1, 10), (0, 0)])
def test_the_number_of_points_is_bounded(shape: tuple[int, int]) -> None:
    got = cloud_of_message(cloud(np.ones((*shape, 3))), CAMERA)
    assert min(MOST_POINTS // 4, shape[0] * shape[1]) <= len(got) <= MOST_POINTS


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"fields": [SimpleNamespace(name="x", offset=0, datatype=8)]}, ConfigError, "no 32-bit field x, y, z among x"),
        ({"header": SimpleNamespace(frame_id="astra_depth_optical_frame")}, ConfigError, "got frame 'astra_depth"),
        ({"data": array("B", bytes(5))}, ShapeError, "got 5 bytes for 2 rows"),
        ({"row_step": 3}, ShapeError, "rows of 3 bytes with 2 points"),
        ({"point_step": 8}, ShapeError, "points of 8 bytes"),
    ],
)
def test_bad_clouds_are_told(changes: dict[str, Any], kind: type[Exception], expected: str) -> None:
    with pytest.raises(kind, match=expected):
        cloud_of_message(cloud(np.ones((2, 2, 3)), **changes), CAMERA)


def test_an_image_gives_the_points_that_its_pixels_saw() -> None:
    camera = load_camera(CAMERA)
    depth = np.zeros((camera.height, camera.width))
    depth[::2, ::2] = 800
    got = cloud_of_image(image(depth), intrinsics_of(camera), CAMERA)
    assert MOST_POINTS // 16 < len(got) <= MOST_POINTS
    place = camera_place(CAMERA)
    seen = (got - place[:3, 3]) @ place[:3, :3]
    assert_allclose(seen[:, 2], 0.8, atol=1e-5)
    v, u = intrinsics_of(camera).project(seen.astype(np.float64))
    assert_allclose(v, 2 * np.round(v / 2), atol=1e-2)
    assert_allclose(u, 2 * np.round(u / 2), atol=1e-2)
    with pytest.raises(ShapeError, match="its camera info says"):
        cloud_of_image(image(depth[:10]), intrinsics_of(camera), CAMERA)
    with pytest.raises(PerceptionError):
        cloud_of_image(image(0 * depth), intrinsics_of(camera), CAMERA)


def test_an_assembler_keeps_the_latest_cloud_of_each_camera_and_never_goes_back_in_time() -> None:
    camera = load_camera(CAMERA)
    me = Assembler(load_arm("fr3").joint_names, load_hand("l6_v31").joint_names)
    depth = np.full((camera.height, camera.width), 700)
    assert me.take(f"{CAMERA}/depth/image_rect_raw", image(depth)).clouds == {}  # its intrinsics are not known yet
    me.take(f"{CAMERA}/depth/camera_info", info())
    snapshot = me.take(f"{CAMERA}/depth/image_rect_raw", image(depth))
    assert set(snapshot.clouds) == {CAMERA} and len(snapshot.clouds[CAMERA]) > MOST_POINTS // 2
    assert len(me.take(f"{CAMERA}/depth/image_rect_raw", image(0 * depth)).clouds[CAMERA]) == 0
    snapshot = me.take(f"{CAMERA}/depth/points", cloud(np.ones((1, 7, 3))))
    assert (len(snapshot.clouds[CAMERA]), me.restarts) == (7, 0)
    with pytest.raises(ConfigError, match="another version"):
        me.take(f"{CAMERA}/depth/points", SimpleNamespace(width=1))


@pytest.fixture
def server() -> Iterator[LocalServer]:
    opened = open_server(0)
    yield opened
    opened.stop()


def test_the_page_draws_both_clouds_and_sends_only_what_is_new(server: LocalServer) -> None:
    page = Page(server, load_arm("fr3"), load_hand("l6_v31"))
    first, second = np.ones((3, 3), np.float32), np.zeros((5, 3), np.float32)
    page.show(Snapshot(clouds={"astra": first, "d435i": second}))
    drawn = page._drawing._clouds
    assert {name: len(handle.points) for name, (_, handle) in drawn.items()} == {"astra": 3, "d435i": 5}
    before = drawn["astra"][1]
    page.show(Snapshot(clouds={"astra": second, "d435i": second}))
    assert drawn["astra"][1] is before and len(before.points) == 5
    page._show_layer("clouds", False)
    assert not any(handle.visible for _, handle in drawn.values())
    page._show_layer("clouds", True)
    assert all(handle.visible for _, handle in drawn.values())
    page.show(Snapshot())
    assert not any(handle.visible for _, handle in drawn.values())


def test_a_bag_gives_clouds_or_computes_them_from_images(tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2, PointField

    from vnb_bringup.bags.definitions import load_definition, share_folders
    from vnb_bringup.bags.metadata import Topic
    from vnb_bringup.bags.writer import BagWriter
    from vnb_bringup.view.bag import read_bag

    camera, arm, hand = load_camera(CAMERA), load_arm("fr3"), load_hand("l6_v31")
    made = image(np.full((camera.height, camera.width), 700))
    picture = Image(height=made.height, width=made.width, encoding="16UC1", step=made.step, data=made.data)
    picture.header.frame_id = optical_frame(CAMERA)
    intrinsics = CameraInfo(width=camera.width, height=camera.height, k=info().k)
    made = cloud(np.ones((1, 7, 3)), padding=0)
    fields = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate("xyz")]
    points = PointCloud2(height=1, width=7, fields=fields, point_step=12, row_step=84, data=made.data)
    points.header.frame_id = optical_frame("astra")
    messages = {
        "/arm/joint_states": JointState(name=list(arm.joint_names), position=[0.0] * 6),
        f"/{CAMERA}/depth/camera_info": intrinsics,
        f"/{CAMERA}/depth/image_rect_raw": picture,
        "/astra/depth/points": points,
    }
    shares = share_folders()
    with BagWriter(tmp_path / "bag") as writer:
        for name, message in messages.items():
            kind = f"sensor_msgs/msg/{type(message).__name__}"
            definition = load_definition(kind, shares)
            writer.add_topic(Topic(name, kind, definition.type_hash, ()), definition)
            for i in range(3):  # 20 ms apart: only the first of each cloud is due
                writer.write(name, 1_000_000_000 + 20_000_000 * i, serialize_message(message))
    (last, *_) = reversed(read_bag(tmp_path / "bag", Assembler(arm.joint_names, hand.joint_names)))
    assert len(last.clouds["astra"]) == 7
    assert MOST_POINTS // 2 < len(last.clouds[CAMERA]) <= MOST_POINTS
