"""The nodes of the graph and the parameters that they share."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vnb_sim_bridge.cameras.rig import CAMERAS
from vnb_sim_bridge.conditions import Conditions


@dataclass(frozen=True)
class GraphSettings:
    """What a graph is made of.

    Attributes:
        object_name: Object until the first reset.
        hand: Hand variant.
        belief: Belief name.
        checkpoint: Checkpoint of the belief; None takes the shipped one.
        lockstep: True: time waits for commands. False: the wall clock.
        conditions: Of its trials.
    """

    object_name: str = "mustard_bottle"
    hand: str = "l6_v31"
    belief: str = "learned"
    checkpoint: Path | None = None
    lockstep: bool = True
    conditions: Conditions = field(default_factory=Conditions)


MODULES = {
    "sim_bridge": "vnb_sim_bridge.nodes.sim_bridge_node",
    "tactile_quality": "vnb_perception.nodes.tactile_quality_node",
    "observation": "vnb_belief.nodes.observation_node",
    "belief": "vnb_belief.nodes.belief_node",
    "planner": "vnb_planner.nodes.planner_node",
}
"""Module of each node; every one can be run with ``python -m``."""

CAMERA_MODULES = {
    **{f"{camera}_pose_estimator": "vnb_perception.nodes.pose_estimator_node" for camera in CAMERAS},
    "pose_fusion": "vnb_perception.nodes.pose_fusion_node",
}
"""Module of each further node of graphs in which cameras see the object."""


def node_parameters(settings: GraphSettings) -> dict[str, dict[str, Any]]:
    """Return the parameters of each node of a graph that differ between graphs."""
    hand = {"hand": settings.hand}
    belief: dict[str, Any] = {**hand, "belief": settings.belief, "lockstep": settings.lockstep}
    if settings.checkpoint is not None:
        belief["checkpoint"] = str(settings.checkpoint)
    named = {"object_name": settings.object_name}
    seeing: dict[str, dict[str, Any]] = {}
    if settings.conditions.pose_source == "cameras":
        seeing = {f"{camera}_pose_estimator": {**hand, **named, "camera": camera} for camera in CAMERAS}
        seeing["pose_fusion"] = {**named, "lockstep": settings.lockstep}
    return {
        "sim_bridge": {
            **hand,
            "object_name": settings.object_name,
            "lockstep": settings.lockstep,
            **_condition_parameters(settings.conditions),
        },
        **seeing,
        "tactile_quality": hand,
        "observation": hand,
        "belief": belief,
        "planner": hand,
    }


def _condition_parameters(conditions: Conditions) -> dict[str, Any]:
    """Return the bridge's parameters for conditions other than the ordinary ones."""
    ordinary = Conditions()
    given = {
        name: type(getattr(ordinary, name))(getattr(conditions, name))
        for name in ("latency", "disturbance_scale", "pose_source")
        if getattr(conditions, name) != getattr(ordinary, name)
    }
    for item in fields(conditions.parameters):
        default, value = getattr(ordinary.parameters, item.name), getattr(conditions.parameters, item.name)
        if value != default:
            given[f"parameters.{item.name}"] = type(default)(value)  # a parameter of ROS keeps its type: 5 is no 5.0
    return given
