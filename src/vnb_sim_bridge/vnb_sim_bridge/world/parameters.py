"""Numerical and physical parameters of the simulated world."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vnb_grasp.errors import ConfigError

SOLVERS = ("newton", "cg", "pgs")
"""MuJoCo's solvers of the contact forces."""


@dataclass(frozen=True)
class WorldParameters:
    """Solver and contact parameters; the defaults are those under which held objects neither creep nor chatter.

    A value out of range raises :class:`ConfigError`.

    Attributes:
        timestep: Simulation step [s].
        noslip_iterations: Iterations of the no-slip pass; without it a held object creeps millimetres in 10 s, and
            three are too few for a ball.
        impratio: Ratio of frictional to normal constraint impedance.
        contact_impedance: MuJoCo impedance ``d`` of hand-object contacts. Low enough that the contact is a spring and
            a damper with the scenario's stiffness and damping, statically and dynamically.
        torsional_ratio: Torsional friction as a fraction of the sliding friction [m].
        friction_table: Sliding friction of the table's material.
        torque_scale: Factor on the hand's torque limits (1 = the real hand).
        decision_period: Time between two decisions [s].
        solver: Of the contact forces: ``newton``, ``cg`` (conjugate gradients) or ``pgs`` (projected Gauss-Seidel).
    """

    timestep: float = 0.002
    noslip_iterations: int = 10
    impratio: float = 10.0
    contact_impedance: float = 0.5
    torsional_ratio: float = 0.005
    friction_table: float = 0.6
    torque_scale: float = 1.0
    decision_period: float = 0.04
    solver: str = "newton"

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise ConfigError(f"solver: got {self.solver!r}, expected one of {', '.join(SOLVERS)}")
        for name in ("impratio", "torsional_ratio", "friction_table", "torque_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} must be finite and positive, got {value}")
        if self.noslip_iterations < 0:
            raise ConfigError(f"noslip_iterations must be at least 0, got {self.noslip_iterations}")
        if not 0 < self.timestep <= 0.004:
            raise ConfigError(f"timestep must be in (0, 0.004] s, got {self.timestep}")
        if not 0.0 < self.contact_impedance < 1.0:
            raise ConfigError(f"contact_impedance must be in (0, 1), got {self.contact_impedance}")
        if abs(self.substeps * self.timestep - self.decision_period) > 1e-9:
            raise ConfigError(
                f"decision_period {self.decision_period} s must be a multiple of the timestep {self.timestep} s"
            )

    @property
    def substeps(self) -> int:
        """Simulation steps per decision step."""
        return round(self.decision_period / self.timestep)
