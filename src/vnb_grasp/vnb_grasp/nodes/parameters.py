"""Node parameters from frozen dataclasses: the one place where a parameter's default, meaning and range are stated."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, field, fields, is_dataclass
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from vnb_grasp.errors import ConfigError

C = TypeVar("C")


def parameter(default: Any, description: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """Return a dataclass field that is a node parameter.

    Args:
        default: Its type is the parameter's.
        description: Meaning and unit.
        low: Least value of a number.
        high: Greatest value of a number.
    """
    return field(default=default, metadata={"description": description, "range": (low, high)})


def declare(node: Node, config: type[C], prefix: str = "") -> C:
    """Declare the fields of a configuration dataclass as read-only parameters of ``node`` and return the configuration.

    Descriptions come from :func:`parameter` or from the ``Attributes`` of the docstring; nested configurations become
    parameters with a dot in their name. Fields whose default no parameter can hold (None, mappings) keep it.

    Raises:
        ConfigError: If a given value has another type or is out of range.
    """
    documented = attribute_descriptions(config)
    values: dict[str, Any] = {}
    for item in fields(config):  # type: ignore[arg-type]
        default = item.default if item.default_factory is MISSING else item.default_factory()
        name = f"{prefix}.{item.name}" if prefix else item.name
        if is_dataclass(default):
            values[item.name] = declare(node, type(default), name)
        elif isinstance(default, str | bool | int | float | tuple):
            description = item.metadata.get("description", documented.get(item.name, ""))
            values[item.name] = _declare_one(node, name, default, description, item.metadata.get("range"))
    return config(**values)


def parameter_descriptions(config: type, prefix: str = "") -> dict[str, str]:
    """Return the descriptions of the parameters that :func:`declare` makes of a configuration, by name."""
    documented = attribute_descriptions(config)
    found: dict[str, str] = {}
    for item in fields(config):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        name = f"{prefix}.{item.name}" if prefix else item.name
        if is_dataclass(default):
            found |= parameter_descriptions(type(default), name)
        else:
            found[name] = item.metadata.get("description", documented.get(item.name, ""))
    return found


def attribute_descriptions(config: type) -> dict[str, str]:
    """Return the texts of the ``Attributes`` section of a docstring by attribute name."""
    _, _, section = (config.__doc__ or "").partition("Attributes:")
    entries = re.findall(r"([\w, ]+?): (.*?)(?=\n\s*[\w, ]+?: |\Z)", section.strip(), flags=re.DOTALL)
    return {name: " ".join(text.split()) for names, text in entries for name in names.replace(" ", "").split(",")}


def _declare_one(node: Node, name: str, default: Any, description: str, bounds: tuple[float, float] | None) -> Any:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if bounds is not None and any(math.isfinite(bound) for bound in bounds) and not isinstance(default, bool | str):
        low, high = bounds
        if isinstance(default, int):
            most = 2**62 if high == math.inf else int(high)
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=most)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    given = list(default) if isinstance(default, tuple) else default
    try:
        value = node.declare_parameter(name, given, descriptor).value
    except Exception as error:  # rclpy has one class per reason
        if type(error).__module__ != "rclpy.exceptions":
            raise
        raise ConfigError(f"parameter {name} of node {node.get_name()}: {error}; it means: {description}") from error
    return tuple(value) if isinstance(default, tuple) else value
