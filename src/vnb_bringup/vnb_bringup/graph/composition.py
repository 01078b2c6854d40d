"""All nodes in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import rclpy
import torch
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from vnb_belief.nodes.belief_node import BeliefNode
from vnb_belief.nodes.observation_node import ObservationNode
from vnb_bringup.graph.conductor import TrialConductor
from vnb_bringup.graph.domain import own_domain
from vnb_bringup.graph.roster import CAMERA_MODULES, GraphSettings, node_parameters
from vnb_grasp.nodes.base import VnbNode
from vnb_grasp.nodes.run import spinning
from vnb_perception.nodes.pose_estimator_node import PoseEstimatorNode
from vnb_perception.nodes.pose_fusion_node import PoseFusionNode
from vnb_perception.nodes.tactile_quality_node import TactileQualityNode
from vnb_planner.nodes.planner_node import PlannerNode
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.nodes.sim_bridge_node import SimBridgeNode


@dataclass(frozen=True)
class Graph:
    """A running graph.

    Attributes:
        conductor: Runs trials through it.
        nodes: All nodes by name, the conductor too.
        context: Of the nodes.
        domain: ROS domain.
    """

    conductor: TrialConductor
    nodes: dict[str, VnbNode]
    context: Context
    domain: int


@contextmanager
def composed_graph(
    settings: GraphSettings | None = None,
    make_bridge: Callable[..., SimBridge] = SimBridge,
    parameters: dict[str, dict[str, Any]] | None = None,
) -> Iterator[Graph]:
    """Run all nodes in this process and yield the graph; whatever happens inside, nothing is left running.

    Args:
        settings: What it is made of.
        make_bridge: Makes the bridge, as for :class:`SimBridgeNode`.
        parameters: Further parameters by node.

    Raises:
        VnbError: If a node cannot be made.
    """
    settings = settings or GraphSettings()
    torch.set_num_threads(1)  # the parts share the machine, and one thread gives the same sums everywhere
    with own_domain() as domain, open_context(domain) as context:
        given = node_parameters(settings)
        for name, more in (parameters or {}).items():
            given.setdefault(name, {}).update(more)
        nodes: dict[str, VnbNode] = {}
        try:
            for name, make in _makers(make_bridge, settings).items():
                overrides = [Parameter(key, value=value) for key, value in given.get(name, {}).items()]
                nodes[name] = make(context=context, parameter_overrides=overrides)
            with spinning(context, nodes.values()):
                conductor = nodes["conductor"]
                yield Graph(conductor, nodes, context, domain)  # type: ignore[arg-type]
        finally:
            for node in nodes.values():
                node.close()
                node.destroy_node()


def _makers(make_bridge: Callable[..., SimBridge], settings: GraphSettings) -> dict[str, Callable[..., VnbNode]]:
    seeing: dict[str, Callable[..., VnbNode]] = {}
    if settings.conditions.pose_source == "cameras":
        seeing = {name: partial(PoseEstimatorNode, node_name=name) for name in CAMERA_MODULES}
        seeing["pose_fusion"] = PoseFusionNode
    return {
        **seeing,
        "sim_bridge": partial(SimBridgeNode, make_bridge),
        "tactile_quality": TactileQualityNode,
        "observation": ObservationNode,
        "belief": BeliefNode,
        "planner": PlannerNode,
        "conductor": partial(TrialConductor, settings),
    }


@contextmanager
def open_context(domain: int) -> Iterator[Context]:
    """Yield a ROS context of its own; signals stay with the caller."""
    context = Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield context
    finally:
        rclpy.try_shutdown(context=context)
