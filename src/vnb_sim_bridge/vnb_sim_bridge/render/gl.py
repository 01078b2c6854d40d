"""Open an OpenGL context without a display: EGL (a GPU, or Mesa's software renderer), else OSMesa."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from vnb_grasp.errors import VnbError

_LIBRARIES = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}
_ADVICE = (
    "install EGL with a driver (Debian, Ubuntu: apt-get install libegl1 libgl1-mesa-dri), "
    "or go without pictures (--no-pictures) and without cameras (--pose-source sensor)"
)


class RenderError(VnbError):
    """Pictures cannot be drawn on this machine."""


def choose_backend() -> str:
    """Return ``egl`` or ``osmesa``: what ``MUJOCO_GL`` asks for, else the first whose library is installed.

    Raises:
        RenderError: If neither is there; the message names the packages.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower()
    if asked in _LIBRARIES:
        return asked
    for backend, library in _LIBRARIES.items():
        if _has_library(library):
            return backend
    raise RenderError(
        f"drawing pictures: got neither {' nor '.join(_LIBRARIES.values())}, expected one of them; {_ADVICE}"
    )


def open_context(width: int, height: int) -> Any:
    """Return an off-screen context (``make_current()``, ``free()``) of up to ``width`` x ``height`` pixels.

    Raises:
        RenderError: If the driver does not give one; the message names the packages.
    """
    backend = choose_backend()
    try:
        # The modules behind mujoco's own renderer: that one settles on a windowing library if imported before
        # MUJOCO_GL is set, and importing mujoco is enough for that.
        if backend == "egl":
            from mujoco.egl import GLContext
        else:
            from mujoco.osmesa import GLContext
        context = GLContext(width, height)
        context.make_current()
    except (ImportError, RuntimeError, OSError, AttributeError) as error:  # what the bindings raise without a driver
        raise RenderError(f"drawing pictures with {backend}: {error}; {_ADVICE}") from error
    return context


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
