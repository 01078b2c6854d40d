"""Poses at which the estimates are tried: drawn at random, and those of the pegboard protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vnb_grasp.description import known_objects
from vnb_grasp.errors import ConfigError
from vnb_perception.objects.model import described_model
from vnb_sim_bridge.scenario import stream
from vnb_sim_bridge.world.model import TABLE_HEIGHT

Array = NDArray[np.float64]

SPAWN = (-0.05, 0.88)
"""Where objects stand, world [m]."""
PEG_PITCH = 0.0254
"""Distance between the dots of the pegboard [m]."""
PEG_STEP = 0.005
"""Offset of the protocol [m]."""
PEG_OFFSETS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
"""The protocol's offsets, in steps along x and y."""


@dataclass(frozen=True, eq=False)
class TrialPose:
    """One object at one pose.

    Attributes:
        object_name: Registered name.
        T_world_object: (4, 4).
        seed: Of the cameras' noise and of the error of their places.
        group: Under which results are counted: ``standing``, ``lying``, the offset of the protocol, or what is bad.
        present: Whether the object is there at all; if not, every estimate is wrong.
    """

    object_name: str
    T_world_object: Array
    seed: int
    group: str
    present: bool = True


def random_poses(count: int, seed: int, objects: Sequence[str] = ()) -> tuple[TrialPose, ...]:
    """Return poses at rest on the table, the objects in turn: three of five standing, the others lying.

    Places are uniform within 8 cm of the spawn point along x and 10 cm along y, headings over the full circle; a lying
    object lies on any of its sides.
    """
    names = tuple(objects) or known_objects()
    poses = []
    for i in range(count):
        rng = stream(seed, "perception pose", i)
        name = names[i % len(names)]
        lying = (i // len(names)) % 5 >= 3
        tilt = Rotation.from_euler("zx", [rng.integers(4) * 90.0, 90.0], degrees=True) if lying else Rotation.identity()
        turn = Rotation.from_euler("z", rng.uniform(0, 2 * math.pi)) * tilt
        x, y = SPAWN[0] + rng.uniform(-0.08, 0.08), SPAWN[1] + rng.uniform(-0.10, 0.10)
        place = at_rest(name, turn.as_matrix(), x, y)
        poses.append(TrialPose(name, place, seed * 100_003 + i, "lying" if lying else "standing"))
    return tuple(poses)


def pegboard_poses(objects: Sequence[str], repeats: int, seed: int) -> tuple[TrialPose, ...]:
    """Return the poses of the pegboard protocol: every offset on every node of each object's sub-grid.

    The sub-grid around the nominal place has M x M dots; with ``n = ceil(side / pitch)`` of the object's footprint, M
    is ``2 n + 1`` where n is odd and ``2 n`` where it is even. With ``repeats`` it is thinned to that many nodes per
    offset, drawn without replacement.

    Raises:
        ConfigError: If ``repeats`` is less than 1.
    """
    if repeats < 1:
        raise ConfigError(f"pegboard repeats: got {repeats}, expected at least 1")
    poses: list[TrialPose] = []
    for name in objects or known_objects():
        nodes = sub_grid(name)
        for number, offset in enumerate(PEG_OFFSETS):
            rng = stream(seed, f"pegboard/{name}", number)
            for k in rng.permutation(len(nodes))[:repeats]:
                x, y = np.array(SPAWN) + nodes[k] + PEG_STEP * np.array(offset)
                place = at_rest(name, np.eye(3), float(x), float(y))
                number_of = seed * 100_003 + len(poses)
                poses.append(TrialPose(name, place, number_of, f"({offset[0] * 5:.0f}, {offset[1] * 5:.0f}) mm"))
    return tuple(poses)


def sub_grid(object_name: str) -> Array:
    """Return the nodes (M * M, 2) of an object's sub-grid, relative to its nominal place [m]."""
    side = float(described_model(object_name).extents[:2].max())
    n = math.ceil(side / PEG_PITCH)
    count = 2 * n + 1 if n % 2 else 2 * n
    line = (np.arange(count) - (count - 1) / 2) * PEG_PITCH
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


def at_rest(object_name: str, rotation: Array, x: float, y: float) -> Array:
    """Return ``T_world_object`` (4, 4) of an object turned by ``rotation`` (3, 3) that rests on the table."""
    model = described_model(object_name)
    place = np.eye(4)
    place[:3, :3] = rotation
    place[:3, 3] = x, y, TABLE_HEIGHT - float((model.vertices @ rotation[2]).min())
    return place
