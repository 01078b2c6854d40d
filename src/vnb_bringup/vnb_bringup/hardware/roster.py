"""The nodes of the graph on hardware, the topics that differ from the simulated robot's, and their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vnb_bringup.graph.roster import GraphSettings, node_parameters
from vnb_grasp.description import load_camera
from vnb_grasp.errors import ConfigError
from vnb_sim_bridge.cameras.rig import CAMERAS

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
        shared: Whether its class runs more than once, so that each must be told its name.
    """

    package: str
    module: str
    node: str
    remappings: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False

    @property
    def executable(self) -> str:
        """Name of the console script."""
        return self.module.rpartition(".")[2]


def _node(
    package: str, name: str, node: str, remappings: Mapping[str, str] | None = None, shared: bool = False
) -> HardwareNode:
    return HardwareNode(package, f"{package}.nodes.{name}_node", node, remappings or {}, shared)


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
"""Nodes by name, without cameras."""

POSE = "object_pose/measured"
"""Where the decision node finds the object's pose."""
CAMERA_DRIVERS = {
    f"{camera}_driver": _node("vnb_hardware", "camera_driver", "CameraDriverNode", shared=True) for camera in CAMERAS
}
"""Drivers of the cameras, by name."""
CAMERA_NODES = {
    **CAMERA_DRIVERS,
    **{
        f"{camera}_pose_estimator": _node(
            "vnb_perception",
            "pose_estimator",
            "PoseEstimatorNode",
            ARM_TOPICS | {"hand/joint_states": HAND_TOPICS["hand/joint_states"]},
            shared=True,
        )
        for camera in CAMERAS
    },
    "pose_fusion": _node(
        "vnb_perception",
        "pose_fusion",
        "PoseFusionNode",
        {"hand/tactile": HAND_TOPICS["hand/tactile"], "object_pose": POSE},
    ),
}
"""Further nodes by name, of robots whose cameras see the object. They look at what the drivers measure, since there are
no decision steps before there is a pose."""
CAMERA_PROCESSES = (
    (*CAMERA_DRIVERS, "pose_fusion"),
    *((name,) for name in CAMERA_NODES if name.endswith("_pose_estimator")),
)
"""These nodes by process where nobody has launched each for itself."""

CHAIN = ("tactile_quality", "observation", "belief", "planner")
"""The nodes that decide; they wait for one another, so that they may share a process."""
PROCESSES = (("hand_driver",), ("arm_driver",), ("supervisor", "decision"), CHAIN)
"""Nodes by process where nobody has launched each for itself."""


CAMERA_SOURCES = ("none", "drivers", "nodes")
"""Who publishes images: nobody, so that the object's pose comes from elsewhere; the drivers; the vendors' nodes."""


@dataclass(frozen=True)
class CameraConnections:
    """Where the cameras are.

    Attributes:
        source: One of :data:`CAMERA_SOURCES`.
        kinds: Of the drivers, by camera.
        serials: Serial numbers by camera; empty takes the only one of its kind.
        address: HOST:PORT of the emulator, of emulated cameras only.

    Raises:
        ConfigError: If the source is none of them.
    """

    source: str = "none"
    kinds: Mapping[str, str] = field(default_factory=lambda: {"astra": "orbbec", "d435i": "realsense"})
    serials: Mapping[str, str] = field(default_factory=dict)
    address: str = ""

    def __post_init__(self) -> None:
        if self.source not in CAMERA_SOURCES:
            raise ConfigError(f"cameras: got {self.source!r}, expected one of {', '.join(CAMERA_SOURCES)}")


def emulated_cameras(address: str) -> CameraConnections:
    """Return how the drivers reach emulated cameras at HOST:PORT."""
    return CameraConnections("drivers", dict.fromkeys(CAMERAS, "emulated"), {c: c for c in CAMERAS}, address)


@dataclass(frozen=True)
class Connections:
    """Where the devices are.

    Attributes:
        interface, channel: Of the hand's CAN bus.
        arm_host: Name or address of the arm's controller.
        arm_ports: Of its XML-RPC server, its state stream and its text frames; zeros are the controller's own.
        side: Which hand.
        cameras: Where the cameras are.
    """

    interface: str = "socketcan"
    channel: str = "can0"
    arm_host: str = "192.168.58.2"
    arm_ports: tuple[int, int, int] = (0, 0, 0)
    side: str = "right"
    cameras: CameraConnections = field(default_factory=CameraConnections)


def hardware_nodes(connections: Connections) -> dict[str, HardwareNode]:
    """Return the nodes of a graph by name."""
    unused = {"none": set(CAMERA_NODES), "drivers": set(), "nodes": set(CAMERA_DRIVERS)}[connections.cameras.source]
    return NODES | {name: node for name, node in CAMERA_NODES.items() if name not in unused}


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
        **_camera_parameters(settings, connections.cameras),
    }


def _camera_parameters(settings: GraphSettings, cameras: CameraConnections) -> dict[str, dict[str, Any]]:
    if cameras.source == "none":
        return {}
    named = {"object_name": settings.object_name}
    given: dict[str, dict[str, Any]] = {"pose_fusion": {**named, "lockstep": False}}
    for camera in CAMERAS:
        given[f"{camera}_pose_estimator"] = {
            **named,
            "camera": camera,
            "hand": settings.hand,
            "every_image": False,
        }
        if cameras.source == "drivers":
            described = load_camera(camera)
            given[f"{camera}_driver"] = {
                "camera": camera,
                "kind": cameras.kinds[camera],
                "streams.serial": cameras.serials.get(camera, ""),
                "streams.width": described.width,
                "streams.height": described.height,
                **({"streams.address": cameras.address} if cameras.address else {}),
                "autostart": "activate",  # they move nothing
            }
    return given
