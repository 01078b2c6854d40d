"""The nodes of the graph on hardware, the topics that differ from the simulated robot's, and their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vnb_bringup.graph.roster import GraphSettings, node_parameters

HAND_TOPICS = {
    "hand/joint_states": "hand/driver/joint_states",
    "hand/target": "hand/driver/target",
    "hand/tactile": "hand/driver/tactile",
}
"""Where the hand's driver publishes, so that the decision node can make steps of it."""
ARM_TOPICS = {"arm/joint_states": "arm/driver/joint_states"}
"""Where the arm's driver publishes."""

DRIVERS = ("hand_driver", "arm_driver")
"""Lifecycle nodes, in the order in which they are activated."""


SUPERVISOR_TIMEOUT = 0.3
"""Silence of the supervisor after which the drivers hold [s]."""


@dataclass(frozen=True)
class HardwareNode:
    """A node of the graph.

    Attributes:
        package: That it comes from.
        module: Which can be run with ``python -m``; its last part is the executable's name.
        node: Its class in the module.
        remappings: Topics that it uses under another name.
    """

    package: str
    module: str
    node: str
    remappings: Mapping[str, str] = field(default_factory=dict)

    @property
    def executable(self) -> str:
        """Name of the console script."""
        return self.module.rpartition(".")[2]


def _node(package: str, name: str, node: str, remappings: Mapping[str, str] | None = None) -> HardwareNode:
    return HardwareNode(package, f"{package}.nodes.{name}_node", node, remappings or {})


NODES = {
    "hand_driver": _node("vnb_hardware", "hand_driver", "HandDriverNode", HAND_TOPICS),
    "arm_driver": _node("vnb_hardware", "arm_driver", "ArmDriverNode", HAND_TOPICS | ARM_TOPICS),
    "supervisor": _node("vnb_hardware", "supervisor", "SupervisorNode", HAND_TOPICS | ARM_TOPICS),
    "decision": _node("vnb_hardware", "decision", "DecisionNode"),
    "tactile_quality": _node("vnb_perception", "tactile_quality", "TactileQualityNode"),
    "observation": _node("vnb_belief", "observation", "ObservationNode"),
    "belief": _node("vnb_belief", "belief", "BeliefNode"),
    "planner": _node("vnb_planner", "planner", "PlannerNode"),
}
"""Nodes by name."""

CHAIN = ("tactile_quality", "observation", "belief", "planner")
"""The nodes that decide; they wait for one another, so that they may share a process."""
PROCESSES = (("hand_driver",), ("arm_driver",), ("supervisor", "decision"), CHAIN)
"""Nodes by process where nobody has launched each for itself."""


@dataclass(frozen=True)
class Connections:
    """Where the devices are.

    Attributes:
        interface, channel: Of the hand's CAN bus.
        arm_host: Name or address of the arm's controller.
        arm_ports: Of its XML-RPC server, its state stream and its text frames; zeros are the controller's own.
        side: Which hand.
    """

    interface: str = "socketcan"
    channel: str = "can0"
    arm_host: str = "192.168.58.2"
    arm_ports: tuple[int, int, int] = (0, 0, 0)
    side: str = "right"


def hardware_parameters(settings: GraphSettings, connections: Connections) -> dict[str, dict[str, Any]]:
    """Return the parameters of each node that differ between graphs."""
    chain = node_parameters(settings)
    chain["belief"]["lockstep"] = True  # the decision node makes every step wait for the command of the last
    ports = dict(zip(("driver.rpc_port", "driver.stream_port", "driver.text_port"), connections.arm_ports, strict=True))
    return {
        "hand_driver": {
            "bus.interface": connections.interface,
            "bus.channel": connections.channel,
            "driver.side": connections.side,
            "driver.table": settings.hand,
            "supervisor_timeout": SUPERVISOR_TIMEOUT,
        },
        "arm_driver": {
            "driver.host": connections.arm_host,
            **{name: port for name, port in ports.items() if port},
            "hand": settings.hand,
            "supervisor_timeout": SUPERVISOR_TIMEOUT,
        },
        "supervisor": {},
        "decision": {},
        **{name: chain[name] for name in CHAIN},
    }
