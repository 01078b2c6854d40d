"""Cases: one scenario of a set, with everything about the trial that is not the robot's choice."""

from __future__ import annotations

from dataclasses import dataclass, field

from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.parameters import WorldParameters

SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True)
class Case:
    """One entry of a scenario set; every method and every beta gets the same ones.

    Attributes:
        index: Position in the set, from 0.
        split: ``train``, ``calibration`` or ``test``: what its outcome may be used for.
        scenario: What is drawn: object, friction, mass, pose error, seed.
        regime: Name under which results are grouped; that of the scenario's friction, or of a combined regime.
        parameters: The simulator's; others than the defaults make a shifted simulator.
        latency: Decision steps by which commands reach the fingers late.
        disturbance_scale: Factor on the forces and torques of nominal test and battery.
        sweep: Name of the quantity that a sweep varies; empty if the case is of no sweep.
        level: Value of that quantity; 0 if none.
    """

    index: int
    split: str
    scenario: Scenario
    regime: str = ""
    parameters: WorldParameters = field(default_factory=WorldParameters)
    latency: int = 0
    disturbance_scale: float = 1.0
    sweep: str = ""
    level: float = 0.0

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError(f"case {self.index} split: got {self.split!r}, expected one of {', '.join(SPLITS)}")
        if self.index < 0 or self.latency < 0 or not self.disturbance_scale > 0.0:
            raise ConfigError(f"case index and latency must be >= 0, disturbance_scale > 0, got {self}")
        if not self.regime:
            object.__setattr__(self, "regime", self.scenario.regime)

    @property
    def conditions(self) -> Conditions:
        """What a bridge needs beside the scenario."""
        return Conditions(self.parameters, self.latency, self.disturbance_scale)


@dataclass(frozen=True)
class CaseSet:
    """A named, versioned list of cases and the betas at which methods that take one are run.

    Attributes:
        name: Of the preset or of the file's author.
        cases: With ``index`` counting from 0.
        betas: Confidence levels of the risk.
        seed: From which the cases were drawn.
    """

    name: str
    cases: tuple[Case, ...]
    betas: tuple[float, ...] = (0.9,)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.cases or not self.betas:
            raise ConfigError(f"scenario set {self.name!r}: got no cases or no betas, expected at least one of each")
        if [case.index for case in self.cases] != list(range(len(self.cases))):
            raise ConfigError(f"scenario set {self.name!r}: case indices must count from 0")
        if len(set(self.betas)) != len(self.betas) or not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ConfigError(f"scenario set {self.name!r} betas: got {self.betas}, expected distinct ones in [0, 1)")
