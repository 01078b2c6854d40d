"""Errors of the set-up. Their message is all that the user sees, so it says what to do."""

from __future__ import annotations

import errno


class SetupError(Exception):
    """Set-up cannot go on. The next run starts again where this one stopped.

    Attributes:
        output: What a failed child process wrote; empty if there was none.
    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class OfflineError(SetupError):
    """pip cannot reach its index."""


class DiskFullError(SetupError):
    """There is not enough room on the disk."""


class MissingSystemPackagesError(SetupError):
    """The operating system lacks libraries or tools, and may not be changed unasked."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether ``error`` says that a disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
