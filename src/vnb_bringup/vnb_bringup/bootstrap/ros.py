"""Which ROS 2 to use: a sourced Jazzy if there is one, otherwise the wheels."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import SetupError


@dataclass(frozen=True)
class Ros:
    """A ROS 2 Jazzy.

    Attributes:
        sourced: True for an installation that is sourced in this shell, False for wheels in ``.venv``.
        prefix: Where the sourced installation is; empty for wheels.
    """

    sourced: bool
    prefix: str = ""

    def __str__(self) -> str:
        return f"ROS 2 Jazzy ({self.prefix if self.sourced else 'wheels'})"


def importable(module: str) -> bool:
    """Return whether ``module`` can be imported without installing anything."""
    return importlib.util.find_spec(module) is not None


def choose_ros(environ: Mapping[str, str], has_module: Callable[[str], bool] = importable) -> Ros:
    """Return the ROS to use in an environment.

    Args:
        environ: The environment in which ``./vnb`` was started.
        has_module: Tells whether this Python can import a module.

    Raises:
        SetupError: If another ROS distribution is sourced, or a Jazzy that this Python cannot use.
    """
    distribution = environ.get("ROS_DISTRO", "")
    prefixes = [path for path in environ.get("AMENT_PREFIX_PATH", "").split(":") if path]
    if not distribution or not prefixes:
        return Ros(sourced=False)
    if distribution != "jazzy":
        raise SetupError(
            f"ROS {distribution!r} is sourced in this shell, VNB needs ROS 2 'jazzy'.\n"
            "Open a shell where nothing is sourced (./vnb then brings its own), or source Jazzy."
        )
    if not has_module("rclpy"):
        raise SetupError(
            f"ROS 2 Jazzy is sourced ({prefixes[-1]}), but this Python cannot import its rclpy.\n"
            "Name the Python that it was built for: VNB_PYTHON=/usr/bin/python3 ./vnb setup, "
            "or open a shell where nothing is sourced (./vnb then brings its own)."
        )
    return Ros(sourced=True, prefix=prefixes[-1])
