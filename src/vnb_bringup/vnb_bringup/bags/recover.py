"""Completes a bag whose recorder was killed, so that every tool reads it."""

from __future__ import annotations

from pathlib import Path

from vnb_bringup.bags import metadata
from vnb_bringup.bags.lock import FolderLock
from vnb_bringup.bags.metadata import BagInfo
from vnb_bringup.bags.reader import BagReader, storage_files
from vnb_bringup.bags.storage import STORAGES, Input
from vnb_bringup.bags.writer import write_metadata
from vnb_grasp.errors import BagError


def recover(folder: Path) -> BagInfo:
    """Mend the storage files of a bag and write its ``metadata.yaml`` anew; all that can be read is kept.

    A file that breaks off in the middle ends at its last whole chunk. A complete bag stays as it is, but for the
    metadata.

    Raises:
        BagError: If the folder holds no bag, the bag is still being written, or a file is none of a bag.
    """
    if not folder.is_dir():
        raise BagError(f"bag {folder}: expected the folder of a bag")
    lock = FolderLock(folder)
    try:
        return _recover(folder)
    finally:
        lock.close()


def _recover(folder: Path) -> BagInfo:
    files = storage_files(folder)
    if not files:
        raise BagError(f"bag {folder}: holds no storage file, there is nothing to recover")
    for path in files:
        _mend(path)
    (folder / metadata.NAME).unlink(missing_ok=True)
    with BagReader(folder) as reader:
        info = reader.info
    write_metadata(folder, info)
    return info


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
