"""Write the report folder of a trial."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vnb_bringup.report.json_report import result_json, timings_json
from vnb_bringup.report.record import TrialRecord
from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class Pictures:
    """Drawn pictures: PNG bytes by name, and the film as GIF bytes; empty where nothing was drawn."""

    stills: Mapping[str, bytes] = field(default_factory=dict)
    gif: bytes = b""


def prepare_folder(out: Path) -> None:
    """Make the folder before the trial starts, so that a wrong path costs no trial.

    Raises:
        ConfigError: If it cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"report folder {out}: {error.strerror}; give another one with --out") from error
    if not os.access(out, os.W_OK):
        raise ConfigError(f"report folder {out}: not writable; give another one with --out")


def write_folder(out: Path, record: TrialRecord, pictures: Pictures, command: str) -> Path:
    """Write ``result.json``, ``timings.json``, ``report.html`` and the pictures; return the path of the page.

    Args:
        out: Folder; files of an earlier trial in it are replaced, or removed where this trial has none.
        record: The trial.
        pictures: Its pictures.
        command: The command line that repeats it.
    """
    from vnb_bringup.report.html import render_html

    prepare_folder(out)
    for name in ("before", "closed", "lifted"):
        _write(out / f"{name}.png", pictures.stills.get(name, b""))
    _write(out / "grasp.gif", pictures.gif)
    _write(out / "result.json", result_json(record).encode())
    _write(out / "timings.json", timings_json(record).encode())
    page = out / "report.html"
    _write(page, render_html(record, pictures.stills, pictures.gif, command).encode())
    return page


def _write(path: Path, content: bytes) -> None:
    """Write a file in one go, or remove an old one where there is no content."""
    if not content:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(path)
