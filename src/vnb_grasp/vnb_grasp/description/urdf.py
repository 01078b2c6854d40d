"""Write arm and hand as one URDF, for viewers and for tools that take no other format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree

import torch

from vnb_grasp.description.schema import ArmDescription, CameraDescription, HandDescription, Inertial, Joint
from vnb_grasp.frames.se3 import matrix_to_rpy, quaternion_to_matrix
from vnb_grasp.optics.pinhole import place_of
from vnb_grasp.shapes.primitive import Primitive

Element = ElementTree.Element
Vector = Sequence[float]

ZERO = (0.0, 0.0, 0.0)
COLOURS = {"arm": "0.86 0.87 0.89 1", "hand": "0.25 0.27 0.30 1"}


def robot_urdf(arm: ArmDescription, hand: HandDescription, cameras: Sequence[CameraDescription] = ()) -> str:
    """Return the URDF of ``hand`` on ``arm``, standing in the frame ``world``.

    Besides the links of both descriptions it has the frames ``flange``, ``hand_mount`` (the adapter, in the axes of
    the arm's last link), ``palm``, and ``<finger>_pad`` and ``<finger>_tip``. A capsule, which URDF does not know,
    becomes a cylinder with two spheres. Passive joints are mimic joints with effort 0. Each camera becomes a frame
    ``<camera>_depth_optical_frame`` where it was calibrated to be.
    """
    robot = Element("robot", name=f"{arm.name}_{hand.name}")
    for name, rgba in COLOURS.items():
        ElementTree.SubElement(ElementTree.SubElement(robot, "material", name=name), "color", rgba=rgba)
    ElementTree.SubElement(robot, "link", name="world")
    for colour, part in (("arm", arm), ("hand", hand)):
        for link in part.links:
            _add_link(robot, link.name, link.inertial, link.primitives(), colour)
        for joint in part.joints:
            _add_joint(robot, joint, part.joints)
    last = arm.joints[-1].child
    _add_link(robot, "hand_mount", arm.mount, [geom.primitive() for geom in arm.mount_geoms], "arm")
    _add_fixed(robot, "world", arm.base, arm.base_position, arm.base_rpy)
    _add_fixed(robot, last, "hand_mount", ZERO, ZERO)
    _add_fixed(robot, last, hand.base, arm.hand_mount_position, arm.hand_mount_rpy)
    _add_frame(robot, last, "flange", arm.flange_offset, ZERO)
    _add_frame(robot, hand.base, "palm", hand.palm_offset, ZERO)
    for pad in hand.pads:
        _add_frame(robot, pad.link, f"{pad.finger}_pad", pad.position, pad.rpy)
        _add_frame(robot, pad.link, f"{pad.finger}_tip", pad.tip, ZERO)
    for camera in cameras:
        place = torch.from_numpy(place_of(camera))
        rpy = matrix_to_rpy(place[:3, :3]).tolist()
        _add_frame(robot, "world", f"{camera.name}_depth_optical_frame", place[:3, 3].tolist(), rpy)
    ElementTree.indent(robot)
    return ElementTree.tostring(robot, encoding="unicode", xml_declaration=True)


def _add_link(robot: Element, name: str, inertial: Inertial, solids: Sequence[Primitive], colour: str) -> None:
    link = ElementTree.SubElement(robot, "link", name=name)
    mass = ElementTree.SubElement(link, "inertial")
    _add_origin(mass, inertial.com, ZERO)
    ElementTree.SubElement(mass, "mass", value=repr(inertial.mass))
    entries = zip(("ixx", "iyy", "izz", "ixy", "ixz", "iyz"), inertial.inertia, strict=True)
    ElementTree.SubElement(mass, "inertia", {entry: repr(value) for entry, value in entries})
    for part in (part for solid in solids for part in _without_capsules(solid)):
        rpy = matrix_to_rpy(quaternion_to_matrix(torch.tensor(part.quaternion, dtype=torch.float64))).tolist()
        for role in ("visual", "collision"):
            element = ElementTree.SubElement(link, role)
            _add_origin(element, part.position, rpy)
            _add_geometry(element, part)
            if role == "visual":
                ElementTree.SubElement(element, "material", name=colour)


def _without_capsules(solid: Primitive) -> tuple[Primitive, ...]:
    if solid.kind != "capsule":
        return (solid,)
    radius, half = solid.size
    axis = quaternion_to_matrix(torch.tensor(solid.quaternion, dtype=torch.float64))[:, 2].tolist()
    below, above = (
        Primitive("sphere", (radius,), tuple(p + sign * half * a for p, a in zip(solid.position, axis, strict=True)))
        for sign in (-1, 1)
    )
    return below, Primitive("cylinder", solid.size, solid.position, solid.quaternion), above


def _add_geometry(element: Element, solid: Primitive) -> None:
    geometry = ElementTree.SubElement(element, "geometry")
    if solid.kind == "box":
        ElementTree.SubElement(geometry, "box", size=_text([2 * half for half in solid.size]))
    elif solid.kind == "sphere":
        ElementTree.SubElement(geometry, "sphere", radius=repr(solid.size[0]))
    else:
        ElementTree.SubElement(geometry, "cylinder", radius=repr(solid.size[0]), length=repr(2 * solid.size[1]))


def _add_joint(robot: Element, joint: Joint, joints: Sequence[Joint]) -> None:
    element = ElementTree.SubElement(robot, "joint", name=joint.name, type="revolute")
    _add_ends(element, joint.parent, joint.child)
    _add_origin(element, joint.position, joint.rpy)
    length = math.hypot(*joint.axis)
    ElementTree.SubElement(element, "axis", xyz=_text([a / length for a in joint.axis]))
    speed = joint.speed_limit or 0.0
    if joint.mimic is not None and joint.ratio is not None:
        followed = next(other for other in joints if other.name == joint.mimic)
        speed = abs(joint.ratio) * (followed.speed_limit or 0.0)
        ElementTree.SubElement(element, "mimic", joint=joint.mimic, multiplier=repr(joint.ratio), offset="0.0")
    limits = {"lower": joint.lower, "upper": joint.upper, "effort": joint.torque_limit or 0.0, "velocity": speed}
    ElementTree.SubElement(element, "limit", {name: repr(float(value)) for name, value in limits.items()})
    ElementTree.SubElement(element, "dynamics", damping=repr(joint.damping), friction=repr(joint.dry_friction))


def _add_frame(robot: Element, parent: str, name: str, position: Vector, rpy: Vector) -> None:
    ElementTree.SubElement(robot, "link", name=name)
    _add_fixed(robot, parent, name, position, rpy)


def _add_fixed(robot: Element, parent: str, child: str, position: Vector, rpy: Vector) -> None:
    joint = ElementTree.SubElement(robot, "joint", name=f"{child}_fixed", type="fixed")
    _add_ends(joint, parent, child)
    _add_origin(joint, position, rpy)


def _add_ends(joint: Element, parent: str, child: str) -> None:
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)


def _add_origin(element: Element, position: Vector, rpy: Vector) -> None:
    ElementTree.SubElement(element, "origin", xyz=_text(position), rpy=_text(rpy))


def _text(values: Vector) -> str:
    return " ".join(repr(float(value)) for value in values)
