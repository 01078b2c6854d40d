"""Robot, hand and object descriptions as data: one YAML file each, validated on load."""

from vnb_grasp.description.loader import (
    known_arms,
    known_cameras,
    known_hands,
    known_objects,
    load_arm,
    load_camera,
    load_hand,
    load_hand_file,
    load_object,
)
from vnb_grasp.description.schema import (
    ACTUATED_JOINTS,
    FINGERS,
    PASSIVE_JOINTS,
    ArmDescription,
    CameraDescription,
    HandDescription,
    Inertial,
    Joint,
    Link,
    ObjectDescription,
    Pad,
)

__all__ = [
    "ACTUATED_JOINTS",
    "FINGERS",
    "PASSIVE_JOINTS",
    "ArmDescription",
    "CameraDescription",
    "HandDescription",
    "Inertial",
    "Joint",
    "Link",
    "ObjectDescription",
    "Pad",
    "known_arms",
    "known_cameras",
    "known_hands",
    "known_objects",
    "load_arm",
    "load_camera",
    "load_hand",
    "load_hand_file",
    "load_object",
]
