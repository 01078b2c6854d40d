"""Says that a bag is being written: nobody mends it meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from vnb_grasp.errors import BagError

_UNSUPPORTED = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP)
"""Answers of network file systems that cannot lock a folder; a bag on one is recorded all the same, unguarded."""


class FolderLock:
    """The lock of a bag's folder; it ends with :meth:`close`, or with the process, however that ends.

    Args:
        folder: Of the bag.

    Raises:
        BagError: If somebody else holds it, or the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BagError(f"bag {folder}: cannot be opened ({error.strerror})") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return
            self.close()
            if isinstance(error, BlockingIOError):
                raise BagError(f"bag {folder}: is still being written; end the recorder first") from error
            raise BagError(f"bag {folder}: cannot be locked ({error.strerror})") from error

    def close(self) -> None:
        """Give it back; again is nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_being_written(folder: Path) -> bool:
    """Return whether somebody writes or mends the bag in a folder now."""
    try:
        FolderLock(folder).close()
    except BagError as error:
        return isinstance(error.__cause__, BlockingIOError)
    return False
