"""``metadata.yaml`` of a bag, version 9 as ROS 2 Jazzy writes it; older versions are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vnb_grasp.errors import BagError

VERSION = 9
NAME = "metadata.yaml"
ROOT = "rosbag2_bagfile_information"
MALFORMED = (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading a mapping that is none, or lacks something, or holds something else, can raise."""

_INFINITE = 2**63 - 1
_NUMBERED = {  # of versions up to 8
    "history": ("system_default", "keep_last", "keep_all", "unknown"),
    "reliability": ("system_default", "reliable", "best_effort", "unknown"),
    "durability": ("system_default", "transient_local", "volatile", "unknown"),
    "liveliness": ("system_default", "automatic", "manual_by_node", "manual_by_topic", "unknown"),
}


class CompressedBagError(BagError):
    """rosbag2 compressed the messages or files of the bag, beyond what MCAP itself does."""


@dataclass(frozen=True)
class Qos:
    """Quality of service that a publisher offered; durations in nanoseconds."""

    history: str = "keep_last"
    depth: int = 10
    reliability: str = "reliable"
    durability: str = "volatile"
    deadline: int = _INFINITE
    lifespan: int = _INFINITE
    liveliness: str = "automatic"
    liveliness_lease_duration: int = _INFINITE
    avoid_ros_namespace_conventions: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping that rosbag2 writes."""
        times = ("deadline", "lifespan", "liveliness_lease_duration")
        return {name: _time(value) if name in times else value for name, value in vars(self).items()}

    @staticmethod
    def from_dict(given: Mapping[str, Any]) -> Qos:
        """Return the profile of a mapping of any version."""
        values: dict[str, Any] = {}
        for name, value in given.items():
            if isinstance(value, Mapping):
                values[name] = int(value["sec"]) * 1_000_000_000 + int(value["nsec"])
            elif name in _NUMBERED and isinstance(value, int):
                values[name] = _NUMBERED[name][value if value < len(_NUMBERED[name]) else -1]
            elif name in Qos.__dataclass_fields__:
                values[name] = value
        return Qos(**values)


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: Full name.
        type: ``package/msg/Type``.
        type_hash: Of the type; empty if unknown.
        qos: What its publishers offered.
        serialization_format: ``cdr`` in ROS 2.
    """

    name: str
    type: str
    type_hash: str = ""
    qos: tuple[Qos, ...] = ()
    serialization_format: str = "cdr"


@dataclass(frozen=True)
class BagFile:
    """A storage file of a bag: its name in the folder, first and last time [ns] and number of messages."""

    path: str
    start: int = 0
    end: int = 0
    count: int = 0


@dataclass(frozen=True)
class BagInfo:
    """What ``metadata.yaml`` tells.

    Attributes:
        storage: ``mcap`` or ``sqlite3``.
        files: In the order of time.
        topics: In the order of their appearance.
        counts: Messages by topic.
        custom: Free texts by key.
        version: Of the format.
        distro: ROS distribution that wrote it.
    """

    storage: str
    files: tuple[BagFile, ...]
    topics: tuple[Topic, ...]
    counts: Mapping[str, int]
    custom: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION
    distro: str = "jazzy"

    @property
    def count(self) -> int:
        """Number of messages."""
        return sum(self.counts.values())

    @property
    def start(self) -> int:
        """Time of the first message [ns]; 0 without one."""
        return min((file.start for file in self.files if file.count), default=0)

    @property
    def end(self) -> int:
        """Time of the last message [ns]; 0 without one."""
        return max((file.end for file in self.files if file.count), default=0)


def qos_text(profiles: tuple[Qos, ...]) -> str:
    """Return profiles as the YAML text that storages hold."""
    return yaml.safe_dump([profile.to_dict() for profile in profiles], sort_keys=False).strip() if profiles else ""


