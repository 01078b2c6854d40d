"""Bags of the running graph: nothing is missing, other tools read them, and what was decided is computed again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.serialization import deserialize_message

from vnb_bringup.bags.definitions import load_definition, share_folders
from vnb_bringup.bags.nodes.types import message_class
from vnb_bringup.bags.reader import BagMessage, BagReader
from vnb_bringup.bags.testing import texts, write_bag
from vnb_bringup.bags.writer import BagWriter
from vnb_bringup.cli import main
from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.recording import recorded
from vnb_bringup.graph.testing import MAX_STEPS, SETTINGS, Wiretap, graph, scenario, until
from vnb_bringup.replay.compare import differences
from vnb_bringup.report.record import TrialRecord
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
            until(lambda: len(received["/belief"]) > MAX_STEPS, "the witness", 60.0)
            until(lambda: still(published), "the graph to be still", 60.0)
        witness.destroy_node()
    assert (record.error_code, record.error_message) == (0, "")
    return Recorded(bag, record, published, received)


def still(published: Wiretap) -> bool:
    """Return whether nothing is published for a second: what follows the last command is on its way for a while."""
    before = dict(published.counts)
    time.sleep(1.0)
    return dict(published.counts) == before


# --- a whole trial ----------------------------------------------------------------------------------------------------


def by_topic(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    with BagReader(path) as bag:
        for message in bag.messages():
            found.setdefault(message.topic, []).append(message.data)
    return ours(found)


def ours(by_topic: Mapping[str, T]) -> dict[str, T]:
    return {topic: value for topic, value in by_topic.items() if topic not in NOT_OURS}


EARLY = {"/target_object": 1}
"""The bridge names its object as it starts, before anybody can count."""


def test_every_message_that_was_published_is_there(trial: Recorded) -> None:
    found = by_topic(trial.bag)
    assert {topic: len(data) for topic, data in found.items()} == {**ours(trial.published.counts), **EARLY}
    assert len(found["/observation"]) >= MAX_STEPS
    assert {"/belief", "/hand/command", "/hand/tactile", "/planner/status", "/clock", "/ground_truth"} <= set(found)
    with BagReader(trial.bag) as bag:
        assert bag.complete
        kinds = {name: message_class(topic.type) for name, topic in bag.topics.items()}
    for topic, data in found.items():
        for mine, theirs in zip(data, trial.published.data.get(topic, data), strict=True):
            sent, kept = (deserialize_message(item, kinds[topic]) for item in (theirs, mine))
            assert differences(sent, kept) == {}


def test_the_bytes_are_those_that_another_subscriber_receives(trial: Recorded) -> None:
    """Serializing a message twice may fill its padding otherwise; between processes it is padded to four bytes."""
    found = by_topic(trial.bag)
    for topic in WITNESSED:
        assert {data + bytes(-len(data) % 4) for data in trial.received[topic]} <= set(found[topic])
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
    assert ours(counts) == {**ours(trial.published.counts), **EARLY}
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


def cut(trial: Recorded, folder: Path, keep: Callable[[int, BagMessage], bool]) -> Recorded:
    """Copy a bag without some of its messages."""
    with BagReader(trial.bag) as bag, BagWriter(folder / "bag", custom=bag.info.custom) as writer:
        for topic in bag.topics.values():
            writer.add_topic(topic, bag.definitions[topic.type])
        for number, message in enumerate(bag.messages()):
            if keep(number, message):
                writer.write(message.topic, message.time, message.data, message.published)
    return replace(trial, bag=folder / "bag")


def test_a_recording_that_breaks_off_or_lacks_a_message(
    trial: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = [(m.topic, m.data) for m in BagReader(trial.bag).messages()]
    beliefs = [i for i, (topic, _) in enumerate(order) if topic == "/belief"]
    killed = cut(trial, tmp_path / "killed", lambda i, _: i < beliefs[12])
    status, told = replayed(killed, tmp_path / "killed")
    assert (status, told["exact"], told["beliefs"]["compared"], told["beliefs_beyond_the_end"]) == (0, True, 12, 1)
    assert "ends before the beliefs of its last 1 observation" in (tmp_path / "killed" / "replay.md").read_text()

    holed = cut(trial, tmp_path / "holed", lambda i, _: i != beliefs[12])
    status, told = replayed(holed, tmp_path / "holed")
    assert (status, told["exact"], told["beliefs"]["unpaired"]) == (1, False, 1)

    status_type = message_class("vnb_msgs/msg/PlannerStatus")
    late = cut(
        trial,
        tmp_path / "late",
        lambda _, m: m.topic != "/planner/status" or deserialize_message(m.data, status_type).step > 0,
    )
    assert main(["replay", str(late.bag), "--out", str(tmp_path / "late")]) == 1
    assert "holds no grasp from its first decision on; begin recording earlier" in capsys.readouterr().err


def test_another_checkpoint_decides_otherwise_and_a_missing_one_is_told(
    trial: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = replayed(trial, tmp_path, "--belief", "learned")
    assert (status, told["exact"]) == (0, False)
    assert told["beliefs"]["equal"] < told["beliefs"]["compared"] == trial.published.counts["/belief"]
    arguments = ["replay", str(trial.bag), "--belief", "learned", "--checkpoint", str(tmp_path / "gone.pt")]
    assert main(arguments) == 1
    assert "gone.pt" in capsys.readouterr().err


def test_a_bag_without_the_decision_loop_is_told(
    trial: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write_bag(tmp_path / "bag", texts(3)))]) == 1
    assert "lacks /observation (vnb_msgs/msg/Observation)" in capsys.readouterr().err
    assert main(["replay", str(trial.bag), "--method", "nobody"]) == 2
    assert "expected one of" in capsys.readouterr().err
    assert main(["replay", str(trial.bag), "--from", "pictures"]) == 2
