"""What a bag tells of itself; foreign bags and files are told."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
import yaml

from vnb_bringup.bags import metadata
from vnb_bringup.bags.metadata import ROOT, BagFile, BagInfo, Qos
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.recover import recover
from vnb_bringup.bags.testing import TOPICS, read_bag, text_message, texts, write_bag
from vnb_grasp.errors import BagError


def replaced(**values: object) -> str:
    """Return the text of a ``metadata.yaml`` with other values."""
    told = metadata.dump(BagInfo("mcap", (BagFile("bag_0.mcap"),), (), {}))
    return yaml.safe_dump({ROOT: {**told, **values}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no description of a rosbag2 bag"),
        ("[1, 2", "no description of a rosbag2 bag"),
        ("a: b", "no description of a rosbag2 bag"),
        (replaced(version="nine"), "no description of a rosbag2 bag"),
        (replaced(version=10), "version 10, expected 1 to 9; a newer ROS 2 made it"),
        (replaced(compression_mode="FILE"), "compressed by file.*ros2 bag convert"),
        (replaced(topics_with_message_count=[{}]), "incomplete.*topic_metadata.*bag recover"),
        (replaced(relative_file_paths=[], files=[{"path": "gone.mcap"}]), "incomplete.*starting_time"),
    ],
)
def test_a_foreign_description_is_told(text: str, expected: str, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(3))
    (bag / metadata.NAME).write_text(text)
    with pytest.raises(BagError, match=expected):
        BagReader(bag)
    if "compressed" in expected:
        with pytest.raises(BagError, match=expected):
            recover(bag)
        return
    assert recover(bag).count == 3
    assert len(read_bag(bag)) == 3


def test_what_is_no_bag_is_told(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "nowhere", "no such folder or file"),
        (tmp_path, "without metadata.yaml or storage files"),
    ):
        with pytest.raises(BagError, match=expected):
            BagReader(path)
    for name, content, expected in (
        ("ros1.bag", b"#ROSBAG V2.0\n", "kind '.bag', expected one of .mcap, .db3"),
        ("text.mcap", b"hello, here is no MCAP", "expected an MCAP file"),
        ("empty.mcap", b"", "expected an MCAP file"),
        ("text.db3", b"hello, here is no SQLite" * 100, "no readable rosbag2 database"),
        ("empty.db3", b"", "without bag tables"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BagError, match=expected):
            BagReader(tmp_path / name)
    for folder in (tmp_path / "nowhere", tmp_path / "text.mcap"):
        with pytest.raises(BagError, match="expected the folder of a bag"):
            recover(folder)


def test_mcap_of_another_profile_is_told(tmp_path: Path) -> None:
    from mcap.writer import Writer

    with (tmp_path / "ros1.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros1")
        writer.finish()
    with pytest.raises(BagError, match="profile 'ros1', expected ros2"):
        BagReader(tmp_path / "ros1.mcap")


@pytest.mark.parametrize("version", [2, 5])
def test_a_database_of_another_schema_is_told(version: int, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(1), "sqlite3")
    with sqlite3.connect(bag / "bag_0.db3") as db:
        db.execute("DROP TABLE schema" if version == 2 else f"UPDATE schema SET schema_version = {version}")
    with pytest.raises(BagError, match=f"schema {version}, expected 3 or 4"):
        BagReader(bag)


def test_a_storage_file_that_is_gone_is_told(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(30), split_bytes=1)
    (bag / "bag_3.mcap").unlink()
    with pytest.raises(BagError, match=r"names bag_3\.mcap, which is not there"):
        BagReader(bag)
    assert recover(bag).count == 29


def test_a_file_that_was_killed_before_its_first_byte_is_left_out(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", texts(3))
    (bag / metadata.NAME).unlink()
    (bag / "bag_1.mcap").touch()
    assert len(read_bag(bag)) == 3
    assert recover(bag).count == 3
    assert len(read_bag(bag)) == 3


def test_files_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag_2", texts(12), split_bytes=1)
    (bag / metadata.NAME).unlink()
    assert [data for *_, data in read_bag(bag)] == [text_message(f"message {i}") for i in range(12)]


def test_profiles_of_old_versions_are_understood() -> None:
    told = (
        "- history: 1\n  depth: 7\n  reliability: 2\n  durability: 1\n  deadline: {sec: 9223372036, nsec: 854775807}\n"
        "  liveliness: 1\n  avoid_ros_namespace_conventions: false"
    )
    (profile,) = metadata.parse_qos(told)
    assert profile == Qos("keep_last", 7, "best_effort", "transient_local")
    assert metadata.parse_qos(metadata.qos_text((profile,))) == (profile,)
    assert metadata.parse_qos("") == metadata.parse_qos(None) == ()


def test_a_description_comes_back() -> None:
    info = BagInfo(
        "mcap", (BagFile("a_0.mcap", 5, 9, 2), BagFile("a_1.mcap", 10, 10, 1)), (TOPICS[0][0],), {"/stamped": 3}
    )
    assert (info.count, info.start, info.end) == (3, 5, 10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / metadata.NAME
        path.write_text(metadata.dump_text(info))
        assert metadata.load(path) == info
