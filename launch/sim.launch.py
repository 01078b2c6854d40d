"""Start the simulated robot and the control chain as one process per node, and run one trial.

ros2 launch vnb_bringup sim.launch.py object:=cube method:=scripted
ros2 launch vnb_bringup sim.launch.py trial:=false        # only the nodes; send goals yourself
ros2 launch vnb_bringup sim.launch.py rviz:=true          # look at it in rviz2
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, GroupAction, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import EqualsSubstitution, LaunchConfiguration, OrSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import ParameterValue

from vnb_belief.beliefs import BELIEFS
from vnb_bringup.discovery import stay_local
from vnb_grasp.description import known_hands, known_objects, load_arm, load_camera, load_hand
from vnb_grasp.description.urdf import robot_urdf
from vnb_planner.planners import PLANNERS
from vnb_sim_bridge.cameras.rig import CAMERAS
from vnb_sim_bridge.scenario import REGIMES
from vnb_sim_bridge.sensors.pose import POSE_SOURCES

TRUTH = ["true", "false"]


def _argument(name: str, default: str, description: str, choices: list[str] | None = None) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)


def _value(name: str, kind: type) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def _arguments() -> list[DeclareLaunchArgument]:
    return [
        _argument("object", "mustard_bottle", "Object on the table.", sorted(known_objects())),
        _argument("regime", "bimodal", "Friction regime that the object's friction is drawn from.", sorted(REGIMES)),
        _argument("seed", "0", "Seed of everything that is drawn."),
        _argument("method", "vnb", "Method that moves the fingers.", sorted(PLANNERS)),
        _argument("belief", "learned", "Belief that the method plans with.", sorted(BELIEFS)),
        _argument("checkpoint", "", "Checkpoint of the learned belief; empty takes the shipped one."),
        _argument("beta", "0.9", "Confidence level of the risk, in [0, 1); 0 is the mean."),
        _argument("max_steps", "0", "Decision steps at most; 0 leaves it to the method."),
        _argument("hand", "l6_v31", "Hand variant.", sorted(known_hands())),
        _argument("pose_source", "cameras", "What estimates the object's pose.", sorted(POSE_SOURCES)),
        _argument("lockstep", "true", "true: time waits for commands; false: it runs with the wall clock.", TRUTH),
        _argument("battery", "true", "Run the 28 disturbance tests after the lift.", TRUTH),
        _argument("trial", "true", "Run one trial and shut down; false starts only the nodes.", TRUTH),
        _argument("out", "", "Folder of the trial's report; empty writes none."),
        _argument("visualization", "false", "Publish what rviz2 shows; rviz:=true does so too.", TRUTH),
        _argument("rviz", "false", "Show everything in rviz2.", TRUTH),
        _argument("namespace", "", "Namespace of all nodes."),
        _argument("use_sim_time", "false", "Nodes other than the bridge follow /clock.", TRUTH),
        _argument("params_file", str(_default_parameters()), "Parameter file of the nodes."),
    ]


def _default_parameters() -> Path:
    return _config_file("sim.yaml")


def _config_file(name: str) -> Path:
    """Return an installed file, or that of the checkout where nothing is installed."""
    try:
        return Path(get_package_share_directory("vnb_bringup")) / "config" / name
    except PackageNotFoundError:
        return Path(__file__).resolve().parents[1] / "config" / name


def _node(package: str, executable: str, name: str, **parameters: ParameterValue) -> Node:
    given = [LaunchConfiguration("params_file"), parameters]
    return Node(package=package, executable=executable, name=name, parameters=given, output="screen")


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` starts."""
    hand, lockstep = _value("hand", str), _value("lockstep", bool)
    clock = {"use_sim_time": _value("use_sim_time", bool)}
    belief = {"belief": _value("belief", str), "checkpoint": _value("checkpoint", str)}
    scenario = {"object_name": _value("object", str), "regime": _value("regime", str), "seed": _value("seed", int)}
    trial = Node(
        package="vnb_bringup",
        executable="trial_node",
        name="conductor",
        output="screen",
        condition=IfCondition(LaunchConfiguration("trial")),
        parameters=[
            {
                **scenario,
                **belief,
                "hand": hand,
                "lockstep": lockstep,
                "method": _value("method", str),
                "beta": _value("beta", float),
                "max_steps": _value("max_steps", int),
                "battery": _value("battery", bool),
                "pose_source": _value("pose_source", str),
                "out": _value("out", str),
            }
        ],
    )
    source = {"pose_source": _value("pose_source", str)}
    nodes = [
        _node("vnb_sim_bridge", "sim_bridge_node", "sim_bridge", hand=hand, lockstep=lockstep, **source, **scenario),
        *_camera_nodes(hand, lockstep, clock),
        _node("vnb_perception", "tactile_quality_node", "tactile_quality", hand=hand, **clock),
        _node("vnb_belief", "observation_node", "observation", hand=hand, **clock),
        _node("vnb_belief", "belief_node", "belief", hand=hand, lockstep=lockstep, **belief, **clock),
        _node("vnb_planner", "planner_node", "planner", hand=hand, **clock),
        trial,
        *_viewers(),
        OpaqueFunction(function=_description_publishers),
    ]
    done = OnProcessExit(target_action=trial, on_exit=[EmitEvent(event=Shutdown(reason="the trial has ended"))])
    group = GroupAction([PushRosNamespace(LaunchConfiguration("namespace")), *nodes])
    return LaunchDescription([stay_local(), *_arguments(), group, RegisterEventHandler(done)])


