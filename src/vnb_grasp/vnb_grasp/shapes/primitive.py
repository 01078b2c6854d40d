"""A primitive solid with its pose in a parent frame: plain data shared by descriptions, SDF and simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Primitive:
    """A solid.

    Attributes:
        kind: ``box``, ``sphere``, ``cylinder`` or ``capsule`` (the last two along their z axis).
        size: [m] box: half extents; sphere: (radius,); cylinder and capsule: (radius, half length of the axis segment).
        position: Centre in the parent frame [m].
        quaternion: Orientation in the parent frame (w, x, y, z).
    """

    kind: Literal["box", "sphere", "cylinder", "capsule"]
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
