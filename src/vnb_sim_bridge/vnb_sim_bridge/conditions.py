"""What decides a trial's physics beside its scenario."""

from __future__ import annotations

from dataclasses import dataclass, field

from vnb_grasp.errors import UnknownNameError
from vnb_sim_bridge.sensors.pose import POSE_SOURCES
from vnb_sim_bridge.world.parameters import WorldParameters


@dataclass(frozen=True)
class Conditions:
    """Conditions of a trial; the defaults are those of an ordinary one.

    A :class:`~vnb_sim_bridge.bridge.SimBridge` takes them one by one and checks them.

    Attributes:
        parameters: Of the simulator.
        latency: Decision steps by which commands reach the fingers late.
        disturbance_scale: Factor on the forces and torques of nominal test and battery.
        pose_source: What estimates the object's pose: ``sensor`` or ``cameras``.
    """

    parameters: WorldParameters = field(default_factory=WorldParameters)
    latency: int = 0
    disturbance_scale: float = 1.0
    pose_source: str = "sensor"

    def __post_init__(self) -> None:
        if self.pose_source not in POSE_SOURCES:
            raise UnknownNameError("pose source", self.pose_source, POSE_SOURCES)
