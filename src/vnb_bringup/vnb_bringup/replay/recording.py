"""What a bag tells of the decision loop, as messages in the order of their reception."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rclpy.serialization import deserialize_message
from vnb_msgs.msg import GraspGoal, PlannerStatus

from vnb_bringup.bags.nodes.player_node import refuse_mismatches
from vnb_bringup.bags.nodes.types import message_class
from vnb_bringup.bags.reader import BagReader
from vnb_grasp.errors import BagError
from vnb_grasp.nodes.conversions import nanoseconds

Key = tuple[int, int]
"""Stamp [ns] and decision step."""

TOPICS = {
    "observation": "vnb_msgs/msg/Observation",
    "hand/command": "vnb_msgs/msg/HandCommand",
    "grasp_quality": "vnb_msgs/msg/GraspQuality",
    "hand/target": "sensor_msgs/msg/JointState",
    "belief": "vnb_msgs/msg/Belief",
    "planner/goal": "vnb_msgs/msg/GraspGoal",
    "planner/status": "vnb_msgs/msg/PlannerStatus",
}
"""Topics that are needed, by their names without a namespace."""


@dataclass(frozen=True)
class Grasp:
    """A grasp of the bag: what was asked for, and the status of each decision."""

    goal: GraspGoal
    decisions: tuple[PlannerStatus, ...]


@dataclass(frozen=True)
class Facts:
    """What the bag tells of the nodes that computed it.

    Attributes:
        parameters: Of each node by its name without a namespace; empty where the recorder could not ask.
        checkpoint_sha256: Of the belief's checkpoint; empty if it is not told.
        versions: Of the software, by name; empty if they are not told.
        changed: Names of the parameters that differed when a node appeared again, by its name without a namespace.
    """

    parameters: Mapping[str, Mapping[str, Any]]
    checkpoint_sha256: str
    versions: Mapping[str, str]
    changed: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, node: str, name: str, default: Any) -> Any:
        """Return a parameter of a node, or ``default`` where the bag does not tell.

        Raises:
            BagError: If the node had several values of it in the course of the recording.
        """
        if name in self.changed.get(node, ()):
            raise BagError(
                f"the bag holds several trials, whose {node} nodes had different values of {name}; record each trial "
                "into a bag of its own to compute it again"
            )
        return self.parameters.get(node, {}).get(name, default)


class Recording:
    """The decision loop in a bag.

    Args:
        bag: An open bag.

    Raises:
        BagError: If it lacks topics, or was recorded with other messages; says which.
    """

    def __init__(self, bag: BagReader) -> None:
        self._bag = bag
        self.path: Path = bag.path
        self._names = _resolve(bag)
        refuse_mismatches(bag, list(self._names))
        self._classes = {full: message_class(TOPICS[short]) for full, short in self._names.items()}
        self.facts = _facts(bag.info.custom)
        self.grasps = self._find_grasps()

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yield topic (without its namespace) and message, in the order of reception."""
        yield from self._read(self._names)

    def _read(self, names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        for message in self._bag.messages(list(names)):
            yield names[message.topic], deserialize_message(message.data, self._classes[message.topic])

    def _find_grasps(self) -> tuple[Grasp, ...]:
        """Pair goals with the decisions that followed; each topic is in order, the two beside each other need not be.

        Goals without any decision are left out.
        """
        goals: list[GraspGoal] = []
        statuses: list[PlannerStatus] = []
        wanted = {full: short for full, short in self._names.items() if short in ("planner/goal", "planner/status")}
        for topic, message in self._read(wanted):
            if topic == "planner/goal":
                goals.append(message)
            elif message.phase in (PlannerStatus.CLOSING, PlannerStatus.DONE):
                statuses.append(message)
        grasps: list[Grasp] = []
        for goal in goals:
            begin = next((i for i, status in enumerate(statuses) if key_of(status) == (_stamp(goal), 0)), None)
            if begin is None:
                continue
            statuses = statuses[begin:]
            end = next((i for i, status in enumerate(statuses) if i and status.step == 0), len(statuses))
            grasps.append(Grasp(goal, tuple(statuses[:end])))
            statuses = statuses[end:]
        return tuple(grasps)


def key_of(message: Any) -> Key:
    """Return what tells the messages of one decision step from others."""
    return _stamp(message), int(message.step)


def _stamp(message: Any) -> int:
    return nanoseconds(message.header.stamp)


def _resolve(bag: BagReader) -> dict[str, str]:
    """Return the needed topics by their full names, which share a namespace.

    Raises:
        BagError: If topics are missing, or several namespaces have them.
    """
    found = [name.removesuffix("/observation") for name in bag.topics if name.endswith("/observation")]
    if len(found) > 1:
        raise BagError(f"bag {bag.path}: got several graphs, in {', '.join(found)}; record one of them")
    space = found[0] if found else ""
    names = {f"{space}/{short}": short for short in TOPICS}
    missing = [f"{name} ({TOPICS[short]})" for name, short in names.items() if name not in bag.topics]
    wrong = [
        f"{name} is {bag.topics[name].type}, expected {TOPICS[short]}"
        for name, short in names.items()
        if name in bag.topics and bag.topics[name].type != TOPICS[short]
    ]
    if missing or wrong:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + wrong
        raise BagError(
            f"bag {bag.path}: {'; '.join(told)}. A replay needs the whole decision loop: record with `./vnb trial "
            "--record` or `./vnb bag record`"
        )
    return names


def _facts(custom: Mapping[str, str]) -> Facts:
    try:
        parameters = yaml.safe_load(custom.get("parameters", "")) or {}
        changed = yaml.safe_load(custom.get("parameters_changed", "")) or {}
        versions = yaml.safe_load(custom.get("versions", "")) or {}
        by_name = {str(node).rpartition("/")[2]: dict(values) for node, values in parameters.items()}
        changed_by_name = {str(node).rpartition("/")[2]: set(names) for node, names in changed.items()}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise BagError(f"the bag's notes on its nodes cannot be read ({error})") from error
    return Facts(by_name, custom.get("checkpoint_sha256", ""), versions, changed_by_name)
