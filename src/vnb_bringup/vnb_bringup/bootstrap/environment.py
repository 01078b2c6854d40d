"""The environment in which commands run, set directly: sourcing shell scripts on each start would take seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .ros import Ros

_PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
"""Names the file of Fast DDS's settings, in every version that ROS 2 Jazzy comes with."""


def _joined(*parts: object) -> str:
    return os.pathsep.join(str(part) for part in parts if str(part))


def site_packages(prefix: Path) -> Path:
    """Return the folder for Python packages under ``prefix``."""
    return prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def build_environment(root: Path, ros: Ros, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for building ``vnb_msgs``: the virtual environment, active."""
    venv = root / ".venv"
    env = dict(environ, VIRTUAL_ENV=str(venv), PATH=_joined(venv / "bin", environ.get("PATH", "")))
    if not ros.sourced:
        libraries = sorted(site_packages(venv).glob("ros_*.libs"))
        env["AMENT_PREFIX_PATH"] = str(venv)
        env["CMAKE_PREFIX_PATH"] = str(venv)
        env["LD_LIBRARY_PATH"] = _joined(venv / "lib", *libraries, environ.get("LD_LIBRARY_PATH", ""))
        env["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"  # the wheels need not start Python twice: the path is set
        env["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
        env["ROS_DISTRO"] = "jazzy"
    return env


def command_environment(root: Path, ros: Ros, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a command: packages of this checkout, ``vnb_msgs``, ROS, headless rendering."""
    env = build_environment(root, ros, environ)
    messages = root / "install" / "vnb_msgs"
    sources = sorted(path.parent for path in root.glob("src/*/setup.py"))
    env["PYTHONPATH"] = _joined(*sources, site_packages(messages), environ.get("PYTHONPATH", ""))
    env["AMENT_PREFIX_PATH"] = _joined(messages, env.get("AMENT_PREFIX_PATH", ""))
    env["LD_LIBRARY_PATH"] = _joined(messages / "lib", env.get("LD_LIBRARY_PATH", ""))
    env["VNB_ROOT"] = str(root)
    env.setdefault("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    env.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # nothing leaves the machine unless the user says so
    if not {"FASTDDS_DEFAULT_PROFILES_FILE", _PROFILES} & env.keys():
        env[_PROFILES] = str(root / "config" / "fastdds.xml")
    env.setdefault("MUJOCO_GL", "egl")
    return env
