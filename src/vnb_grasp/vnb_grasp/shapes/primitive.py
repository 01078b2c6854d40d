"""One geometric primitive, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vnb_grasp.errors import DescriptionError

SIZE_LENGTHS = {"box": 3, "sphere": 1, "cylinder": 2, "capsule": 2}
"""Number of sizes of each kind: box half extents, sphere radius, cylinder and capsule (radius, half length)."""

QUATERNION_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Primitive:
    """A solid with a pose in the frame of the body that it belongs to.

    Attributes:
        kind: ``box``, ``sphere``, ``cylinder`` or ``capsule``; the axis of the last two is z. The half length of a
            capsule is that of its segment, without the caps (as in MuJoCo).
        size: Sizes [m], see :data:`SIZE_LENGTHS`.
        position: Centre in the body frame [m].
        quaternion: Rotation primitive to body, unit (w, x, y, z).

    Raises:
        DescriptionError: Unknown kind, wrong number of sizes, a size that is not positive and finite, or a quaternion
            that is not of unit length.
    """

    kind: str
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.kind not in SIZE_LENGTHS:
            raise DescriptionError(f"primitive kind: got {self.kind!r}, expected one of: {', '.join(SIZE_LENGTHS)}")
        if len(self.size) != SIZE_LENGTHS[self.kind]:
            raise DescriptionError(f"size of a {self.kind}: got {self.size}, expected {SIZE_LENGTHS[self.kind]} values")
        if not all(math.isfinite(s) and s > 0 for s in self.size):
            raise DescriptionError(f"size of a {self.kind}: got {self.size}, expected positive finite lengths [m]")
        if len(self.position) != 3 or not all(math.isfinite(p) for p in self.position):
            raise DescriptionError(f"position of a {self.kind}: got {self.position}, expected 3 finite lengths [m]")
        if len(self.quaternion) != 4 or not abs(math.hypot(*self.quaternion) - 1.0) < QUATERNION_TOLERANCE:
            raise DescriptionError(
                f"quaternion of a {self.kind}: got {self.quaternion}, expected unit length (w, x, y, z); normalise it"
            )
