"""Colour images are offered by parameter, drawn only for whoever listens, and change nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.testing import until
from vnb_grasp.description import load_camera, load_object
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_grasp.optics.pinhole import intrinsics_of
from vnb_sim_bridge.nodes.sim_bridge_node import SimBridgeNode

pytestmark = [pytest.mark.ros, pytest.mark.render]


@pytest.fixture(scope="module")
def talk() -> Iterator[SimpleNamespace]:
    """Yield a bridge with cameras and colour, and a node that can listen to it."""
    given = {"object_name": "cube", "pose_source": "cameras", "color": True}
    with own_domain() as domain, open_context(domain) as context:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        bridge = SimBridgeNode(context=context, parameter_overrides=overrides)
        listener = VnbNode("listener", context=context)
        with spinning(context, (bridge, listener)):
            yield SimpleNamespace(bridge=bridge, listener=listener)
        for node in (bridge, listener):
            node.destroy_node()


def look(bridge: SimBridgeNode) -> None:
    """Let the bridge take and publish pictures."""

    def publish() -> None:
        bridge.bridge.sensors.look()
        bridge.publish_idle()

    bridge.in_world(publish)


def test_colours_are_drawn_for_listeners_only(talk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    source = talk.bridge.bridge.sensors.pose
    draw = source.colour
    monkeypatch.setattr(source, "colour", lambda camera: (drawn.append(camera.name), draw(camera))[1])
    look(talk.bridge)
    assert drawn == []
    images: list[Image] = []
    infos: list[CameraInfo] = []
    depths: list[Image] = []
    for kind, topic, take in (
        (Image, "astra/color/image_raw", images),
        (CameraInfo, "astra/color/camera_info", infos),
        (Image, "astra/depth/image_rect_raw", depths),
    ):
        talk.listener.create_subscription(kind, topic, take.append, qos.CHAIN)
    outs = talk.bridge._color_out["astra"]
    until(lambda: all(out.get_subscription_count() for out in outs), "discovery", 60.0)
    due = time.monotonic() + 60.0
    while not (images and infos and depths):  # a reader is matched a moment before it hears
        assert time.monotonic() < due, "waited for colours"
        look(talk.bridge)
        time.sleep(0.2)
    assert set(drawn) == {"astra"}  # nobody listens to the other one
    image, camera = images[-1], load_camera("astra")
    assert (image.encoding, image.height, image.width, image.step) == ("rgb8", 480, 640, 1920)
    assert image.header.frame_id == "astra_color_optical_frame"
    assert list(infos[-1].k) == [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    pixels = np.frombuffer(image.data, np.uint8).reshape(480, 640, 3).astype(float)
    rig, world = source._rig, talk.bridge.bridge.world
    place = rig.true_place(camera)
    top = world.object_pose()[:3, 3] + np.array([0.0, 0.0, 0.025])
    v, u = intrinsics_of(camera).project((top - place[:3, 3]) @ place[:3, :3])
    seen = pixels[round(float(v)), round(float(u))]
    expected = np.array(load_object("cube").rgba[:3])
    assert seen.argmax() == expected.argmax() == 0
    np.testing.assert_allclose(seen[1] / seen[2], expected[1] / expected[2], rtol=0.05)  # red may be clipped
