"""The snapshots of a rosbag2 bag (MCAP or SQLite): a folder, or one of its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vnb_bringup.view.assemble import TOPICS, Assembler
from vnb_bringup.view.snapshot import Snapshot
from vnb_grasp.errors import ConfigError

LIMIT = 20_000
"""Most snapshots kept in memory; of more, every second one is dropped."""

PERIOD = 0.02
"""Least simulated time between two snapshots [s]."""


def read_bag(path: Path, assembler: Assembler, namespace: str = "") -> list[Snapshot]:
    """Return what a bag shows, in the order in which it was recorded.

    Args:
        path: Bag folder, or one ``.mcap`` or ``.db3`` file.
        assembler: Of the robot that was recorded.
        namespace: Namespace of the graph's topics.

    Raises:
        ConfigError: If it is no bag, is truncated, holds none of the graph's topics, or messages of another version.
    """
    snapshots: list[Snapshot] = []
    stride, skipped = 1, 0
    for snapshot in _moments(path, assembler, namespace):
        skipped += 1
        if skipped < stride:
            continue
        skipped = 0
        snapshots.append(snapshot)
        if len(snapshots) > LIMIT:
            del snapshots[1:-1:2]
            stride *= 2
    if assembler.snapshot is not (snapshots[-1] if snapshots else None):
        snapshots.append(assembler.snapshot)
    return snapshots


def _moments(path: Path, assembler: Assembler, namespace: str) -> Iterator[Snapshot]:
    """Yield the snapshot of every moment, complete: when the next one begins."""
    latest, restarts = assembler.snapshot, assembler.restarts
    began = latest.time
    for topic, message in messages(path, namespace):
        snapshot = assembler.take(topic, message)
        if snapshot.time - began >= PERIOD or assembler.restarts != restarts:
            yield latest
            began, restarts = snapshot.time, assembler.restarts
        latest = snapshot


def messages(path: Path, namespace: str = "") -> Iterator[tuple[str, Any]]:
    """Yield topic (without namespace) and message of everything in a bag that a snapshot is made of.

    Raises:
        ConfigError: As :func:`read_bag`.
    """
    from rosbags.highlevel import AnyReader
    from rosbags.highlevel.anyreader import AnyReaderError
    from rosbags.rosbag2 import ReaderError
    from rosbags.serde import SerdeError
    from rosbags.typesys import Stores, TypesysError, get_typestore

    if not path.exists():
        raise ConfigError(f"{path}: no such bag; give the folder that ./vnb bag record or ros2 bag record wrote")
    prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    wanted = {prefix + topic: topic for topic in TOPICS}
    try:
        with AnyReader([_bag_of(path)], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
            connections = [c for c in reader.connections if c.topic in wanted]
            for connection in connections:
                _require_type(connection, wanted[connection.topic], path)
            if not connections:
                got = ", ".join(sorted({c.topic for c in reader.connections})) or "no topic"
                raise ConfigError(f"{path}: got {got}; expected some of {', '.join(wanted)}; another --namespace?")
            for connection, _, raw in reader.messages(connections):
                yield wanted[connection.topic], reader.deserialize(raw, connection.msgtype)
    except (AnyReaderError, ReaderError, SerdeError, TypesysError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as a bag: {error}") from error


def _bag_of(path: Path) -> Path:
    """Return what to open: of a folder that a killed recorder left without metadata, its only file."""
    if not path.is_dir() or (path / "metadata.yaml").exists():
        return path
    files = sorted([*path.glob("*.mcap"), *path.glob("*.db3")])
    if len(files) == 1:
        return files[0]
    found = f"{len(files)} storage files" if files else "no .mcap or .db3 file"
    raise ConfigError(f"{path}: no metadata.yaml and {found}; give a bag folder, or one of its files")


def _require_type(connection: Any, topic: str, path: Path) -> None:
    if connection.msgtype != TOPICS[topic]:
        raise ConfigError(f"{path}: {connection.topic} is {connection.msgtype}, expected {TOPICS[topic]}")
