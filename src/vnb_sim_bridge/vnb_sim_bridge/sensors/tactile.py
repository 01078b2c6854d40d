"""Tactile pads: contact forces on the distal links become 12x6 arrays of bytes, as the hand reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import Pad
from vnb_sim_bridge.scenario import stream
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TactileModel:
    """Response of a pad.

    Attributes:
        spread: Standard deviation of a point force's footprint on the pad [m].
        reach: Decay length with which the rubber cover transmits forces from beyond the taxel window [m].
        gain_error: Relative standard deviation of each finger's gain, constant over a trial.
        noise: Standard deviation of a loaded taxel's reading, relative to it. Unloaded taxels read zero: the firmware
            subtracts the baseline.
    """

    spread: float = 0.0015
    reach: float = 0.010
    gain_error: float = 0.05
    noise: float = 0.05

    def taxels(
        self, pad: Pad, gain: float, points: Array, forces: Array, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return one pad's bytes (rows, columns).

        Args:
            pad: Geometry and counts per newton.
            gain: This finger's gain in this trial (1 = as specified).
            points: Contact points in the pad frame (n, 3) [m].
            forces: Normal forces (n,) [N].
            rng: Generator of the reading noise.
        """
        rows = (np.arange(pad.rows) - (pad.rows - 1) / 2) * pad.row_pitch
        columns = (np.arange(pad.columns) - (pad.columns - 1) / 2) * pad.column_pitch
        load = np.zeros((pad.rows, pad.columns))
        half = np.array([rows[-1], columns[-1]])
        for point, force in zip(points, forces, strict=True):
            inside = np.clip(point[:2], -half, half)
            beyond = float(np.linalg.norm(point[:2] - inside))
            kernel = np.exp(
                -((rows[:, None] - inside[0]) ** 2 + (columns[None, :] - inside[1]) ** 2) / (2 * self.spread**2)
            )
            load += force * np.exp(-((beyond / self.reach) ** 2)) * kernel / kernel.sum()
        counts = load * pad.counts_per_newton * gain
        counts *= 1 + self.noise * rng.standard_normal(counts.shape)
        return np.clip(np.rint(counts), 0, 255).astype(np.uint8)


def read_tactile(world: World, model: TactileModel, step: int) -> NDArray[np.uint8]:
    """Return the five pads' bytes (5, rows, columns); noise depends on the scenario's seed and ``step`` only."""
    gains = 1 + model.gain_error * stream(world.scenario.seed, "tactile gain").standard_normal(5)
    rng = stream(world.scenario.seed, "tactile", step)
    contacts = [c for c in world.contacts() if c.on_pad]
    pads = []
    for finger, pad in enumerate(world.hand.pads):
        site = world.pad_site[finger]
        origin, axes = world.data.site_xpos[site], world.data.site_xmat[site].reshape(3, 3)
        mine = [c for c in contacts if c.finger == finger]
        points = np.array([(c.position - origin) @ axes for c in mine]).reshape(-1, 3)
        forces = np.array([c.normal_force for c in mine])
        pads.append(model.taxels(pad, float(gains[finger]), points, forces, rng))
    return np.stack(pads)
