"""A depth camera as a lifecycle node."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from vnb_msgs.msg import ErrorCode

import vnb_hardware.cameras.emulated
import vnb_hardware.cameras.orbbec
import vnb_hardware.cameras.realsense  # noqa: F401 - they enter the registry
from vnb_grasp.errors import LinkError, SilenceError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.conversions import stamp_from_seconds
from vnb_grasp.nodes.parameters import declare, parameter
from vnb_grasp.nodes.run import run_node
from vnb_hardware.cameras.interface import CAMERAS, Camera, CameraSettings, FrameCheck
from vnb_hardware.nodes.camera_messages import TOPICS, camera_messages, info_topic
from vnb_hardware.nodes.device import DeviceNode

_READ_TIMEOUT = 0.5
_JOIN = 5.0

MakeCamera = Callable[[CameraSettings], Camera]


@dataclass(frozen=True)
class CameraDriverConfig:
    """Parameters of the node."""

    camera: str = parameter("camera", "name of the camera: its topics and frames begin with it")
    kind: str = parameter(
        "realsense", "whose camera it is: realsense or orbbec; emulated or emulated_realsense beside an emulator"
    )
    streams: CameraSettings = field(default_factory=CameraSettings)
    retry: float = parameter(1.0, "time between two attempts to open a camera that was unplugged [s]", 0.05, 60.0)
    max_age: float = parameter(
        1.0, "largest age of an image that is published [s]; 0 publishes all, whatever their stamps", 0.0, 60.0
    )
    silence: float = parameter(0.5, "time without an image to publish from which on that is diagnosed [s]", 0.0, 60.0)
    autostart: str = parameter("no", "transitions at start: no, configure or activate")


class CameraDriverNode(DeviceNode):
    """Publishes ``<camera>/depth/image_rect_raw``, ``<camera>/color/image_raw`` and their camera infos.

    A camera that is unplugged, or sends images of another size than it was asked for, is opened again when it is back,
    since it cannot move anything. Images that are too old are not published.

    Args:
        make_camera: Makes the camera from its settings; None takes the one that the parameters name.
        options: For the node.
    """

    def __init__(self, make_camera: MakeCamera | None = None, **options: Any) -> None:
        super().__init__(options.pop("node_name", "camera_driver"), **options)
        self.config = config = declare(self, CameraDriverConfig)
        self._make = make_camera or CAMERAS[config.kind]
        self._camera: Camera | None = None
        self._check = FrameCheck(config.streams, config.max_age)
        self._image_at = 0.0
        self._publishing = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._out = {topic: self._image_publishers(topic) for topic in TOPICS}
        self.watch_safety(0.0, config.autostart)

    def _image_publishers(self, topic: str) -> tuple[Any, Any]:
        name = f"{self.config.camera}/{topic}"
        return self.create_publisher(Image, name, qos.IMAGES), self.create_publisher(
            CameraInfo, info_topic(name), qos.CHAIN
        )

    # --- lifecycle ----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """See :class:`DeviceNode`: opens the camera."""
        self._camera = camera = self._make(self.config.streams)
        self.get_logger().info(f"camera {self.config.camera}: {camera.open()}")
        self._ending.clear()
        self._image_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(camera,), name="camera", daemon=True)
        self._thread.start()

    def enable(self) -> None:
        """See :class:`DeviceNode`: images are published from now on."""
        self._publishing.set()

    def hold(self, code: int, reason: str) -> None:
        """See :class:`DeviceNode`: a camera moves nothing, and goes on looking when the robot has to hold."""
        if code == ErrorCode.NONE:
            self._publishing.clear()

    def release(self) -> None:
        """See :class:`DeviceNode`."""
        self._publishing.clear()
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_JOIN)
        if self._camera is not None:
            self._camera.close()
        self._thread = self._camera = None

    # --- images -------------------------------------------------------------------------------------------------------

    def _run(self, camera: Camera) -> None:
        lost = False
        while not self._ending.is_set():
            well = False
            with self.border():
                try:
                    if lost:
                        self.get_logger().info(f"camera {self.config.camera} is back: {camera.open()}")
                        lost = False
                    self._publish(camera)
                    well = True
                except SilenceError as error:
                    well = time.monotonic() - self._image_at < self.config.silence
                    if not well:
                        self.diagnose(error.code, str(error))
                except LinkError as error:
                    if not lost:
                        self.diagnose(error.code, str(error))
                    lost = True
            if not well:
                self._ending.wait(self.config.retry)

    def _publish(self, camera: Camera) -> None:
        frame = camera.read(_READ_TIMEOUT)
        self._check.require(frame, time.time())
        self._image_at = time.monotonic()
        if not self._publishing.is_set():
            return
        for topic, pair in camera_messages(frame, self.config.camera, stamp_from_seconds(frame.stamp)).items():
            for out, message in zip(self._out[topic], pair, strict=True):
                out.publish(message)


def main() -> int:
    """Run the node."""
    return run_node(CameraDriverNode)


if __name__ == "__main__":
    sys.exit(main())
