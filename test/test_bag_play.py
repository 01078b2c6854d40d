"""Playing a bag: what subscribers hear is what was recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vnb_msgs")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from vnb_bringup.bags.definitions import Definition, load_definition, share_folders
from vnb_bringup.bags.metadata import Qos, Topic
from vnb_bringup.bags.nodes.player_node import PlayerNode
from vnb_bringup.bags.nodes.types import publishing_qos, subscribing_qos
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.schedule import PlayOptions
from vnb_bringup.bags.testing import START
from vnb_bringup.bags.writer import BagWriter
from vnb_bringup.cli import main
from vnb_bringup.graph.composition import open_context
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.testing import until
from vnb_bringup.replay.recording import TOPICS as LOOP
from vnb_grasp.errors import BagError, UnknownNameError
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning

pytestmark = pytest.mark.ros

STRING = load_definition("std_msgs/msg/String", share_folders())
CLOCK = load_definition("rosgraph_msgs/msg/Clock", share_folders())
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
PERIOD = 10_000_000


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Twenty notes 10 ms apart with a clock beside them, after one latched word."""
    with BagWriter(tmp_path / "a bag") as writer:
        writer.add_topic(Topic("/note", STRING.name, STRING.type_hash, (Qos(),)), STRING)
        writer.add_topic(Topic("/word", STRING.name, STRING.type_hash, (Qos(durability="transient_local"),)), STRING)
        writer.add_topic(Topic("/clock", CLOCK.name, CLOCK.type_hash, (Qos(),)), CLOCK)
        writer.write("/word", START, serialize_message(String(data="once")))
        for i in range(20):
            writer.write("/note", START + i * PERIOD, serialize_message(String(data=f"note {i}")))
            writer.write("/clock", START + i * PERIOD, serialize_message(Clock()))
    return tmp_path / "a bag"


@contextmanager
def played(bag: Path, topics: list[str] | None = None, **options: Any) -> Iterator[tuple[Any, dict[str, list[Any]]]]:
    """Play a bag to subscribers; yields the player and what was heard by topic, bytes for all but the clock."""
    heard: dict[str, list[Any]] = {"/note": [], "/word": [], "/clock": []}
    with own_domain() as domain, open_context(domain) as context, BagReader(bag) as reader:
        player = PlayerNode(reader, topics, PlayOptions(**options), context=context)
        listener = VnbNode("listener", context=context)
        listener.create_subscription(String, "/note", lambda data: heard["/note"].append(data), 100, raw=True)
        listener.create_subscription(Clock, "/clock", lambda message: heard["/clock"].append(message), BEST_EFFORT)
        with spinning(context, [listener]):
            for publisher in player.publishers:
                if publisher.topic_name in heard and publisher.topic_name != "/word":
                    until(lambda p=publisher: p.get_subscription_count() > 0, publisher.topic_name)
            player.play(threading.Event())
            listener.create_subscription(String, "/word", lambda data: heard["/word"].append(data), LATCHED, raw=True)
            yield player, heard
        player.destroy_node()
        listener.destroy_node()


def recorded(bag: Path, topic: str) -> list[bytes]:
    with BagReader(bag) as reader:
        return [message.data for message in reader.messages([topic])]


def test_subscribers_hear_every_byte_and_the_latched_word_late(bag: Path) -> None:
    with played(bag, rate=4.0) as (player, heard):
        until(lambda: len(heard["/note"]) == 20 and heard["/word"], "all messages")
        assert dict(player.published) == {"/note": 20, "/word": 1, "/clock": 20}
    padded = [data + bytes(-len(data) % 4) for data in heard["/note"]]
    assert padded == [data + bytes(-len(data) % 4) for data in recorded(bag, "/note")]
    assert [data.rstrip(b"\0") for data in heard["/word"]] == [data.rstrip(b"\0") for data in recorded(bag, "/word")]


def test_topics_start_and_clock_are_chosen(bag: Path) -> None:
    with played(bag, ["/note", "/clock"], start=0.1, clock=100.0) as (player, heard):
        until(lambda: len(heard["/note"]) == 10 and len(heard["/clock"]) >= 5, "the second half")
        assert not heard["/word"]
        assert dict(player.published) == {"/note": 10}
        assert [publisher.topic_name for publisher in player.publishers].count("/clock") == 1
    times = [message.clock.sec * 10**9 + message.clock.nanosec for message in heard["/clock"]]
    assert times == sorted(times)
    assert times[0] >= START + 10 * PERIOD - 1000 and times[-1] <= START + 19 * PERIOD


