"""Bags whose recorder was killed, or that were damaged, are read as far as they go, and made whole."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from mcap.reader import make_reader
from mcap.writer import Writer

from vnb_bringup.bags import metadata
from vnb_bringup.bags.lock import is_being_written
from vnb_bringup.bags.metadata import Qos
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.recover import recover
from vnb_bringup.bags.storage import STORAGES
from vnb_bringup.bags.storage_mcap import McapFile
from vnb_bringup.bags.testing import START, TEXT, TOPICS, Written, kept, read_bag, texts, write_bag
from vnb_bringup.bags.writer import BagWriter
from vnb_grasp.errors import BagError

KILLED = """
import os, signal, sys
from pathlib import Path
from vnb_bringup.bags.testing import kept, TOPICS, texts
from vnb_bringup.bags.writer import BagWriter
writer = BagWriter(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), {"about": "a test"})
for topic, definition in TOPICS:
    writer.add_topic(topic, definition)
for number, (name, received, published, data) in enumerate(texts(60)):
    if number == 50:
        writer.flush()
    writer.write(name, received, data, published)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=[("mcap", 0), ("mcap", 1000), ("sqlite3", 0), ("sqlite3", 43_000)], ids=str)
def orphan(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A bag whose writer was killed after it had flushed 50 messages and taken ten more."""
    storage, split = request.param
    bag = tmp_path / "bag"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    command = [sys.executable, "-c", KILLED, str(bag), storage, str(split)]
    status = subprocess.run(command, env=environment, check=False, timeout=60).returncode
    assert status == -signal.SIGKILL
    return bag, storage


def test_what_was_flushed_survives_the_writer(orphan: tuple[Path, str]) -> None:
    bag, storage = orphan
    expected = [kept(message, storage) for message in texts(60)]
    with BagReader(bag) as reader:
        assert not reader.complete
        found = [(m.topic, m.time, m.published, m.data) for m in reader.messages()]
        assert reader.info.count == len(found)
        assert reader.info.custom["about"] == "a test"
    assert len(found) >= 50
    assert found == expected[: len(found)]


def test_a_recovered_bag_is_a_whole_one_for_everybody(orphan: tuple[Path, str]) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    bag, _ = orphan
    before = read_bag(bag)
    info = recover(bag)
    assert info.count == len(before)
    assert info.custom["about"] == "a test"
    assert read_bag(bag) == before
    with BagReader(bag) as reader:
        assert reader.complete
    with rosbag2.Reader(bag) as reader:
        assert [bytes(data) for _, _, data in reader.messages()] == [data for *_, data in before]
    assert recover(bag) == info
    assert sorted(path.name for path in bag.iterdir()) == sorted(["metadata.yaml", *(file.path for file in info.files)])


@pytest.mark.parametrize("storage", list(STORAGES))
def test_a_bag_that_is_still_being_written_is_not_mended(storage: str, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", storage) as writer:
        writer.add_topic(*TOPICS[1])
        for number, (topic, received, published, data) in enumerate(texts(20)):
            if number == 10:
                writer.flush()
                assert is_being_written(tmp_path / "bag")
                with pytest.raises(BagError, match="still being written; end the recorder first"):
                    recover(tmp_path / "bag")
            writer.write(topic, received, data, published)
    assert not is_being_written(tmp_path / "bag")
    assert recover(tmp_path / "bag").count == 20
    assert read_bag(tmp_path / "bag") == [kept(message, storage) for message in texts(20)]


@pytest.mark.parametrize("storage", list(STORAGES))
def test_reading_a_bag_that_is_being_written_does_not_hold_up_its_writer(storage: str, tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag", storage)
    writer.add_topic(*TOPICS[1])
    expected = [kept(message, storage) for message in texts(600)]
    for count, (topic, received, published, data) in enumerate(texts(300)):
        writer.write(topic, received, data, published)
        if count == 200:
            writer.flush()
    with BagReader(tmp_path / "bag") as reader:
        found = reader.messages()
        first = next(found)
        assert (first.topic, first.time, first.published, first.data) == expected[0]
        for topic, received, published, data in texts(600)[300:]:
            writer.write(topic, received, data, published)
            writer.flush()
        writer.close()
        assert len(list(found)) >= 200
    assert read_bag(tmp_path / "bag") == expected
    assert len(list((tmp_path / "bag").iterdir())) == 2


def test_a_bag_that_rosbag2_compressed_is_left_as_it_is(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(5))
    path = bag / metadata.NAME
    path.write_text(path.read_text().replace("compression_mode: ''", "compression_mode: message"))
    before = {path: path.read_bytes() for path in bag.iterdir()}
    with pytest.raises(BagError, match="compressed by message"):
        recover(bag)
    assert {path: path.read_bytes() for path in bag.iterdir()} == before


def test_recovering_keeps_what_only_the_metadata_knows(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(5))
    path = bag / metadata.NAME
    told = metadata.load(path)
    offers = (*told.topics[1].qos, Qos(reliability="best_effort"))
    told = replace(told, topics=(told.topics[0], replace(told.topics[1], qos=offers)), custom={"added": "later"})
    path.write_text(metadata.dump_text(replace(told, counts={"/text": 99})))
    info = recover(bag)
    assert info.counts == {"/stamped": 0, "/text": 5}
    assert info.topics == told.topics
    assert info.custom == {"about": "a test", "added": "later"}
    assert metadata.load(path) == info


def test_a_bag_that_cannot_be_written_is_an_error_and_keeps_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_bag(tmp_path / "bag", texts(5))

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(BagError, match=r"cannot be mended \(Read-only file system\)"):
        recover(bag)
    assert metadata.load(bag / metadata.NAME).count == 5


def test_mending_keeps_definitions_in_another_language(tmp_path: Path) -> None:
    path = tmp_path / "bag" / "bag_0.mcap"
    path.parent.mkdir()
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start("ros2", "another")
        schema = writer.register_schema("a_msgs/msg/A", "ros2idl", b"module a_msgs {};")
        writer.add_message(writer.register_channel("/a", "cdr", schema, {"kept": "too"}), START, b"abcd", START)
        writer.flush()
    with pytest.raises(BagError):
        metadata.load(path.parent / metadata.NAME)
    assert recover(path.parent).count == 1
    with path.open("rb") as stream:
        ((found, channel, message),) = make_reader(stream).iter_messages()
    assert found is not None and (found.name, found.encoding, found.data) == (
        "a_msgs/msg/A",
        "ros2idl",
        b"module a_msgs {};",
    )
    assert (channel.topic, channel.metadata, message.data) == ("/a", {"kept": "too"}, b"abcd")


def many(count: int = 300) -> list[Written]:
    """Return messages that fill several chunks, and do not compress."""
    noise = [os.urandom(20_000) for _ in range(count)]
    return [("/stamped", START + i, START + i, body) for i, body in enumerate(noise)]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_file_is_read_up_to_its_break(share: float, tmp_path: Path) -> None:
    messages = many()
    path = write_bag(tmp_path / "bag", messages) / "bag_0.mcap"
    os.truncate(path, int(path.stat().st_size * share))
    with BagReader(path.parent) as reader:
        assert not reader.complete
        found = [(m.topic, m.time, m.published, m.data) for m in reader.messages()]
        assert reader.info.count == len(found)  # its metadata.yaml still tells of 300
    assert 0 < len(found) < 300 or share == 0.99
    assert found == messages[: len(found)]
    assert recover(path.parent).count == len(found)
    assert read_bag(path.parent) == found


def test_a_file_that_was_not_closed_is_ordered_with_little_of_it_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BagWriter(tmp_path / "bag")
    writer.add_topic(*TOPICS[1])
    late = [(2, 0, 1), (5, 3, 4, 4), (6,), (9, 7, 4)]  # a chunk each; times are those of reception
    for number, chunk in enumerate(late):
        for time in chunk:
            writer.write("/text", START + time, bytes([number, time]))
        writer.flush()
    loaded: list[int] = []
    load = McapFile._read_block

    def counting(self: McapFile, offset: int) -> list[Written]:
        loaded.append(offset)
        return load(self, offset)

    monkeypatch.setattr(McapFile, "_read_block", counting)
    with BagReader(tmp_path / "bag") as reader:
        assert not reader.complete
        found = reader.messages()
        assert [next(found).data for _ in range(3)] == [bytes([0, time]) for time in (0, 1, 2)]
        assert len(loaded) <= 2
        rest = [message.data for message in found]
        assert rest == [bytes(pair) for pair in ((1, 3), (1, 4), (1, 4), (3, 4), (1, 5), (2, 6), (3, 7), (3, 9))]
        part = reader.messages(start=START + 6, end=START + 9)
        assert [message.data for message in part] == [bytes([2, 6]), bytes([3, 7])]
    writer.close()


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_a_damaged_chunk_is_an_error_and_recovering_leaves_it_out(share: float, tmp_path: Path) -> None:
    messages = many()
    path = write_bag(tmp_path / "bag", messages) / "bag_0.mcap"
    data = bytearray(path.read_bytes())
    for i in range(64):
        data[int(len(data) * share) + i] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BagError, match="bag recover"):
        read_bag(path.parent)
    info = recover(path.parent)
    found = read_bag(path.parent)
    assert 200 < len(found) < 300
    assert info.count == len(found)
    assert set(found) < set(messages)


@pytest.mark.parametrize("storage", list(STORAGES))
@pytest.mark.parametrize("whole", [True, False], ids=["closed", "orphan"])
def test_flipped_bits_are_an_error_or_nothing(storage: str, whole: bool, tmp_path: Path) -> None:
    bag, random = write_bag(tmp_path / "bag", texts(20), storage), Random(0)
    if not whole:
        (bag / metadata.NAME).unlink()
    files = {path: path.read_bytes() for path in bag.iterdir()}
    for _ in range(40):
        for path in bag.iterdir():
            path.unlink()
        for path, sound in files.items():
            data = bytearray(sound)
            for _ in range(3):
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            path.write_bytes(data)
        for act in (read_bag, recover):
            with suppress(BagError):
                act(bag)


@pytest.mark.parametrize("storage", list(STORAGES))
def test_an_unreadable_quality_of_service_is_an_error(storage: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(5), storage)
    path = bag / f"bag_0{STORAGES[storage].suffix}"
    if storage == "sqlite3":
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE topics SET offered_qos_profiles = '- history: [' WHERE name = '/text'")
    else:
        with path.open("wb") as stream:
            writer = Writer(stream)
            writer.start("ros2", "another")
            schema = writer.register_schema(TEXT.name, "ros2msg", TEXT.text.encode())
            channel = writer.register_channel("/text", "cdr", schema, {"offered_qos_profiles": "- history: ["})
            writer.add_message(channel, START, b"", START)
            writer.finish()
    with pytest.raises(BagError, match="expected profiles in YAML"):
        BagReader(bag)
    described = bag / metadata.NAME
    described.write_text(described.read_text().replace("offered_qos_profiles:", "offered_qos_profiles: 7 #", 1))
    with pytest.raises(BagError, match=r"metadata\.yaml: "):
        metadata.load(described)


def test_a_damaged_database_is_an_error(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", many(50), "sqlite3") / "bag_0.db3"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40_000] = bytes(40_000)
    path.write_bytes(data)
    with pytest.raises(BagError, match=r"damaged|no readable"):
        recover(path.parent)
    os.truncate(path, 5000)
    with pytest.raises(BagError, match=r"damaged|no readable"):
        read_bag(path.parent)
