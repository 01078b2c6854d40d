"""Asks every node of the graph for its parameters: they say what computed the messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

_DEPTH = 10


@dataclass
class _Interview:
    """The conversation with one node."""

    list_names: Client
    get_values: Client
    asked: bool = False
    ended: bool = False


class NodeParameters:
    """The parameters of all nodes but one's own, as they were when each node appeared for the first time.

    Args:
        node: Asks.
        on_change: Called with notes for the bag, as YAML by full name: ``parameters`` of all nodes that have answered,
            and ``parameters_changed``, the names of those that were others when a node appeared again.
    """

    def __init__(self, node: Node, on_change: Callable[[Mapping[str, str]], None]) -> None:
        self._node = node
        self._on_change = on_change
        self._own = node.get_fully_qualified_name()
        self._known: set[str] = set()
        self._open: dict[str, _Interview] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, list[str]] = {}

    def look(self) -> None:
        """Ask nodes that were not there before. A question before its services are connected is never answered."""
        present = {
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self._node.get_node_names_and_namespaces()
            if not name.startswith("_")
        } - {self._own}
        for full in self._open.keys() - present:
            self._open[full].ended = True
        for full in sorted(present - self._known - self._open.keys()):
            self._open[full] = _Interview(
                self._node.create_client(ListParameters, f"{full}/list_parameters"),
                self._node.create_client(GetParameters, f"{full}/get_parameters"),
            )
        self._known = present
        for full, interview in list(self._open.items()):
            clients = (interview.list_names, interview.get_values)
            if interview.ended:
                for client in clients:
                    self._node.destroy_client(client)
                del self._open[full]
            elif not interview.asked and all(client.service_is_ready() for client in clients):
                interview.asked = True
                self._ask(full, interview)

    def _ask(self, full: str, interview: _Interview) -> None:
        def listed(future: Any) -> None:
            names = list(future.result().result.names)
            request = GetParameters.Request(names=names)
            interview.get_values.call_async(request).add_done_callback(lambda answer: told(names, answer))

        def told(names: list[str], future: Any) -> None:
            interview.ended = True
            values = (parameter_value_to_python(value) for value in future.result().values)
            self._take(full, {name: _plain(value) for name, value in zip(names, values, strict=False)})

        request = ListParameters.Request(depth=_DEPTH)
        interview.list_names.call_async(request).add_done_callback(listed)

    def _take(self, full: str, values: dict[str, Any]) -> None:
        first = self._values.setdefault(full, values)
        changed = {name for name in first.keys() | values.keys() if first.get(name) != values.get(name)}
        if changed:
            self._changed[full] = sorted(changed.union(self._changed.get(full, ())))
        notes = {"parameters": self._values, "parameters_changed": self._changed}
        self._on_change({name: yaml.safe_dump(note) for name, note in notes.items() if note})


def _plain(value: Any) -> Any:
    """Return a parameter's value as YAML has it."""
    return value if value is None or isinstance(value, str | bool | int | float) else [_plain(item) for item in value]
