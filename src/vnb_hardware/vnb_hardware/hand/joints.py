"""The joint table: which byte of the wire is which joint, and how many radians a count is."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vnb_grasp.description import ACTUATED_JOINTS
from vnb_grasp.errors import DescriptionError, NonFiniteError, ShapeError, UnknownNameError

Array = NDArray[np.float64]

WIRE_ORDER = (
    "thumb_cmc_pitch",
    "thumb_cmc_yaw",
    "index_mcp_pitch",
    "middle_mcp_pitch",
    "ring_mcp_pitch",
    "pinky_mcp_pitch",
)
"""Joints of the six values in a frame: the thumb's pitch comes before its yaw, unlike in descriptions."""

_TO_WIRE = [ACTUATED_JOINTS.index(name) for name in WIRE_ORDER]
_FROM_WIRE = [WIRE_ORDER.index(name) for name in ACTUATED_JOINTS]
_FULL = 255


class JointScale(BaseModel):
    """Angles of one joint at the ends of its byte [rad]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open: float = Field(allow_inf_nan=False)
    closed: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> JointScale:
        if not self.open < self.closed:
            raise ValueError(f"open {self.open} rad is not below closed {self.closed} rad")
        return self


class JointTable:
    """Bytes of the wire from and to angles in the description's order (yaw, pitch, index, middle, ring, pinky).

    ``raw = round(255 (1 - (q - open) / (closed - open)))``, halves away from zero; 255 is open, 0 closed.

    Args:
        name: Of the variant.
        description: Hand description that belongs to it.
        scales: By joint name.

    Attributes:
        open, closed: Angles at raw 255 and raw 0 (6,) [rad].
        resolution: Angle of one count (6,) [rad].
    """

    def __init__(self, name: str, description: str, scales: dict[str, JointScale]) -> None:
        missing = set(ACTUATED_JOINTS) ^ set(scales)
        if missing:
            raise DescriptionError(f"joint table {name}: joints missing or unknown: {', '.join(sorted(missing))}")
        self.name = name
        self.description = description
        self.open = np.array([scales[joint].open for joint in ACTUATED_JOINTS])
        self.closed = np.array([scales[joint].closed for joint in ACTUATED_JOINTS])
        self.resolution = (self.closed - self.open) / _FULL

    def to_raw(self, q: Array) -> tuple[int, ...]:
        """Return the six bytes, in the wire's order, of angles (6,) [rad]; angles beyond the ends become the ends.

        Raises:
            ShapeError: If there are not six.
            NonFiniteError: If one is not finite.
        """
        if q.shape != (len(ACTUATED_JOINTS),):
            raise ShapeError(f"hand angles: got shape {q.shape}, expected ({len(ACTUATED_JOINTS)},)")
        if not np.isfinite(q).all():
            raise NonFiniteError(f"hand angles: got {q.tolist()}, expected finite numbers")
        share = np.clip((q - self.open) / (self.closed - self.open), 0.0, 1.0)
        raw = np.floor(_FULL * (1.0 - share) + 0.5).astype(int)
        return tuple(raw[_TO_WIRE].tolist())

    def from_raw(self, raw: tuple[int, ...]) -> Array:
        """Return the angles (6,) [rad] of six bytes in the wire's order."""
        values = reorder(raw)
        return self.open + (self.closed - self.open) * (1.0 - values / _FULL)


def reorder(raw: tuple[int, ...]) -> Array:
    """Return six values of the wire in the description's order."""
    return np.array(raw, dtype=np.float64)[_FROM_WIRE]


def to_wire(values: Array) -> tuple[int, ...]:
    """Return six whole numbers in the description's order as values of the wire."""
    return tuple(values[_TO_WIRE].astype(int).tolist())


def known_tables() -> tuple[str, ...]:
    """Return the names of the variants."""
    return tuple(sorted(_tables()))


def load_table(name: str) -> JointTable:
    """Return the joint table ``name``; raises :class:`UnknownNameError` or :class:`DescriptionError`."""
    tables = _tables()
    if name not in tables:
        raise UnknownNameError("joint table", name, tables)
    entry = dict(tables[name])
    try:
        description = str(entry.pop("description"))
        return JointTable(name, description, {joint: JointScale(**ends) for joint, ends in entry.items()})
    except (KeyError, TypeError, ValidationError) as error:
        raise DescriptionError(f"joint table {name} in scales.yaml is not valid: {error}; mend it") from error


@cache
def _tables() -> dict[str, Any]:
    text = (resources.files("vnb_hardware.hand") / "scales.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))