def _camera_nodes(hand: ParameterValue, lockstep: ParameterValue, clock: dict[str, ParameterValue]) -> list[Node]:
    """Return the nodes that make poses of depth images, started where cameras are the source."""
    seeing = IfCondition(EqualsSubstitution(LaunchConfiguration("pose_source"), "cameras"))
    named = {"object_name": _value("object", str), **clock}
    nodes = [
        Node(
            package="vnb_perception",
            executable="pose_estimator_node",
            name=f"{camera}_pose_estimator",
            parameters=[LaunchConfiguration("params_file"), {"camera": camera, "hand": hand, **named}],
            output="screen",
            condition=seeing,
        )
        for camera in CAMERAS
    ]
    fusion = Node(
        package="vnb_perception",
        executable="pose_fusion_node",
        name="pose_fusion",
        parameters=[LaunchConfiguration("params_file"), {"lockstep": lockstep, **named}],
        output="screen",
        condition=seeing,
    )
    return [*nodes, fusion]


def _viewers() -> list[Node]:
    """Return the publisher of what is shown, and rviz2, which run only where they are asked for."""
    shown = OrSubstitution(LaunchConfiguration("visualization"), LaunchConfiguration("rviz"))
    return [
        Node(
            package="vnb_bringup",
            executable="visualization_node",
            name="visualization",
            condition=IfCondition(shown),
            parameters=[{"hand": _value("hand", str)}],
            output="screen",
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", str(_config_file("vnb.rviz"))],
            condition=IfCondition(LaunchConfiguration("rviz")),
        ),
    ]


def _description_publishers(context: LaunchContext) -> list[Node | LogInfo]:
    """Return the publishers of the robot's frames for rviz where they are installed."""
    packages = ("robot_state_publisher", "joint_state_publisher")
    try:
        for package in packages:
            get_package_share_directory(package)
    except PackageNotFoundError as error:
        return [LogInfo(msg=f"no frames for rviz: {error}")]
    hand = LaunchConfiguration("hand").perform(context)
    cameras = [load_camera(name) for name in CAMERAS]
    description = {"robot_description": robot_urdf(load_arm("fr3"), load_hand(hand), cameras)}
    sources = {"source_list": ["arm/joint_states", "hand/joint_states"]}
    return [
        Node(package=packages[0], executable=packages[0], parameters=[description]),
        Node(package=packages[1], executable=packages[1], parameters=[description, sources]),
    ]
