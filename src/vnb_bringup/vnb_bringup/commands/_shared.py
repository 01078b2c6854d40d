"""What several commands do alike."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from vnb_grasp.errors import UnknownNameError

if TYPE_CHECKING:
    from vnb_bringup.report.progress import LineProgress

USAGE_STATUS = 2


@contextmanager
def known_names() -> Iterator[None]:
    """Turn an unknown name into one line that lists the known ones, and the exit status of wrong usage."""
    try:
        yield
    except UnknownNameError as error:
        print(f"vnb: error: {error}", file=sys.stderr)
        raise typer.Exit(USAGE_STATUS) from None


def command_line() -> str:
    """Return the command line as it can be typed again."""
    return shlex.join(["./vnb", *sys.argv[1:]])


def progress_bar() -> LineProgress:
    """Return a progress bar on standard error with a field ``note``."""
    from rich.console import Console

    from vnb_bringup.report.progress import LineProgress

    return LineProgress(Console(stderr=True))
