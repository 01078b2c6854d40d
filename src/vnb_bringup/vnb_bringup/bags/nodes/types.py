"""Message classes, quality of service and hashes of ROS 2 from and to what bags hold."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from vnb_bringup.bags.metadata import Qos
from vnb_grasp.errors import BagError


def message_class(name: str) -> Any:
    """Return the class of a message type ``package/msg/Type``.

    Raises:
        BagError: If its package is not installed here, or has no such message.
    """
    package, _, rest = name.partition("/")
    folder, _, kind = rest.partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.{folder}"), kind)
    except (ImportError, AttributeError, ValueError):
        raise BagError(f"message type {name}: not installed here; install or build {package} and source it") from None


def recorded_qos(profile: QoSProfile) -> Qos:
    """Return a publisher's offer as bags hold it."""
    return Qos(
        history=profile.history.name.lower(),
        depth=profile.depth,
        reliability=profile.reliability.name.lower(),
        durability=profile.durability.name.lower(),
        deadline=profile.deadline.nanoseconds,
        lifespan=profile.lifespan.nanoseconds,
        liveliness=profile.liveliness.name.lower(),
        liveliness_lease_duration=profile.liveliness_lease_duration.nanoseconds,
        avoid_ros_namespace_conventions=profile.avoid_ros_namespace_conventions,
    )


def subscribing_qos(offers: tuple[Qos, ...], depth: int) -> QoSProfile:
    """Return the strictest profile that hears every publisher that offers one of these."""
    reliable = all(offer.reliability == "reliable" for offer in offers)
    latched = all(offer.durability == "transient_local" for offer in offers)
    return _profile(reliable, latched, depth)


def publishing_qos(offers: tuple[Qos, ...], depth: int) -> QoSProfile:
    """Return the profile that serves every subscriber that one of these offers served; reliable without an offer."""
    reliable = all(offer.reliability != "best_effort" for offer in offers)
    latched = bool(offers) and all(offer.durability == "transient_local" for offer in offers)
    return _profile(reliable, latched, depth)


def _profile(reliable: bool, latched: bool, depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        liveliness=LivelinessPolicy.AUTOMATIC,
    )


def hash_text(type_hash: Any) -> str:
    """Return an endpoint's type hash as ``RIHS01_...``; empty if its middleware tells none."""
    value = bytes(type_hash.value)
    if type_hash.version < 1 or not any(value):
        return ""
    return f"RIHS{type_hash.version:02d}_{value.hex()}"
