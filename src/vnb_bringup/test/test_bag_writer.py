"""Bags on disk: what is written is read again, by us and by independent readers."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vnb_bringup.bags import metadata
from vnb_bringup.bags.metadata import VERSION, BagInfo
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.recover import recover
from vnb_bringup.bags.storage import STORAGES
from vnb_bringup.bags.testing import START, TEXT, TOPICS, kept, read_bag, texts, write_bag
from vnb_bringup.bags.writer import BagWriter
from vnb_grasp.errors import BagError, UnknownNameError

BOTH = pytest.mark.parametrize("storage", list(STORAGES))


@BOTH
@settings(max_examples=15, deadline=None)
@given(
    bodies=st.lists(st.tuples(st.sampled_from(["/stamped", "/text"]), st.binary(max_size=300)), max_size=30),
    split=st.sampled_from([0, 500]),
)
def test_bytes_and_times_come_back(storage: str, bodies: list[tuple[str, bytes]], split: int) -> None:
    messages = [(topic, START + 7 * i, START + 7 * i - 3, body) for i, (topic, body) in enumerate(bodies)]
    with tempfile.TemporaryDirectory() as folder:
        bag = write_bag(Path(folder) / "a bag", messages, storage, split)
        assert read_bag(bag) == [kept(message, storage) for message in messages]
        info = metadata.load(bag / metadata.NAME)
        assert info.count == len(messages)
        assert [file.count for file in info.files] == [len(read_bag(bag / file.path)) for file in info.files]


@BOTH
def test_a_split_bag_is_read_in_the_order_of_reception(storage: str, tmp_path: Path) -> None:
    messages = [("/text", START + time, START + time, bytes([time])) for time in (3, 1, 2, 6, 5, 4)]
    bag = write_bag(tmp_path / "bag", messages, storage, split_bytes=1)
    assert len(metadata.load(bag / metadata.NAME).files) == len(messages)
    assert read_bag(bag) == sorted(messages, key=lambda message: message[1])


@pytest.mark.parametrize("compress", [True, False])
def test_chunks_are_compressed_or_not(compress: bool, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", compress=compress) as writer:
        writer.add_topic(*TOPICS[1])
        for topic, received, published, data in texts(2000):
            writer.write(topic, received, data, published)
    assert read_bag(tmp_path / "bag") == texts(2000)
    assert (b"message 1000" in (tmp_path / "bag" / "bag_0.mcap").read_bytes()) is not compress


@BOTH
def test_everything_that_belongs_to_a_bag_is_kept(storage: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(5), storage)
    with BagReader(bag) as reader:
        assert reader.complete
        assert list(reader.topics.values()) == [topic for topic, _ in TOPICS]
        assert reader.definitions == {definition.name: definition for _, definition in TOPICS}
        assert reader.info.custom == {"about": "a test"}
        assert reader.info.counts == {"/stamped": 0, "/text": 5}
        assert (reader.info.start, reader.info.end) == (START, START + 4_000_000)
        assert (reader.info.storage, reader.info.version) == (storage, VERSION)


@BOTH
def test_topics_and_times_are_chosen(storage: str, tmp_path: Path) -> None:
    messages = [*texts(10), ("/stamped", START + 2_500_000, START, b"\0\1\0\0")]
    with BagReader(write_bag(tmp_path / "bag", messages, storage)) as bag:
        times = [m.time - START for m in bag.messages(["/text"], START + 2_000_000, START + 5_000_000)]
        assert times == [2_000_000, 3_000_000, 4_000_000]
        assert [m.topic for m in bag.messages(start=START + 2_000_000, end=START + 3_000_000)] == ["/text", "/stamped"]
        assert list(bag.messages([])) == []
        with pytest.raises(UnknownNameError, match="/text"):
            list(bag.messages(["/txt"]))


@BOTH
def test_late_news_and_topics_are_in_every_file(storage: str, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", storage, 200) as writer:
        writer.add_topic(*TOPICS[1])
        for name, received, published, data in texts(20):
            writer.write(name, received, data, published)
        writer.note({"parameters": "{}"})
        writer.add_topic(*TOPICS[0])
        writer.add_topic(*TOPICS[0])
        writer.write("/stamped", START + 10**9, b"\0\1\0\0")
    info = metadata.load(tmp_path / "bag" / metadata.NAME)
    assert len(info.files) > 1
    assert info.custom == {"parameters": "{}"}
    with BagReader(tmp_path / "bag" / info.files[-1].path) as last:
        assert set(last.topics) == {"/text", "/stamped"}
        assert last.info.custom == {"parameters": "{}"}


@BOTH
def test_an_empty_bag_is_a_bag(storage: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [], storage)
    assert read_bag(bag) == []
    with BagReader(bag) as reader:
        assert (reader.complete, reader.info.count, reader.info.start, reader.info.end) == (True, 0, 0, 0)
    assert recover(bag).count == 0


@BOTH
def test_wrong_use_of_a_writer(storage: str, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", storage) as writer:
        with pytest.raises(BagError, match="add_topic first"):
            writer.write("/text", START, b"")
        writer.add_topic(*TOPICS[1])
        with pytest.raises(BagError, match="recorded with std_msgs/msg/String"):
            writer.add_topic(metadata.Topic("/text", "std_msgs/msg/Bool"), TEXT)
    with pytest.raises(BagError, match="is there already"):
        BagWriter(tmp_path / "bag", storage)
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot be made"):
        BagWriter(tmp_path / "file" / "bag", storage)
    with pytest.raises(UnknownNameError, match="mcap"):
        BagWriter(tmp_path / "other", "rosbag1")


def test_an_independent_mcap_reader_decodes_it(tmp_path: Path) -> None:
    mcap_ros2 = pytest.importorskip("mcap_ros2.reader")
    bag = write_bag(tmp_path / "bag", texts(30), split_bytes=1)
    found = [
        (m.channel.topic, m.log_time_ns, m.publish_time_ns, m.ros_msg.data)
        for file in sorted(bag.glob("*.mcap"), key=lambda path: int(path.stem.rpartition("_")[2]))
        for m in mcap_ros2.read_ros2_messages(str(file))
    ]
    assert found == [
        (name, received, published, f"message {i}") for i, (name, received, published, _) in enumerate(texts(30))
    ]


@BOTH
def test_an_independent_rosbag2_reader_reads_it(storage: str, tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    bag = write_bag(tmp_path / "bag", texts(30), storage, 43_000 if storage == "sqlite3" else 1000)
    with rosbag2.Reader(bag) as reader:
        assert reader.message_count == 30
        found = [(connection.topic, time, bytes(data)) for connection, time, data in reader.messages()]
        offers = {
            c.topic: [profile.durability.name.lower() for profile in c.ext.offered_qos_profiles]
            for c in reader.connections
        }
    assert found == [(name, received, data) for name, received, _, data in texts(30)]
    assert offers == {"/stamped": ["volatile"], "/text": ["transient_local", "volatile"]}


@pytest.mark.parametrize("plugin", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("version", [8, 9])
def test_bags_of_another_writer_are_read(plugin: str, version: int, tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    bag = tmp_path / "bag"
    with rosbag2.Writer(bag, version=version, storage_plugin=rosbag2.StoragePlugin[plugin]) as writer:
        connection = writer.add_connection("/text", TEXT.name, typestore=store)
        for _, received, _, data in texts(4):
            writer.write(connection, received, data)
    with BagReader(bag) as reader:
        assert [(m.topic, m.time, m.data) for m in reader.messages()] == [(n, t, d) for n, t, _, d in texts(4)]
        assert reader.topics["/text"].type == TEXT.name
        assert reader.definitions[TEXT.name].type_hash.startswith("RIHS01_")
        assert reader.info.version == version


def test_what_rosbag2_looks_for_in_an_sqlite_file_of_a_killed_recorder_is_there(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag", "sqlite3", custom={"about": "a test"})
    writer.flush()
    with sqlite3.connect(tmp_path / "bag" / "bag_0.db3") as db:
        (text,) = db.execute("SELECT metadata FROM metadata ORDER BY id").fetchone()
    writer.close()
    told = yaml.safe_load(text)
    assert set(told) == set(metadata.dump(BagInfo("sqlite3", (), (), {})))
    assert told["custom_data"] == {"about": "a test"}
