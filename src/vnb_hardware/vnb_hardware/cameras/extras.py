"""Packages that only some robots need."""

from __future__ import annotations

import importlib
from typing import Any

from vnb_grasp.errors import ConfigError

_INSTALL = {
    "pyrealsense2": "pip install -r requirements/cameras.txt",
    "pyorbbecsdk": "install the vendor's package for your system, see docs/hardware.md",
}


def require_package(name: str, use: str) -> Any:
    """Return an optional package.

    Args:
        name: Of the package.
        use: What it is needed for.

    Raises:
        ConfigError: If it is not installed, or does not load; says what to do.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{use} need the package {name}, which does not load ({error}); {_INSTALL[name]}, or run the vendor's ROS "
            "node and remap its topics"
        ) from error
