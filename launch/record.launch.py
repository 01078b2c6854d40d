"""Record all topics of the graph into a bag until Ctrl-C.

ros2 launch vnb_bringup record.launch.py out:=my-bag
ros2 launch vnb_bringup record.launch.py out:=my-bag recorder:=rosbag2     # ros2 bag record instead of VNB's recorder
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vnb_bringup.bags.storage import STORAGES
from vnb_bringup.discovery import stay_local

MEGABYTE = 1 << 20


def _argument(
    name: str, default: str | None, description: str, choices: list[str] | None = None
) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` starts."""
    recorders = ["vnb", "rosbag2"]
    return LaunchDescription(
        [
            stay_local(),
            _argument("out", None, "Folder of the bag; it must not be there."),
            _argument("storage", "mcap", "Kind of storage file.", sorted(STORAGES)),
            _argument("split_mb", "512", "Size at which a new file begins [MB]; 0 = never."),
            _argument("topics", "", "Names of the topics to record, separated by commas; empty = all."),
            _argument("recorder", "vnb", "vnb notes the nodes' parameters too, for `./vnb replay`.", recorders),
            OpaqueFunction(function=_recorder),
        ]
    )


def _recorder(context: LaunchContext) -> list[Node | ExecuteProcess | RegisterEventHandler]:
    names = ("out", "storage", "split_mb", "topics", "recorder")
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    make = _rosbag2 if given["recorder"] == "rosbag2" else _vnb
    process = make(given)
    done = OnProcessExit(target_action=process, on_exit=[EmitEvent(event=Shutdown(reason="the recorder has ended"))])
    return [process, RegisterEventHandler(done)]


def _vnb(given: dict[str, str]) -> Node:
    parameters = {
        "out": given["out"],
        "storage": given["storage"],
        "split_megabytes": float(given["split_mb"]),
        "topics": given["topics"],
    }
    return Node(
        package="vnb_bringup", executable="recorder_node", name="recorder", parameters=[parameters], output="screen"
    )


def _rosbag2(given: dict[str, str]) -> ExecuteProcess:
    topics = [name.strip() for name in given["topics"].split(",") if name.strip()]
    size = str(round(float(given["split_mb"]) * MEGABYTE))
    command = ["ros2", "bag", "record", "--output", given["out"], "--storage", given["storage"], "--max-bag-size", size]
    return ExecuteProcess(cmd=[*command, *(["--topics", *topics] if topics else ["--all-topics"])], output="screen")
