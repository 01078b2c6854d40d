"""Asks every node of the graph for its parameters: they say what computed the messages."""

from __future__ import annotations

from collections.abc import Callable
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
    """The parameters of all nodes but one's own, as they were when each node appeared.

    Args:
        node: Asks.
        on_change: Called with the parameters of all nodes that have answered, as YAML by full name.
    """

    def __init__(self, node: Node, on_change: Callable[[str], None]) -> None:
        self._node = node
        self._on_change = on_change
        self._known = {node.get_fully_qualified_name()}
        self._open: dict[str, _Interview] = {}
        self._values: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Ask nodes that were not there before. A question before its services are connected is never answered."""
        for name, namespace in self._node.get_node_names_and_namespaces():
            full = f"{namespace.rstrip('/')}/{name}"
            if full not in self._known and not name.startswith("_"):
                self._known.add(full)
                self._open[full] = _Interview(
                    self._node.create_client(ListParameters, f"{full}/list_parameters"),
                    self._node.create_client(GetParameters, f"{full}/get_parameters"),
                )
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
            self._values[full] = {name: _plain(value) for name, value in zip(names, values, strict=False)}
            self._on_change(yaml.safe_dump(self._values))

        request = ListParameters.Request(depth=_DEPTH)
        interview.list_names.call_async(request).add_done_callback(listed)


def _plain(value: Any) -> Any:
    """Return a parameter's value as YAML has it."""
    return value if value is None or isinstance(value, str | bool | int | float) else [_plain(item) for item in value]
