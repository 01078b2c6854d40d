"""What the operating system must bring: libraries, a compiler, Python's own parts, and room on the disk."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import DiskFullError, MissingSystemPackagesError, SetupError

GIGABYTE = 1e9


def has_library(name: str) -> bool:
    """Return whether the dynamic loader finds the shared library ``name``."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def has_compiler() -> bool:
    """Return whether C and C++ compilers are on the path."""
    return all(any(map(shutil.which, names)) for names in (("cc", "gcc"), ("c++", "g++")))


def has_headers() -> bool:
    """Return whether this Python can build extensions."""
    return Path(sysconfig.get_path("include"), "Python.h").is_file()


def has_venv() -> bool:
    """Return whether this Python can make virtual environments with pip in them."""
    return all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip"))


@dataclass(frozen=True)
class Need:
    """Something that the operating system must bring.

    Attributes:
        package: Debian/Ubuntu package that brings it.
        present: Tells whether it is there.
        of_python: True when it is a part of Python, which apt can add only to the system's own Python.
    """

    package: str
    present: Callable[[], bool]
    of_python: bool = False


_PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
NEEDS = (
    Need("libegl1", lambda: has_library("libEGL.so.1")),
    Need("libgl1", lambda: has_library("libGL.so.1")),
    Need("libgomp1", lambda: has_library("libgomp.so.1")),
    Need("libusb-1.0-0", lambda: has_library("libusb-1.0.so.0")),  # open3d does not import without it
    Need("g++", has_compiler),
    Need(f"{_PYTHON}-venv", has_venv, of_python=True),
    Need(f"{_PYTHON}-dev", has_headers, of_python=True),
)


def missing_packages(needs: tuple[Need, ...] = NEEDS, system_python: bool = sys.base_prefix == "/usr") -> list[str]:
    """Return the system packages that are missing.

    Raises:
        SetupError: If this Python lacks a part and is not the system's own, so that no system package can add it.
    """
    missing = [need for need in needs if not need.present()]
    for need in missing:
        if need.of_python and not system_python:
            raise SetupError(
                f"the Python in {sys.base_prefix} lacks a part (Debian calls it {need.package}) that set-up needs.\n"
                "Install that part, or name another Python: VNB_PYTHON=/usr/bin/python3 ./vnb setup"
            )
    return [need.package for need in missing]


def apt_lines(packages: list[str]) -> list[list[str]]:
    """Return the commands that install ``packages``, with sudo unless root."""
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    return [
        [*sudo, "apt-get", "update"],
        [*sudo, "apt-get", "install", "-y", "--no-install-recommends", *packages],
    ]


def require_system(install: Callable[[list[str]], None], allowed: bool, packages: list[str]) -> None:
    """Bring in missing system packages, or say which they are.

    Args:
        install: Runs one command line.
        allowed: Whether packages may be installed unasked.
        packages: The missing packages; may be empty.

    Raises:
        MissingSystemPackagesError: If they may not or cannot be installed.
    """
    if not packages:
        return
    if allowed and shutil.which("apt-get"):
        for line in apt_lines(packages):
            install(line)
        return
    raise MissingSystemPackagesError(
        f"these system packages are missing: {', '.join(packages)}. Install them (names of Debian and Ubuntu):\n"
        f"  sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n"
        "or let ./vnb do it: ./vnb setup --yes"
    )


def require_platform(platform: str = sys.platform) -> None:
    """Raise :class:`SetupError` on an operating system that has no ROS 2 wheels."""
    if platform != "linux":
        raise SetupError(f"VNB runs on Linux; this is {platform!r}. Use a Linux machine, container or virtual machine.")


def require_space(folder: Path, gigabytes: float) -> None:
    """Raise :class:`DiskFullError` unless there is room in ``folder``, and for pip in the temporary folder."""
    for path, need in ((folder, gigabytes), (Path(tempfile.gettempdir()), 0.4 * gigabytes)):
        free = shutil.disk_usage(path).free / GIGABYTE
        if free < need:
            raise DiskFullError(
                f"{path} has {free:.1f} GB free, set-up needs {need:.1f} GB there. Make room and run the same command "
                "again (for the temporary folder, or set TMPDIR to a folder on another disk)."
            )
