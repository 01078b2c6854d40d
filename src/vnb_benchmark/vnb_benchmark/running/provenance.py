"""Where the numbers of a run come from: the code and data that decide them, the packages of entered methods."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from vnb_benchmark.methods.registry import distribution_of
from vnb_benchmark.running.store import METHOD

DECIDING = ("vnb_grasp", "vnb_belief", "vnb_planner", "vnb_perception", "vnb_sim_bridge", "vnb_benchmark")
"""Packages whose files decide outcomes."""
ASIDE = ("vnb_benchmark/report", "vnb_benchmark/statistics")
"""Folders in them that only read outcomes."""
_COMPILED = "__pycache__"


def code_hash(packages: Iterable[str] = DECIDING, aside: Iterable[str] = ASIDE) -> str:
    """Return a hash of all files, code and data, that decide outcomes: equal hashes give equal outcomes.

    Args:
        packages: Names of importable packages.
        aside: Folders, beginning with their package's name, that are left out.
    """
    hasher = hashlib.sha256()
    left_out = tuple(f"{folder}/" for folder in aside)
    for name, root in sorted((name, _folder(name)) for name in packages):
        for path in sorted(root.rglob("*")):
            known_as = f"{name}/{path.relative_to(root).as_posix()}"
            if path.is_file() and _COMPILED not in path.parts and not known_as.startswith(left_out):
                content = path.read_bytes()
                hasher.update(f"{known_as}\0{len(content)}\0".encode() + content)
    return hasher.hexdigest()[:16]


def method_versions(names: Iterable[str]) -> dict[str, str]:
    """Return name and version of the package that enters each method; methods of this project have no entry."""
    found = {f"{METHOD}{name}": distribution_of(name) for name in names}
    return {name: version for name, version in found.items() if version}


def commit() -> str:
    """Return the commit of this checkout, ``+`` if files differ from it; empty where there is no git or no checkout."""
    git = ("git", "-C", str(_folder("vnb_benchmark")))
    try:
        head = subprocess.run((*git, "rev-parse", "--short=12", "HEAD"), capture_output=True, text=True, timeout=10.0)
        state = subprocess.run((*git, "status", "--porcelain"), capture_output=True, text=True, timeout=10.0)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if head.returncode else head.stdout.strip() + "+" * bool(state.stdout.strip())


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, package
    return Path(spec.origin).parent
