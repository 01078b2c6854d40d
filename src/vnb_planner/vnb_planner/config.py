"""Configurations: frozen dataclasses that can be made from a mapping and check themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from vnb_grasp.errors import ConfigError

C = TypeVar("C")


def from_mapping(config: type[C], values: Mapping[str, Any] | None) -> C:
    """Make a configuration dataclass from ``values``; fields that are not given keep their defaults.

    Lists become tuples, as YAML has no tuples.

    Raises:
        ConfigError: If a key is not a field (the known ones are listed) or a value is out of range.
    """
    known = [field.name for field in fields(config)]  # type: ignore[arg-type]
    unknown = sorted(set(values or {}) - set(known))
    if unknown:
        raise ConfigError(
            f"{config.__name__}: got unknown parameter(s) {', '.join(unknown)}, "
            f"expected among: {', '.join(sorted(known))}"
        )
    return config(**{key: tuple(v) if isinstance(v, list) else v for key, v in (values or {}).items()})


def require_in(name: str, value: float, low: float, high: float) -> None:
    """Raise :class:`ConfigError` unless ``value`` is a finite number in ``[low, high]``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name}: got {value!r}, expected a finite number")
    if not low <= value <= high:
        raise ConfigError(f"{name}: got {value}, expected {low} to {high}")


def require_positive(name: str, value: float) -> None:
    """Raise :class:`ConfigError` unless ``value`` is a finite number above zero."""
    require_in(name, value, 0.0, math.inf)
    if value == 0:
        raise ConfigError(f"{name}: got 0, expected a positive number")


def require_count(name: str, value: int, low: int) -> None:
    """Raise :class:`ConfigError` unless ``value`` is an integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"{name}: got {value!r}, expected an integer >= {low}")


def require_flag(name: str, value: bool) -> None:
    """Raise :class:`ConfigError` unless ``value`` is true or false (not a word or a number that may mean it)."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: got {value!r}, expected true or false")
