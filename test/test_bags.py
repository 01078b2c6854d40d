"""Bags of the running graph: nothing is missing, other tools read them, and what was decided is computed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String, UInt64

from vnb_bringup.bags.definitions import load_definition, share_folders
from vnb_bringup.bags.metadata import BagInfo
from vnb_bringup.bags.nodes import recorder_node
from vnb_bringup.bags.nodes.recorder_node import RecorderNode
from vnb_bringup.bags.nodes.types import message_class
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.cli import main
from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.recording import recorded
from vnb_bringup.graph.testing import MAX_STEPS, SETTINGS, Wiretap, graph, scenario, until
from vnb_bringup.replay.compare import differences
from vnb_bringup.report.record import TrialRecord
from vnb_grasp.errors import BagError
from vnb_grasp.nodes import qos
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning

pytestmark = pytest.mark.ros

NOT_OURS = {"/rosout", "/parameter_events"}
"""Topics that the client library publishes by itself."""


WITNESSED = ("/belief", "/hand/command", "/planner/goal")


T = TypeVar("T")


@dataclass(frozen=True)
class Recorded:
    """A trial, its bag, what was published, and the bytes that another subscriber received."""

    bag: Path
    record: TrialRecord
    published: Wiretap
    received: dict[str, list[bytes]]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    bag = tmp_path_factory.mktemp("a trial") / "bag"
    received: dict[str, list[bytes]] = {topic: [] for topic in WITNESSED}
    with graph() as running, open_context(running.domain) as context, Wiretap() as published:
        witness = VnbNode("witness", context=context)
        for topic in WITNESSED:
            kind = next(message_class(t) for n, (t,) in running.conductor.get_topic_names_and_types() if n == topic)
            witness.create_subscription(kind, topic, received[topic].append, 200, raw=True)
        with spinning(context, [witness]), recorded(running, bag, notes={"versions": "{}"}):
            record = running.conductor.run(scenario(), SETTINGS, max_steps=MAX_STEPS)
            until(lambda: published.counts["/belief"] == published.counts["/observation"], "the last belief", 60.0)
            until(lambda: len(received["/belief"]) == published.counts["/belief"], "the witness to hear it", 60.0)
        witness.destroy_node()
    assert (record.error_code, record.error_message) == (0, "")
    return Recorded(bag, record, published, received)


# --- a whole trial ----------------------------------------------------------------------------------------------------


def by_topic(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    with BagReader(path) as bag:
        for message in bag.messages():
            found.setdefault(message.topic, []).append(message.data)
    return ours(found)


def ours(by_topic: Mapping[str, T]) -> dict[str, T]:
    return {topic: value for topic, value in by_topic.items() if topic not in NOT_OURS}


def test_every_message_that_was_published_is_there(trial: Recorded) -> None:
    found = by_topic(trial.bag)
    assert {topic: len(data) for topic, data in found.items()} == ours(trial.published.counts)
    assert len(found["/observation"]) >= MAX_STEPS
    assert {"/belief", "/hand/command", "/hand/tactile", "/planner/status", "/clock", "/ground_truth"} <= set(found)
    with BagReader(trial.bag) as bag:
        assert bag.complete
        kinds = {name: message_class(topic.type) for name, topic in bag.topics.items()}
    for topic, data in found.items():
        for mine, theirs in zip(data, trial.published.data[topic], strict=True):
            sent, kept = (deserialize_message(item, kinds[topic]) for item in (theirs, mine))
            assert differences(sent, kept) == {}


def test_the_bytes_are_those_that_another_subscriber_receives(trial: Recorded) -> None:
    """Serializing a message twice may fill its padding otherwise; between processes it is padded to four bytes."""
    found = by_topic(trial.bag)
    for topic in WITNESSED:
        for kept, heard in zip(found[topic], trial.received[topic], strict=True):
            assert kept == heard + bytes(-len(heard) % 4)
    assert len(trial.received["/belief"]) > MAX_STEPS


def test_an_independent_reader_decodes_all_of_it(trial: Recorded) -> None:
    reader = pytest.importorskip("mcap_ros2.reader")
    counts: dict[str, int] = {}
    steps, means = [], []
    for message in reader.read_ros2_messages(str(trial.bag / "bag_0.mcap")):
        counts[message.channel.topic] = counts.get(message.channel.topic, 0) + 1
        if message.channel.topic == "/planner/status":
            steps.append(message.ros_msg.step)
        if message.channel.topic == "/belief":
            means.append(list(message.ros_msg.means))
    assert ours(counts) == ours(trial.published.counts)
    assert steps == [step.step for step in trial.record.steps]
    belief = message_class("vnb_msgs/msg/Belief")
    assert means == [list(deserialize_message(d, belief).means) for d in trial.published.data["/belief"]]


def test_profiles_hashes_and_parameters_are_kept(trial: Recorded) -> None:
    with BagReader(trial.bag) as bag:
        for name, topic in bag.topics.items():
            assert topic.type_hash == load_definition(topic.type, share_folders()).type_hash != "", name
            assert topic.qos, name
        assert [offer.durability for offer in bag.topics["/planner/goal"].qos] == ["transient_local"]
        assert {offer.reliability for offer in bag.topics["/belief"].qos} == {"reliable"}
        assert bag.mismatches(share_folders()) == []
        assert "/belief:\n  belief: prior" in bag.info.custom["parameters"]
        assert bag.info.custom["dropped"].strip() == "{}"
        assert bag.info.custom["versions"] == "{}"


# --- computed again ---------------------------------------------------------------------------------------------------


def replayed(trial: Recorded, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    status = main(["replay", str(trial.bag), "--out", str(out), *options])
    return status, json.loads((out / "replay.json").read_text())


@pytest.mark.parametrize("source", ["observation", "belief"])
def test_computed_again_it_is_the_same_to_the_bit(trial: Recorded, source: str, tmp_path: Path) -> None:
    status, told = replayed(trial, tmp_path, "--from", source)
    assert (status, told["exact"]) == (0, True)
    beliefs = trial.published.counts["/belief"] if source == "observation" else 0
    assert told["beliefs"]["equal"] == told["beliefs"]["compared"] == beliefs
    decided = [grasp["decisions"]["equal"] for grasp in told["grasps"]]
    assert len(decided) == trial.record.attempts == trial.published.counts["/planner/goal"]
    assert sum(decided) == len(trial.record.steps)
    assert all(grasp["commands"]["equal"] == grasp["commands"]["compared"] > 0 for grasp in told["grasps"])
    assert told["grasps"][-1]["ended"] == [trial.record.stop_reason] * 2
    assert "The same to the bit" in (tmp_path / "replay.md").read_text()


@pytest.mark.parametrize(
    ("options", "same_beliefs", "expected"),
    [
        (["--method", "scripted"], True, {"method": ["vnb", "scripted"], "beta": [0.9, 0.9]}),
        (["--beta", "0"], True, {"method": ["vnb", "vnb"], "beta": [0.9, 0.0]}),
        (["--belief", "particle_filter"], False, {"method": ["vnb", "vnb"]}),
    ],
)
def test_what_would_another_have_done(
    trial: Recorded, options: list[str], same_beliefs: bool, expected: dict[str, Any], tmp_path: Path
) -> None:
    status, told = replayed(trial, tmp_path, *options)
    assert (status, told["exact"]) == (0, False)
    assert (told["beliefs"]["compared"] == told["beliefs"]["equal"]) is same_beliefs
    grasp = told["grasps"][0]
    assert {name: grasp[name] for name in expected} == expected
    assert grasp["decisions"]["equal"] < grasp["decisions"]["compared"]
    assert grasp["choices"]
    assert "would have been others too" in (tmp_path / "replay.md").read_text()


def test_a_bag_without_the_decision_loop_is_told(
    trial: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = run_recorder_beside(tmp_path / "bag", lambda node: node.create_publisher(String, "note", 1))
    assert status.count == 0
    assert main(["replay", str(tmp_path / "bag")]) == 1
    assert "lacks /observation (vnb_msgs/msg/Observation)" in capsys.readouterr().err
    assert main(["replay", str(trial.bag), "--method", "nobody"]) == 2
    assert "expected one of" in capsys.readouterr().err
    assert main(["replay", str(trial.bag), "--from", "pictures"]) == 2


# --- the recorder -----------------------------------------------------------------------------------------------------


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
            until(lambda: node.count_subscribers(wanted.split(",")[0]) > 0, "the recorder")
            if isinstance(prepared, list):
                until(lambda: all(p.get_subscription_count() for p in prepared), "the recorder to connect")
            if act is not None:
                act(prepared)
    with BagReader(folder) as bag:
        return bag.info, [(m.topic, m.data) for m in bag.messages()]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_late_recorder_hears_what_was_latched(storage: str, tmp_path: Path) -> None:
    def prepare(node: Node) -> list[Any]:
        latched, plain = node.create_publisher(String, "note", qos.LATCHED), node.create_publisher(String, "plain", 10)
        latched.publish(String(data="before"))
        plain.publish(String(data="nobody listens yet"))
        return [latched, plain]

    def act(publishers: list[Any]) -> None:
        for i in range(30):
            publishers[1].publish(String(data=f"message {i}"))

    info, found = run_recorder_beside(tmp_path / "a bag", prepare, act, storage=storage)
    assert info.storage == storage
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
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    def prepare(node: Node) -> list[Any]:
        unreliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        return [node.create_publisher(String, "note", 10), node.create_publisher(String, "note", unreliable)]

    def act(publishers: list[Any]) -> None:
        for publisher in publishers:
            publisher.publish(String(data="x"))

    info, found = run_recorder_beside(tmp_path / "bag", prepare, act)
    assert len(found) == 2
    (topic,) = (topic for topic in info.topics if topic.name == "/note")
    assert sorted(offer.reliability for offer in topic.qos) == ["best_effort", "reliable"]


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
        until(lambda: publisher.get_subscription_count() > 0, "the recorder")
        for i in range(400):
            publisher.publish(UInt64(data=i))
            sent.append((time.monotonic(), i))
            time.sleep(0.005)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
        assert process.wait(20.0) == -signal.SIGKILL
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recorder_closes_its_bag(number: int, tmp_path: Path) -> None:
    with (
        own_domain() as domain,
        talker(domain) as node,
        recorder_process(tmp_path / "bag", domain) as process,
    ):
        publisher = node.create_publisher(String, "note", 10)
        until(lambda: publisher.get_subscription_count() > 0, "the recorder")
        for _ in range(5):
            publisher.publish(String(data="x"))
        assert publisher.wait_for_all_acked()
        process.send_signal(number)
        assert process.wait(20.0) == 0
    with BagReader(tmp_path / "bag") as bag:
        assert bag.complete
        assert bag.info.counts["/note"] == 5
