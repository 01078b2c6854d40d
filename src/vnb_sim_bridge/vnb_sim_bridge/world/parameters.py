"""Numerical and physical parameters of the simulated world."""

from __future__ import annotations

from dataclasses import dataclass

from vnb_grasp.errors import ConfigError


@dataclass(frozen=True)
class WorldParameters:
    """Solver and contact parameters; the defaults are those under which held objects neither creep nor chatter.

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
        substeps: Simulation steps per decision step.
        decision_period: Time between two decisions [s].
    """

    timestep: float = 0.002
    noslip_iterations: int = 10
    impratio: float = 10.0
    contact_impedance: float = 0.5
    torsional_ratio: float = 0.005
    friction_table: float = 0.6
    torque_scale: float = 1.0
    decision_period: float = 0.04

    def __post_init__(self) -> None:
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
