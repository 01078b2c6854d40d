"""Completes a bag whose recorder was killed, so that every tool reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vnb_bringup.bags import metadata
from vnb_bringup.bags.lock import FolderLock
from vnb_bringup.bags.metadata import BagInfo, CompressedBagError
from vnb_bringup.bags.reader import BagReader, storage_files
from vnb_bringup.bags.storage import STORAGES, Input
from vnb_bringup.bags.writer import write_metadata
from vnb_grasp.errors import BagError


def recover(folder: Path) -> BagInfo:
    """Mend the storage files of a bag and write its ``metadata.yaml`` anew; all that can be read is kept.

    A file that breaks off in the middle ends at its last whole chunk. A complete bag stays as it is, but for the
    metadata.

    Raises:
        BagError: If the folder holds no bag, the bag is still being written or cannot be, or a file is none of a bag.
        CompressedBagError: If rosbag2 compressed it: its messages cannot be read here, and nothing is changed.
    """
    if not folder.is_dir():
        raise BagError(f"bag {folder}: expected the folder of a bag")
    lock = FolderLock(folder)
    try:
        return _recover(folder)
    except OSError as error:
        raise BagError(f"bag {folder}: cannot be mended ({error.strerror}); mend a copy elsewhere") from error
    finally:
        lock.close()


def _recover(folder: Path) -> BagInfo:
    files = storage_files(folder)
    if not files:
        raise BagError(f"bag {folder}: holds no storage file, there is nothing to recover")
    told = _told(folder / metadata.NAME)
    for path in files:
        _mend(path)
    with BagReader(folder, survey=True) as reader:
        info = reader.info
    if told is not None:
        info = _keep(told, info)
    write_metadata(folder, info)
    return info


def _told(path: Path) -> BagInfo | None:
    """Return what the present ``metadata.yaml`` tells; None if there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return metadata.load(path)
    except CompressedBagError:
        raise
    except BagError:
        return None


def _keep(told: BagInfo, found: BagInfo) -> BagInfo:
    """Return what the files hold, with what only the present ``metadata.yaml`` knows."""
    known = {topic.name: topic for topic in told.topics}
    topics = []
    for topic in found.topics:
        old = known.get(topic.name, topic)
        topics.append(replace(topic, qos=old.qos or topic.qos, type_hash=topic.type_hash or old.type_hash))
    distro = told.distro or found.distro
    return replace(found, topics=tuple(topics), custom={**told.custom, **found.custom}, distro=distro)


def _mend(path: Path) -> None:
    storage = next(STORAGES[name] for name in STORAGES if STORAGES[name].suffix == path.suffix)
    file = storage.open(path)
    sound = file.complete and _readable(file)
    file.close()
    if not sound:
        storage.mend(path)


def _readable(file: Input) -> bool:
    try:
        for _ in file.times():
            pass
    except BagError:
        return False
    return True