def parse_qos(given: Any) -> tuple[Qos, ...]:
    """Return the profiles of a YAML text or of what it holds.

    Raises:
        BagError: If it holds no profiles.
    """
    try:
        items = yaml.safe_load(given) if isinstance(given, str) else given
        return tuple(Qos.from_dict(item) for item in items or ())
    except MALFORMED as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BagError(f"quality of service: got {str(given)[:80]!r}, expected profiles in YAML ({reason})") from error


def dump(info: BagInfo) -> dict[str, Any]:
    """Return the mapping under ``rosbag2_bagfile_information``."""
    return {
        "version": VERSION,
        "storage_identifier": info.storage,
        "duration": {"nanoseconds": info.end - info.start},
        "starting_time": {"nanoseconds_since_epoch": info.start},
        "message_count": info.count,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type,
                    "serialization_format": topic.serialization_format,
                    "offered_qos_profiles": [profile.to_dict() for profile in topic.qos],
                    "type_description_hash": topic.type_hash,
                },
                "message_count": info.counts.get(topic.name, 0),
            }
            for topic in info.topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file.path for file in info.files],
        "files": [
            {
                "path": file.path,
                "starting_time": {"nanoseconds_since_epoch": file.start},
                "duration": {"nanoseconds": file.end - file.start},
                "message_count": file.count,
            }
            for file in info.files
        ],
        "custom_data": dict(info.custom) or None,
        "ros_distro": info.distro,
    }


def dump_text(info: BagInfo) -> str:
    """Return the text of ``metadata.yaml``."""
    return yaml.safe_dump({ROOT: dump(info)}, sort_keys=False)


def load(path: Path) -> BagInfo:
    """Return what a ``metadata.yaml`` tells.

    Raises:
        BagError: If it is none, or of a version that is not known.
        CompressedBagError: If rosbag2 compressed the bag.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))[ROOT]
        version = int(given["version"])
    except (OSError, *MALFORMED) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BagError(
            f"{path}: got no description of a rosbag2 bag ({reason}); `./vnb bag recover` makes a new one"
        ) from error
    if not 1 <= version <= VERSION:
        raise BagError(f"{path}: got a bag of version {version}, expected 1 to {VERSION}; a newer ROS 2 made it")
    mode = str(given.get("compression_mode") or "").lower()
    if mode not in ("", "none"):
        raise CompressedBagError(
            f"{path}: got a bag that rosbag2 compressed by {mode}, expected none; convert it with `ros2 bag convert`"
        )
    try:
        return _parse(given, version)
    except (BagError, *MALFORMED) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BagError(f"{path}: incomplete ({reason}); `./vnb bag recover` makes a new one") from error


def _parse(given: Mapping[str, Any], version: int) -> BagInfo:
    topics: list[Topic] = []
    counts: dict[str, int] = {}
    for entry in given["topics_with_message_count"]:
        told = entry["topic_metadata"]
        name = str(told["name"])
        topics.append(
            Topic(
                name,
                str(told["type"]),
                str(told.get("type_description_hash") or ""),
                parse_qos(told.get("offered_qos_profiles")),
                str(told["serialization_format"]),
            )
        )
        counts[name] = counts.get(name, 0) + int(entry["message_count"])
    return BagInfo(
        storage=str(given["storage_identifier"]),
        files=tuple(_file(entry) for entry in given.get("files") or _files_of_old(given)),
        topics=tuple(topics),
        counts=counts,
        custom={str(key): str(value) for key, value in (given.get("custom_data") or {}).items()},
        version=version,
        distro=str(given.get("ros_distro") or ""),
    )


def _files_of_old(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return entries for the files of a version that told only their names."""
    whole = {name: given[name] for name in ("starting_time", "duration", "message_count")}
    return [{"path": path, **whole} for path in given["relative_file_paths"]]


def _file(entry: Mapping[str, Any]) -> BagFile:
    start = int(entry["starting_time"]["nanoseconds_since_epoch"])
    return BagFile(
        str(entry["path"]), start, start + int(entry["duration"]["nanoseconds"]), int(entry["message_count"])
    )


def _time(nanoseconds: int) -> dict[str, int]:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return {"sec": seconds, "nsec": rest}
