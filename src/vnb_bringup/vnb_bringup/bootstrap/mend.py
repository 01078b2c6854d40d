"""Mend the CMake files of the ROS wheels: they hold the Python prefix of the machine that built them."""

from __future__ import annotations

import re
from pathlib import Path

_PREFIX = r"/opt/python/cp\d+-cp\d+"
_NUMPY = re.compile(_PREFIX + r"/lib/python3\.\d+/site-packages/numpy/[\w/]*include")
_INCLUDE = re.compile(_PREFIX + r"/include/python3\.\d+")
_REST = re.compile(_PREFIX)


def mend_text(text: str, python_include: str, numpy_include: str, prefix: str) -> str:
    """Return ``text`` with the build machine's paths replaced by this machine's. Idempotent."""
    text = _NUMPY.sub(lambda _: numpy_include, text)
    text = _INCLUDE.sub(lambda _: python_include, text)
    return _REST.sub(lambda _: prefix, text)


def mend_wheels(venv: Path, python_include: str, numpy_include: str, prefix: str) -> int:
    """Mend every CMake file of ``venv`` and return how many changed."""
    changed = 0
    for path in venv.glob("share/**/cmake/*.cmake"):
        before = path.read_text(encoding="utf-8")
        after = mend_text(before, python_include, numpy_include, prefix)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed += 1
    return changed
