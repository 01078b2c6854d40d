"""The recorder: what it hears, how it ends, and what is left when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String, UInt64

from vnb_bringup.bags.definitions import load_definition, share_folders
from vnb_bringup.bags.metadata import BagInfo
from vnb_bringup.bags.nodes import recorder_node
from vnb_bringup.bags.nodes.recorder_node import RecorderNode
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.cli import main
from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.recording import _command
from vnb_bringup.graph.testing import until
from vnb_bringup.replay.recording import _facts
from vnb_grasp.errors import BagError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning

pytestmark = pytest.mark.ros

BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


@contextmanager
def recording(folder: Path, domain: int, **parameters: Any) -> Iterator[RecorderNode]:
    """Record a domain inside the block, in a thread."""
    overrides = [Parameter(name, value=value) for name, value in {"out": str(folder), **parameters}.items()]
    ended = threading.Event()
    with open_context(domain) as context:
        node = RecorderNode(context=context, parameter_overrides=overrides)
        thread = threading.Thread(target=recorder_node.record, args=(node, ended))
        thread.start()
        try:
            yield node
        finally:
            ended.set()
            thread.join(20.0)
            node.destroy_node()
    assert not thread.is_alive()


@contextmanager
def talker(domain: int) -> Iterator[Node]:
    with open_context(domain) as context:
        node = Node("talker", context=context)
        yield node
        node.destroy_node()


def run_recorder_beside(folder: Path, prepare: Any, act: Any = None, **parameters: Any) -> tuple[BagInfo, Any]:
    """Record what a node publishes that is there before the recorder; ``act`` gets what ``prepare`` has returned."""
    with own_domain() as domain, talker(domain) as node:
        prepared = prepare(node)
        with recording(folder, domain, **parameters):
            wanted = parameters.get("topics") or "/note"
            until(lambda: node.count_subscribers(wanted.split(",")[0]) > 0, "the recorder", 60.0)
            if isinstance(prepared, list):
                until(lambda: all(p.get_subscription_count() for p in prepared), "the recorder to connect", 60.0)
            if act is not None:
                act(prepared)
    with BagReader(folder) as bag:
        return bag.info, [(m.topic, m.data) for m in bag.messages()]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_late_recorder_hears_what_was_latched(storage: str, tmp_path: Path) -> None:
    def prepare(node: Node) -> list[Any]:
        latched, plain = node.create_publisher(String, "note", qos.LATCHED), node.create_publisher(String, "plain", 10)
        node.create_publisher(PointCloud2, "points", 10)  # made for whoever listens: recorded only by name
        latched.publish(String(data="before"))
        plain.publish(String(data="nobody listens yet"))
        return [latched, plain]

    def act(publishers: list[Any]) -> None:
        for i in range(30):
            publishers[1].publish(String(data=f"message {i}"))

    info, found = run_recorder_beside(tmp_path / "a bag", prepare, act, storage=storage)
    assert info.storage == storage
    assert "/points" not in [topic.name for topic in info.topics]
    assert [data for topic, data in found if topic == "/note"] == [serialize_message(String(data="before"))]
    expected = [serialize_message(String(data=f"message {i}")) for i in range(30)]
    assert [data for topic, data in found if topic == "/plain"] == expected


def test_topics_are_chosen_and_those_that_never_came_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def prepare(node: Node) -> list[Any]:
        return [node.create_publisher(String, "note", 10), node.create_publisher(String, "other", 10)][:1]

    info, found = run_recorder_beside(
        tmp_path / "bag", prepare, lambda publishers: publishers[0].publish(String(data="x")), topics="/note, gone"
    )
    assert [topic.name for topic in info.topics] == ["/note"]
    assert len(found) == 1
    assert "nobody published: /gone" in capfd.readouterr().err


def test_a_best_effort_publisher_beside_a_reliable_one_is_heard(tmp_path: Path) -> None:
    def prepare(node: Node) -> list[Any]:
        return [node.create_publisher(String, "note", 10), node.create_publisher(String, "note", BEST_EFFORT)]

    def act(publishers: list[Any]) -> None:
        for publisher in publishers:
            publisher.publish(String(data="x"))

    info, found = run_recorder_beside(tmp_path / "bag", prepare, act)
    assert len(found) == 2
    (topic,) = (topic for topic in info.topics if topic.name == "/note")
    assert sorted(offer.reliability for offer in topic.qos) == ["best_effort", "reliable"]


@pytest.mark.parametrize(
    ("first", "later"),
    [(qos.LATCHED, QoSProfile(depth=10)), (QoSProfile(depth=10), BEST_EFFORT)],
    ids=["volatile", "best_effort"],
)
def test_a_publisher_that_joins_later_and_offers_less_is_heard(
    first: QoSProfile, later: QoSProfile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with own_domain() as domain, talker(domain) as node:
        one = node.create_publisher(String, "note", first)
        with recording(tmp_path / "bag", domain):
            until(lambda: one.get_subscription_count() > 0, "the recorder", 60.0)
            one.publish(String(data="one"))
            assert one.wait_for_all_acked()
            other = node.create_publisher(String, "note", later)
            until(lambda: other.get_subscription_count() > 0, "the recorder to hear the other", 60.0)
            until(lambda: one.get_subscription_count() > 0, "the recorder to hear both", 60.0)
            other.publish(String(data="other"))
    with BagReader(tmp_path / "bag") as bag:
        assert [m.data for m in bag.messages(["/note"])] == [
            serialize_message(String(data=t)) for t in ("one", "other")
        ]
        offers = {(offer.reliability, offer.durability) for offer in bag.topics["/note"].qos}
    assert offers == {(p.reliability.name.lower(), p.durability.name.lower()) for p in (first, later)}
    assert "joined" in capfd.readouterr().err


def test_what_waits_is_kept_when_a_topic_is_subscribed_to_anew(tmp_path: Path) -> None:
    ended = threading.Event()
    with own_domain() as domain, talker(domain) as node, open_context(domain) as context:
        recorder = RecorderNode(context=context, parameter_overrides=[Parameter("out", value=str(tmp_path / "bag"))])

        def heard(publisher: Any) -> bool:
            recorder._look()  # nobody spins it, so that its timer never does
            return bool(publisher.get_subscription_count())

        one = node.create_publisher(UInt64, "note", 100)
        until(lambda: heard(one), "the recorder", 60.0)
        for i in range(50):
            one.publish(UInt64(data=i))
        assert one.wait_for_all_acked()
        other = node.create_publisher(UInt64, "note", BEST_EFFORT)
        until(lambda: heard(other), "the recorder to hear the other", 60.0)
        ended.set()
        recorder_node.record(recorder, ended)
        recorder.destroy_node()
    with BagReader(tmp_path / "bag") as bag:
        assert [deserialize_message(m.data, UInt64).data for m in bag.messages(["/note"])] == list(range(50))


def test_files_are_split_by_size(tmp_path: Path) -> None:
    def act(publishers: list[Any]) -> None:
        for _ in range(12):
            publishers[0].publish(String(data=os.urandom(100_000).hex()))
            time.sleep(0.02)

    info, found = run_recorder_beside(
        tmp_path / "bag", lambda node: [node.create_publisher(String, "note", 50)], act, split_megabytes=0.5
    )
    assert len(found) == 12
    assert len(info.files) >= 3
    assert all((tmp_path / "bag" / file.path).stat().st_size < 2_000_000 for file in info.files)


def test_the_last_messages_are_missed_too_where_somebody_tells_their_number(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "published.json"

    def act(publishers: list[Any]) -> None:
        for i in range(5):
            publishers[0].publish(String(data=f"message {i}"))
        told.write_text('{"/note": [0, 7]}')

    info, found = run_recorder_beside(
        tmp_path / "bag", lambda node: [node.create_publisher(String, "note", 10)], act, published=str(told)
    )
    assert len(found) == 5
    assert yaml.safe_load(info.custom["dropped"]) == {"/note": 2}
    assert "{'/note': 2}" in capfd.readouterr().err


def test_what_is_published_after_the_end_is_left_out_and_what_came_before_is_awaited(tmp_path: Path) -> None:
    ended = threading.Event()
    with own_domain() as domain, talker(domain) as node, open_context(domain) as context:
        publisher = node.create_publisher(UInt64, "note", 500)
        out = Parameter("out", value=str(tmp_path / "bag"))
        recorder = RecorderNode(context=context, parameter_overrides=[out])

        def heard() -> bool:
            recorder._look()  # nobody spins it, so that its timer never does
            return publisher.get_subscription_count() > 0

        until(heard, "the recorder", 60.0)
        for i in range(150):  # all of them wait in the queue while nobody spins
            publisher.publish(UInt64(data=i))
        assert publisher.wait_for_all_acked()
        ended.set()
        recorder.stop()
        publisher.publish(UInt64(data=999))
        assert publisher.wait_for_all_acked()
        recorder.stop = lambda: None  # type: ignore[method-assign]  # the end was then
        recorder_node.record(recorder, ended)
        recorder.destroy_node()
    with BagReader(tmp_path / "bag") as bag:
        found = [deserialize_message(m.data, UInt64).data for m in bag.messages(["/note"])]
    assert found == list(range(150))


def test_the_bag_of_a_trial_is_split_and_of_the_storage_that_was_chosen(tmp_path: Path) -> None:
    command = _command(tmp_path / "bag", "sqlite3", {"a": "b"}, tmp_path / "published.json")
    assert command[1:4] == ["-m", recorder_node.__name__, "--ros-args"]
    assert {"split_megabytes:=512.0", 'storage:="sqlite3"', f'out:="{tmp_path / "bag"}"'} <= set(command[5::2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"out": ""}, "got no folder"),
        ({"topics": "two words"}, "expected a name of ROS 2"),
        ({"notes": "[1]"}, "expected a YAML mapping"),
    ],
)
def test_wrong_parameters_of_the_recorder_are_told(given: dict[str, str], expected: str, tmp_path: Path) -> None:
    values = {"out": str(tmp_path / "bag"), **given}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    with own_domain() as domain, open_context(domain) as context, pytest.raises(BagError, match=expected):
        RecorderNode(context=context, parameter_overrides=overrides)


# --- the recorder as a process ----------------------------------------------------------------------------------------


@contextmanager
def recorder_process(folder: Path, domain: int, *parameters: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", recorder_node.__name__, "--ros-args", "-p", f"out:={folder}", *parameters]
    process = subprocess.Popen(command, env=dict(os.environ, ROS_DOMAIN_ID=str(domain)))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_killed_recorder_leaves_all_but_the_last_second(storage: str, tmp_path: Path) -> None:
    sent: list[tuple[float, int]] = []
    with (
        own_domain() as domain,
        talker(domain) as node,
        recorder_process(tmp_path / "bag", domain, "-p", f"storage:={storage}") as process,
    ):
        publisher = node.create_publisher(UInt64, "note", 100)
        until(lambda: publisher.get_subscription_count() > 0, "the recorder", 60.0)
        for i in range(400):
            publisher.publish(UInt64(data=i))
            sent.append((time.monotonic(), i))
            time.sleep(0.005)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
        assert process.wait(60.0) == -signal.SIGKILL
    with BagReader(tmp_path / "bag") as bag:
        assert not bag.complete
        found = [deserialize_message(m.data, UInt64).data for m in bag.messages(["/note"])]
    old = [i for moment, i in sent if moment < killed - 1.0]
    assert len(old) > 100
    assert found == [i for _, i in sent][: len(found)]
    assert len(found) >= len(old)
    assert main(["bag", "recover", str(tmp_path / "bag")]) == 0
    with BagReader(tmp_path / "bag") as bag:
        assert bag.complete
        assert bag.info.counts["/note"] == len(found)


ORPHAN = """
import os, subprocess, sys
command = [sys.executable, "-m", sys.argv[1], "--ros-args", "-p", f"out:={sys.argv[2]}", "-p", f"parent:={os.getpid()}"]
print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.readline()
os._exit(9)
"""


def test_a_recorder_does_not_outlive_its_parent(tmp_path: Path) -> None:
    with own_domain() as domain, talker(domain) as node:
        command = [sys.executable, "-c", ORPHAN, recorder_node.__name__, str(tmp_path / "bag")]
        environment = dict(os.environ, ROS_DOMAIN_ID=str(domain))
        parent = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None and parent.stdin is not None
        pid = int(parent.stdout.readline())
        publisher = node.create_publisher(String, "note", 10)
        until(lambda: publisher.get_subscription_count() > 0, "the recorder", 60.0)
        publisher.publish(String(data="x"))
        assert publisher.wait_for_all_acked()
        parent.communicate("\n", timeout=20.0)
        until(lambda: (tmp_path / "bag" / "metadata.yaml").is_file(), "the end of the bag", 60.0)
        assert pid > 0
    with BagReader(tmp_path / "bag") as bag:
        assert (bag.complete, bag.info.counts["/note"]) == (True, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recorder_closes_its_bag(number: int, tmp_path: Path) -> None:
    with (
        own_domain() as domain,
        talker(domain) as node,
        recorder_process(tmp_path / "bag", domain) as process,
    ):
        publisher = node.create_publisher(String, "note", 10)
        until(lambda: publisher.get_subscription_count() > 0, "the recorder", 60.0)
        for _ in range(5):
            publisher.publish(String(data="x"))
        assert publisher.wait_for_all_acked()
        process.send_signal(number)
        assert process.wait(60.0) == 0
    with BagReader(tmp_path / "bag") as bag:
        assert bag.complete
        assert bag.info.counts["/note"] == 5


# --- parameters -------------------------------------------------------------------------------------------------------


def test_parameters_of_a_node_that_comes_again_are_noted_where_they_differ(tmp_path: Path) -> None:
    with own_domain() as domain, recording(tmp_path / "bag", domain) as recorder:
        for speed in (1, 2):
            until(lambda: "talker" not in recorder.get_node_names(), "the first node to leave", 60.0)
            told = recorder._parameters._changed if speed == 2 else recorder._parameters._values
            with open_context(domain) as context:
                node = VnbNode("talker", context=context)
                node.declare_parameter("speed", speed)
                node.declare_parameter("colour", "red")
                with spinning(context, [node]):
                    until(lambda told=told: "/talker" in told, "the parameters", 60.0)  # type: ignore[misc]
                node.destroy_node()
    with BagReader(tmp_path / "bag") as bag:
        custom = bag.info.custom
    assert yaml.safe_load(custom["parameters"])["/talker"]["speed"] == 1
    assert yaml.safe_load(custom["parameters_changed"]) == {"/talker": ["speed"]}
    facts = _facts(custom)
    assert facts.of("talker", "colour", "") == "red"
    with pytest.raises(BagError, match="talker nodes had different values of speed; record each trial"):
        facts.of("talker", "speed", 0)


# --- types ------------------------------------------------------------------------------------------------------------


def test_a_publisher_with_another_version_of_a_message_is_told() -> None:
    here = load_definition("std_msgs/msg/String", share_folders())
    same, other, silent = (
        SimpleNamespace(node_name="elsewhere", topic_type_hash=SimpleNamespace(version=version, value=value))
        for version, value in (
            (1, bytes.fromhex(here.type_hash.removeprefix("RIHS01_"))),
            (1, bytes(31) + b"\1"),
            (0, bytes(32)),
        )
    )
    recorder_node._require_same("/note", here, [same, silent])
    with pytest.raises(
        BagError, match=r"node elsewhere publishes std_msgs/msg/String of hash RIHS01_0+1, .*build the same"
    ):
        recorder_node._require_same("/note", here, [same, other])


def test_a_topic_of_two_types_is_told_and_the_others_are_recorded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with own_domain() as domain, talker(domain) as one, talker(domain) as other:
        one.create_publisher(String, "both", 1)
        other.create_publisher(UInt64, "both", 1)
        until(lambda: ("/both", 2) in [(n, len(t)) for n, t in one.get_topic_names_and_types()], "both types")
        note = one.create_publisher(String, "note", 10)
        with recording(tmp_path / "bag", domain) as recorder:
            until(lambda: note.get_subscription_count() > 0, "the recorder", 60.0)
            until(lambda: "/both" in recorder._seen, "the topic of two types", 60.0)
            note.publish(String(data="x"))
            assert note.wait_for_all_acked()
    with BagReader(tmp_path / "bag") as bag:
        assert bag.info.counts["/note"] == 1
        told = capfd.readouterr().err
        # a recorder that saw one of the publishers before the other records that one's type, and says nothing
        assert ("/both" in bag.topics) is not ("topic /both: got the types" in told)
