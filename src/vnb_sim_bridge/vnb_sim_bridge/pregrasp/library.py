"""The library of pre-grasps, as data per hand variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from vnb_grasp.description import load_object
from vnb_grasp.errors import DescriptionError, UnknownNameError

Array = NDArray[np.float64]

FRICTIONS = (0.24, 0.28, 0.34, 0.4, 0.55, 0.62)
"""Effective frictions at which pre-grasps are measured: the regimes' range is 0.23 to 0.65."""
_SYMMETRY_TURNS = {"none": 1, "box": 2, "cube": 4, "axial": 12, "sphere": 12}


@dataclass(frozen=True)
class PreGrasp:
    """Where the open hand waits before it closes.

    Attributes:
        object_name: Object description.
        index: Place in the object's library, best first.
        position: Of the hand's base in the object frame [m].
        quaternion: Of the hand's base in the object frame (w, x, y, z).
        thumb_yaw, thumb_pitch, finger_flex: Preshape [rad].
        finger_ratio: Finger effort over its limit, as a fraction of the thumb's.
        squeeze: Share of the torque limits at which the grasp scored.
        retreat: Unit direction, hand frame, along which the hand leaves (and comes in reverse).
        robust: Share of robust grasps at each of :data:`FRICTIONS`, lowest first; empty if it was not measured.
        score: Mean value over the conditions of the search, 0 to 1; see :mod:`vnb_sim_bridge.pregrasp.evaluate`.
        touch: How friction is read from touch after closing from here, a row of
            :class:`vnb_belief.touch.FrictionReading`; empty if it was not measured or does not show.
    """

    object_name: str
    index: int
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    thumb_yaw: float
    thumb_pitch: float
    finger_flex: float
    finger_ratio: float
    squeeze: float
    retreat: tuple[float, float, float]
    score: float
    robust: tuple[float, ...] = ()
    touch: tuple[float, ...] = ()

    def success(self, friction: Array) -> Array:
        """Return the share of robust grasps expected at effective frictions (...), between those that were measured.

        Raises:
            DescriptionError: If it was not measured; ``./vnb pregrasps`` does so.
        """
        if len(self.robust) != len(FRICTIONS):
            raise DescriptionError(
                f"pre-grasp {self.index} of {self.object_name}: got {len(self.robust)} shares of robust grasps, "
                f"expected one for each of {len(FRICTIONS)} frictions; ./vnb pregrasps measures them"
            )
        return np.interp(np.log(friction), np.log(FRICTIONS), self.robust)

    def T_object_hand(self) -> Array:
        """Return the pose of the hand's base in the object frame (4, 4)."""
        w, x, y, z = self.quaternion
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        pose[:3, 3] = self.position
        return pose

    def preshape(self) -> Array:
        """Return the six actuated joint angles of the preshaped hand [rad]."""
        return np.array([self.thumb_yaw, self.thumb_pitch, *[self.finger_flex] * 4])

    def equivalent_poses(self) -> list[Array]:
        """Return ``T_object_hand`` and its images under the object's symmetry about its vertical axis."""
        turns = _SYMMETRY_TURNS[load_object(self.object_name).symmetry]
        poses = []
        for i in range(turns):
            angle = 2 * np.pi * i / turns
            c, s = np.cos(angle), np.sin(angle)
            turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
            poses.append(turn @ self.T_object_hand())
        return poses


@cache
def load_pregrasps(object_name: str, hand: str) -> tuple[PreGrasp, ...]:
    """Return the pre-grasps of an object for a hand variant, best first.

    Raises:
        UnknownNameError: If the hand has no library or the object is not in it.
        DescriptionError: If an entry is incomplete.
    """
    folder = resources.files("vnb_sim_bridge.pregrasp") / "libraries"
    known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".yaml"))
    if hand not in known:
        raise UnknownNameError("hand with a pre-grasp library", hand, known)
    entries = yaml.safe_load((folder / f"{hand}.yaml").read_text(encoding="utf-8"))
    if object_name not in entries:
        raise UnknownNameError(f"object in the pre-grasp library of {hand}", object_name, entries)
    try:
        return tuple(_pregrasp(object_name, i, entry) for i, entry in enumerate(entries[object_name]))
    except TypeError as error:
        raise DescriptionError(f"pre-grasp library of {hand}, object {object_name}: {error}") from error


def _pregrasp(object_name: str, index: int, entry: dict[str, Any]) -> PreGrasp:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return PreGrasp(object_name=object_name, index=index, **values)


def write_library(path: Path, libraries: Mapping[str, Sequence[PreGrasp]], remark: str) -> None:
    """Write (or extend) a library file: the objects given replace their old entries, the others stay.

    Args:
        path: YAML file, one per hand variant.
        libraries: Pre-grasps by object name, best first.
        remark: How they were made; becomes the file's first comment line.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, pregrasps in libraries.items():
        entries[name] = [_entry(p) for p in pregrasps]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(entries, default_flow_style=None, sort_keys=True, width=160)
    path.write_text(f"# {remark}\n{text}", encoding="utf-8")


def _entry(pregrasp: PreGrasp) -> dict[str, object]:
    skip = ("object_name", "index")
    values = {f.name: getattr(pregrasp, f.name) for f in fields(pregrasp) if f.name not in skip}
    return {
        k: [round(float(x), 5) for x in v] if isinstance(v, tuple) else round(float(v), 4) for k, v in values.items()
    }