def test_what_was_latched_before_the_start_is_there(bag: Path) -> None:
    with played(bag, ["/note", "/word"], start=0.15) as (player, heard):
        until(lambda: bool(heard["/word"]), "the word")
        assert dict(player.published) == {"/note": 5, "/word": 1}


def test_a_loop_ends_when_it_is_told(bag: Path) -> None:
    ended = threading.Event()
    with own_domain() as domain, open_context(domain) as context, BagReader(bag) as reader:
        player = PlayerNode(reader, ["/note"], PlayOptions(rate=10.0, loop=True), context=context)
        thread = threading.Thread(target=player.play, args=(ended,))
        thread.start()
        until(lambda: player.published["/note"] > 45, "the third round")
        ended.set()
        thread.join(20.0)
        assert not thread.is_alive()
        player.destroy_node()


def test_what_cannot_be_played_is_told(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Definition("gone_msgs/msg/Gone", "string data\n")
    changed = Definition(STRING.name, "wstring data\n", "RIHS01_" + "00" * 32)
    for name, definition in (("gone", gone), ("changed", changed)):
        with BagWriter(tmp_path / name) as writer:
            writer.add_topic(Topic("/note", definition.name, definition.type_hash, (Qos(),)), definition)
    with own_domain() as domain, open_context(domain) as context:
        for name, expected in (
            ("gone", "install or build gone_msgs"),
            ("changed", "`wstring data`, which is not there"),
        ):
            with BagReader(tmp_path / name) as reader, pytest.raises(BagError, match=expected):
                PlayerNode(reader, context=context)
        with BagReader(bag) as reader, pytest.raises(UnknownNameError, match="/note"):
            PlayerNode(reader, ["/notes"], context=context)
    assert main(["bag", "play", str(tmp_path / "changed"), "--delay", "0"]) == 1
    assert "recorded with other messages" in capsys.readouterr().err
    assert main(["bag", "play", str(bag), "--topic", "notes"]) == 2


def test_every_reader_refuses_messages_of_another_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, shares = tmp_path / "old", share_folders()
    with BagWriter(folder) as writer:
        for name, kind in LOOP.items():
            definition = load_definition(kind, shares)
            if name == "belief":
                old = definition.text.replace("float64[] means", "float32[] means")
                assert old != definition.text
                definition = Definition(kind, old, "RIHS01_" + "00" * 32)
            writer.add_topic(Topic(f"/{name}", kind, definition.type_hash, (Qos(),)), definition)
    for command in (["replay"], ["view", "--port", "0", "--bag"], ["bag", "play", "--delay", "0"]):
        assert main([*command, str(folder)]) == 1
        told = capsys.readouterr().err
        assert "recorded with other messages" in told and "float32[] means" in told, command
        assert "Traceback" not in told
    assert main(["bag", "info", str(folder)]) == 0
    assert "vnb_msgs/msg/Belief" in capsys.readouterr().out


def test_an_empty_bag_and_names_without_a_slash(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    BagWriter(tmp_path / "empty").close()
    with own_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        assert main(["bag", "play", str(tmp_path / "empty"), "--delay", "0"]) == 0
        assert main(["bag", "play", str(bag), "--topic", "word", "--delay", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Played 0 messages on 0 topics.", "Played 1 messages on 1 topics."]


def test_profiles_hear_and_serve_everybody() -> None:
    reliable, best_effort = Qos(), Qos(reliability="best_effort")
    latched = Qos(durability="transient_local")
    for offers, listening, publishing in (
        ((reliable,), (True, False), (True, False)),
        ((reliable, best_effort), (False, False), (False, False)),
        ((latched, latched), (True, True), (True, True)),
        ((latched, reliable), (True, False), (True, False)),
        ((), (True, True), (True, False)),
    ):
        heard, served = subscribing_qos(offers, 7), publishing_qos(offers, 7)
        for profile, expected in ((heard, listening), (served, publishing)):
            assert profile.depth == 7
            assert profile.reliability == (ReliabilityPolicy.RELIABLE if expected[0] else ReliabilityPolicy.BEST_EFFORT)
            assert (profile.durability == DurabilityPolicy.TRANSIENT_LOCAL) is expected[1]
