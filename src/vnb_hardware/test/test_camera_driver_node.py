"""A camera as a lifecycle node, and the shape of its messages against those of the vendors' nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from builtin_interfaces.msg import Time
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image

from vnb_grasp.errors import LinkError, SilenceError
from vnb_hardware.cameras.interface import CameraFrame, CameraSettings, Intrinsics
from vnb_hardware.nodes.camera_driver_node import CameraDriverNode
from vnb_hardware.nodes.camera_messages import camera_messages, info_topic
from vnb_hardware.nodes.testing import nodes, until

pytestmark = pytest.mark.ros

DOMAIN = 94
LENS = Intrinsics(4, 3, 380.0, 381.0, 2.0, 1.5)
DEPTH = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
COLOR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
FRAME = CameraFrame(12.5, DEPTH, LENS, COLOR, LENS, DEPTH)

VENDORS = {
    "depth/image_rect_raw": ("16UC1", 2),
    "aligned_depth_to_color/image_raw": ("16UC1", 2),
    "color/image_raw": ("rgb8", 3),
}
"""Topics, encodings and bytes per pixel of realsense2_camera; orbbec_camera has the same encodings."""


class FakeCamera:
    """Gives the same frame again and again, and can be unplugged."""

    def __init__(self, settings: CameraSettings) -> None:
        self.plugged, self.silent, self.opened, self.reads = threading.Event(), threading.Event(), 0, 0
        self.plugged.set()

    def open(self) -> str:
        if not self.plugged.is_set():
            raise LinkError("no camera")
        self.opened += 1
        return "fake"

    def read(self, timeout: float) -> CameraFrame:
        time.sleep(0.02)
        self.reads += 1
        if not self.plugged.is_set():
            raise LinkError("the camera is gone")
        if self.silent.is_set():
            raise SilenceError("the camera sends nothing")
        return FRAME

    def close(self) -> None:
        self.plugged.clear()


@contextmanager
def running() -> Iterator[tuple[Any, CameraDriverNode, list[FakeCamera]]]:
    made: list[FakeCamera] = []

    def make(settings: CameraSettings) -> FakeCamera:
        made.append(FakeCamera(settings))
        return made[-1]

    def node(**options: Any) -> CameraDriverNode:
        return CameraDriverNode(make, **options)

    size = {"streams.width": 4, "streams.height": 3, "streams.color_width": 4, "streams.color_height": 3}
    given = {"camera": "wrist", "retry": 0.05, "max_age": 0.0, **size}
    with nodes(DOMAIN, (node, given)) as (observer, driver):
        yield observer, driver, made


@pytest.mark.parametrize("topic", VENDORS)
def test_messages_have_the_vendors_shape(topic: str) -> None:
    messages = camera_messages(FRAME, "wrist", Time(sec=12))
    assert set(messages) == set(VENDORS)
    image, info = messages[topic]
    encoding, size = VENDORS[topic]
    assert (image.encoding, image.step, len(image.data)) == (encoding, 4 * size, 3 * 4 * size)
    assert (image.height, image.width, image.is_bigendian) == (3, 4, 0)
    assert image.header == info.header and image.header.frame_id.endswith("_optical_frame")
    assert (info.height, info.width, info.distortion_model) == (3, 4, "plumb_bob")
    assert list(info.k) == [380.0, 0.0, 2.0, 0.0, 381.0, 1.5, 0.0, 0.0, 1.0]
    assert list(info.p[:3]) == [380.0, 0.0, 2.0] and len(info.d) == 5


def test_pixels_come_through() -> None:
    messages = camera_messages(FRAME, "wrist", Time())
    depth = np.frombuffer(messages["depth/image_rect_raw"][0].data, dtype=np.uint16).reshape(3, 4)
    assert_array_equal(depth, DEPTH)
    assert_array_equal(np.frombuffer(messages["color/image_raw"][0].data, dtype=np.uint8), COLOR.ravel())


def test_a_camera_without_colour_has_depth_only() -> None:
    assert list(camera_messages(CameraFrame(0.0, DEPTH, LENS), "side", Time())) == ["depth/image_rect_raw"]


@pytest.mark.parametrize(
    ("image", "info"),
    [
        ("wrist/depth/image_rect_raw", "wrist/depth/camera_info"),
        ("wrist/color/image_raw", "wrist/color/camera_info"),
    ],
)
def test_infos_stand_beside_their_images(image: str, info: str) -> None:
    assert info_topic(image) == info


def test_a_life() -> None:
    with running() as (observer, node, made):
        images = observer.hear(Image, "wrist/depth/image_rect_raw")
        infos = observer.hear(CameraInfo, "wrist/depth/camera_info")
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        time.sleep(0.2)
        assert not images, "an inactive camera publishes nothing"
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        until(lambda: images and infos, "images")
        assert (images[0].header.stamp.sec, images[0].header.stamp.nanosec) == (12, 500_000_000)
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        done = made[0].reads
        until(lambda: made[0].reads > done + 10, "what was on its way")
        count = len(images)
        until(lambda: made[0].reads > done + 20, "images that nobody gets")
        assert len(images) == count
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert not made[0].plugged.is_set()


def test_unplugged_and_plugged_in_again() -> None:
    with running() as (observer, node, made):
        images = observer.hear(Image, "wrist/depth/image_rect_raw")
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        until(lambda: images, "images")
        made[0].plugged.clear()
        until(lambda: observer.problem("the camera is gone"), "the diagnostic")
        count = len(images)
        made[0].plugged.set()
        until(lambda: len(images) > count + 3, "images again")
        assert made[0].opened == 2


def test_silence_is_diagnosed() -> None:
    with running() as (observer, node, made):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        made[0].silent.set()
        until(lambda: observer.problem("sends nothing"), "the diagnostic")
