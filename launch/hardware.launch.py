"""Start the drivers, the supervisor and the control chain on the robot, one process per node.

ros2 launch vnb_bringup hardware.launch.py interface:=slcan channel:=/dev/ttyACM0 arm_host:=192.168.58.2

With the two cameras, by this project's drivers or by the vendors' nodes (see docs/hardware.md):
... cameras:=drivers d435i_serial:=123456789012
... cameras:=nodes astra_depth:=/side/depth/image_raw astra_info:=/side/depth/camera_info

Nothing moves: the drivers connect and listen. Activate them when the robot is clear (see docs/hardware.md):
ros2 lifecycle set /hand_driver activate; ros2 lifecycle set /arm_driver activate
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushRosNamespace

from vnb_belief.beliefs import BELIEFS
from vnb_bringup.discovery import stay_local
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.hardware.roster import (
    CAMERA_SOURCES,
    DRIVERS,
    CameraConnections,
    Connections,
    hardware_nodes,
    hardware_parameters,
)
from vnb_grasp.description import known_hands, known_objects
from vnb_hardware.hand.transport import INTERFACES
from vnb_sim_bridge.cameras.rig import CAMERAS

STARTS = ["no", "configure"]
KINDS = ["realsense", "orbbec", "emulated", "emulated_realsense"]
CAMERA_DEFAULTS = {
    "astra": ("orbbec", "/astra/depth/image_raw", "/astra/depth/camera_info"),
    "d435i": ("realsense", "/d435i/depth/image_rect_raw", "/d435i/depth/camera_info"),
}
"""Kind of each camera's driver, and the topics of the vendor's own node under the camera's name."""


def _argument(name: str, default: str, description: str, choices: list[str] | None = None) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        _argument("interface", "socketcan", "CAN interface of the hand.", [i for i in INTERFACES if i != "virtual"]),
        _argument("channel", "can0", "CAN channel of the hand: can0, /dev/ttyACM0, ..."),
        _argument("side", "right", "Which hand.", ["right", "left"]),
        _argument("arm_host", "192.168.58.2", "Address of the arm's controller."),
        _argument("arm_rpc_port", "0", "Port of the controller's calls; 0 is the controller's own."),
        _argument("arm_stream_port", "0", "Port of the controller's state stream; 0 is the controller's own."),
        _argument("arm_text_port", "0", "Port of the controller's text frames; 0 is the controller's own."),
        _argument(
            "cameras",
            "none",
            "Who publishes images: none (object_pose/measured comes from elsewhere), drivers, or nodes (the vendors').",
            list(CAMERA_SOURCES),
        ),
        *(argument for camera in CAMERAS for argument in _camera_arguments(camera)),
        _argument("camera_emulator", "", "HOST:PORT of ./vnb emulate cameras, for cameras of an emulated kind."),
        _argument("object", "mustard_bottle", "Object to grasp.", sorted(known_objects())),
        _argument("belief", "learned", "Belief that the method plans with.", sorted(BELIEFS)),
        _argument("checkpoint", "", "Checkpoint of the learned belief; empty takes the shipped one."),
        _argument("hand", "l6_v31", "Hand variant, and joint table of its driver.", sorted(known_hands())),
        _argument(
            "start", "configure", "Whether the drivers connect by themselves; they never move by themselves.", STARTS
        ),
        _argument("namespace", "", "Namespace of all nodes."),
        _argument("params_file", str(_default_parameters()), "Parameter file of the nodes."),
    ]


def _camera_arguments(camera: str) -> list[DeclareLaunchArgument]:
    kind, depth, info = CAMERA_DEFAULTS[camera]
    return [
        _argument(f"{camera}_kind", kind, f"Driver of the {camera} (cameras:=drivers).", KINDS),
        _argument(f"{camera}_serial", "", f"Serial number of the {camera}; empty takes the only one of its kind."),
        _argument(f"{camera}_depth", depth, f"Topic of the {camera}'s depth images (cameras:=nodes)."),
        _argument(f"{camera}_info", info, f"Topic of the {camera}'s camera info (cameras:=nodes)."),
    ]


def _default_parameters() -> Path:
    """Return the installed parameter file, or that of the checkout where nothing is installed."""
    try:
        return Path(get_package_share_directory("vnb_bringup")) / "config" / "hardware.yaml"
    except PackageNotFoundError:
        return Path(__file__).resolve().parents[1] / "config" / "hardware.yaml"


def _nodes(context: LaunchContext) -> list[Node]:
    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    ports = tuple(int(given(f"arm_{which}_port")) for which in ("rpc", "stream", "text"))
    checkpoint = Path(given("checkpoint")) if given("checkpoint") else None
    settings = GraphSettings(given("object"), given("hand"), given("belief"), checkpoint, lockstep=False)
    cameras = CameraConnections(
        given("cameras"),
        {camera: given(f"{camera}_kind") for camera in CAMERAS},
        {camera: given(f"{camera}_serial") for camera in CAMERAS},
        given("camera_emulator"),
    )
    connections = Connections(given("interface"), given("channel"), given("arm_host"), ports, given("side"), cameras)
    parameters = hardware_parameters(settings, connections)
    for name in DRIVERS:
        parameters[name]["autostart"] = given("start")
    vendors = {
        f"{camera}_pose_estimator": (
            (f"{camera}/depth/image_rect_raw", given(f"{camera}_depth")),
            (f"{camera}/depth/camera_info", given(f"{camera}_info")),
        )
        for camera in CAMERAS
    }
    return [
        Node(
            package=node.package,
            executable=node.executable,
            name=name,
            parameters=[given("params_file"), parameters[name]],
            remappings=[*node.remappings.items(), *(vendors.get(name, ()) if cameras.source == "nodes" else ())],
            output="screen",
        )
        for name, node in hardware_nodes(connections).items()
    ]


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` starts."""
    group = GroupAction([PushRosNamespace(LaunchConfiguration("namespace")), OpaqueFunction(function=_nodes)])
    return LaunchDescription([stay_local(), *_arguments(), group])
