"""The recorder beside raw depth images of two cameras: messages published, recorded and lost, CPU time and memory.

. install/setup.sh, then: python benchmarks/bag_images.py --rate 60 [--best-effort] [--duration 10]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from vnb_bringup.bags.nodes import recorder_node
from vnb_bringup.bags.reader import BagReader
from vnb_grasp.description import load_camera
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.qos import IMAGES

CAMERAS = ("astra", "d435i")


def depth_image(camera: str) -> bytes:
    """Return a serialized depth image [mm] of a camera: noise of a millimetre's fifth bit, on which zstd saves half."""
    width, height = load_camera(camera).width, load_camera(camera).height
    pixels = np.random.default_rng(0).integers(600, 632, (height, width), dtype=np.uint16)
    image = Image(height=height, width=width, encoding="16UC1", step=2 * width)
    image.data = array("B", pixels.tobytes())
    return serialize_message(image)


def main() -> None:
    """Record once and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=60.0, help="images of each camera [1/s]")
    parser.add_argument("--duration", type=float, default=10.0, help="[s]")
    parser.add_argument("--best-effort", action="store_true")
    parser.add_argument("--depth", type=int, default=IMAGES.depth, help="messages that each publisher keeps")
    parser.add_argument("--no-compress", action="store_true")
    parser.add_argument("--storage", default="mcap")
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp()) / "bag")
    given = parser.parse_args()
    reliability = ReliabilityPolicy.BEST_EFFORT if given.best_effort else ReliabilityPolicy.RELIABLE
    rclpy.init()
    node = VnbNode("cameras")
    senders = [
        (
            node.create_publisher(
                Image, f"{name}/depth/image_rect_raw", QoSProfile(depth=given.depth, reliability=reliability)
            ),
            depth_image(name),
        )
        for name in CAMERAS
    ]
    published = Path(tempfile.mkdtemp()) / "published.json"
    options = ["-p", f"out:={given.out}", "-p", f"storage:={given.storage}", "-p", f"published:={published}"]
    options += ["-p", f"compress:={str(not given.no_compress).lower()}"]
    command = [sys.executable, "-m", recorder_node.__name__, "--ros-args", *options]
    recorder = subprocess.Popen(command)
    while recorder.poll() is None and not all(publisher.get_subscription_count() for publisher, _ in senders):
        time.sleep(0.05)
    started, own, count = time.monotonic(), time.process_time(), round(given.rate * given.duration)
    for i in range(count):
        time.sleep(max(started + i / given.rate - time.monotonic(), 0.0))
        for publisher, data in senders:
            publisher.publish(data)
    seconds, own = time.monotonic() - started, time.process_time() - own
    for publisher, _ in senders:
        publisher.wait_for_all_acked(Duration(seconds=10))
    published.write_text(json.dumps({publisher.topic_name: (0, publisher.sent) for publisher, _ in senders}))
    recorder.send_signal(signal.SIGINT)
    recorder.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with BagReader(given.out) as bag:
        found, told = dict(bag.info.counts), bag.info.custom["dropped"].strip()
    lost = {f"/{name}": count - found.get(f"/{name}/depth/image_rect_raw", 0) for name in CAMERAS}
    print(
        f"{2 * count} images, {'best effort' if given.best_effort else 'reliable'}, in {seconds:.1f} s "
        f"({2 * count / seconds:.0f}/s, {sum(len(data) for _, data in senders) * count / seconds / 1e6:.0f} MB/s); "
        f"publisher {1e3 * own / count / 2:.2f} ms of CPU per image"
    )
    print(f"lost: {lost}; the recorder counted {told}")
    print(
        f"recorder: {1e3 * (used.ru_utime + used.ru_stime) / count / 2:.2f} ms of CPU per image, its start included, "
        f"{used.ru_maxrss / 1024:.0f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
