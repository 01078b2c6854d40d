"""Watch a held object: how far it moved from a reference pose, and how hard the fingers pressed."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Displacement:
    """Motion of the object relative to a reference pose, world axes.

    Attributes:
        drop: Downwards [m], negative if it rose.
        distance: Of the object's centre [m].
        rotation: Angle [rad].
    """

    drop: float
    distance: float
    rotation: float


def displacement(world: World, reference: Array) -> Displacement:
    """Return how far the object is from ``reference`` (``T_world_object``, 4x4)."""
    pose = world.object_pose()
    delta = pose[:3, 3] - reference[:3, 3]
    cosine = (np.trace(reference[:3, :3].T @ pose[:3, :3]) - 1) / 2
    return Displacement(float(-delta[2]), float(np.linalg.norm(delta)), float(np.arccos(np.clip(cosine, -1.0, 1.0))))


@dataclass
class Recorder:
    """Advance a world and keep the extremes: largest displacement from a reference, peak fingertip force, slip."""

    world: World
    reference: Array
    max_distance: float = 0.0
    peak_force: float = 0.0
    peak_slip: float = 0.0
    first_slip: float = float("nan")
    slip_threshold: float = 0.005

    def run(self, duration: float, wrench: Array | None = None) -> Displacement:
        """Advance ``duration`` [s] with a constant wrench (6,) on the object; return the displacement at the end."""
        world = self.world
        world.apply_object_wrench(np.zeros(6) if wrench is None else wrench)
        now = Displacement(0.0, 0.0, 0.0)
        chunk = max(round(0.01 / world.parameters.timestep), 1)
        for _ in range(max(round(duration / (chunk * world.parameters.timestep)), 1)):
            world.step(chunk)
            now = displacement(world, self.reference)
            self.max_distance = max(self.max_distance, now.distance)
            self.peak_force = max(self.peak_force, float(world.finger_forces().max()))
            self.peak_slip = max(self.peak_slip, now.distance)
            if np.isnan(self.first_slip) and now.distance > self.slip_threshold:
                self.first_slip = world.time
        world.apply_object_wrench(np.zeros(6))
        return now


def quiet(world: World) -> bool:
    """Return True if the object is at rest (slower than 5 mm/s)."""
    velocity = np.zeros(6)
    mujoco.mj_objectVelocity(world.model, world.data, mujoco.mjtObj.mjOBJ_BODY, world.object_body, velocity, 0)
    return bool(np.linalg.norm(velocity[3:]) < 0.005)
