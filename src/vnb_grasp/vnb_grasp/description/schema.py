"""Schemas of the description files. Units: m, kg, rad, N m, s; ``rpy`` is fixed-axis XYZ: R = Rz(y) Ry(p) Rx(r)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vnb_grasp.shapes.primitive import Primitive

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
ACTUATED_JOINTS = (
    "thumb_cmc_yaw",
    "thumb_cmc_pitch",
    "index_mcp_pitch",
    "middle_mcp_pitch",
    "ring_mcp_pitch",
    "pinky_mcp_pitch",
)
PASSIVE_JOINTS = ("thumb_ip", "index_dip", "middle_dip", "ring_dip", "pinky_dip")

Vec3 = tuple[float, float, float]
Vec6 = tuple[float, float, float, float, float, float]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Geom(_Data):
    """A collision and visual primitive in its link's (or object's) frame.

    Capsules and cylinders may be given by ``from``/``to`` end points (of the axis segment) instead of position and rpy.
    """

    kind: Literal["box", "sphere", "cylinder", "capsule"]
    size: tuple[Positive, ...]
    position: Vec3 = (0.0, 0.0, 0.0)
    rpy: Vec3 = (0.0, 0.0, 0.0)
    start: Vec3 | None = Field(default=None, alias="from")
    end: Vec3 | None = Field(default=None, alias="to")

    def primitive(self) -> Primitive:
        """Return the primitive with its pose resolved; quaternion (w, x, y, z)."""
        if self.start is None or self.end is None:
            return Primitive(self.kind, tuple(self.size), self.position, _quaternion_from_rpy(self.rpy))
        axis = [b - a for a, b in zip(self.start, self.end, strict=True)]
        length = math.sqrt(sum(x * x for x in axis))
        middle = tuple((a + b) / 2 for a, b in zip(self.start, self.end, strict=True))
        quaternion = _quaternion_from_z_to([x / length for x in axis])
        return Primitive(self.kind, (self.size[0], length / 2), middle, quaternion)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _check(self) -> Geom:
        by_ends = self.start is not None or self.end is not None
        if by_ends and (self.start is None or self.end is None or self.kind not in ("capsule", "cylinder")):
            raise ValueError("'from' and 'to' go together, and only with a capsule or cylinder")
        need = {"box": 3, "sphere": 1, "cylinder": 1 if by_ends else 2, "capsule": 1 if by_ends else 2}[self.kind]
        if len(self.size) != need:
            raise ValueError(f"{self.kind} needs {need} size values, got {len(self.size)}")
        return self


class Inertial(_Data):
    """Mass [kg], centre of mass [m] and inertia [kg m^2] about it: (ixx, iyy, izz, ixy, ixz, iyz), link axes."""

    mass: Positive
    com: Vec3
    inertia: Vec6


class Link(_Data):
    """A rigid link and its primitives."""

    name: str
    inertial: Inertial
    geoms: tuple[Geom, ...] = ()

    def primitives(self) -> tuple[Primitive, ...]:
        """Return the link's collision primitives in its frame."""
        return tuple(geom.primitive() for geom in self.geoms)


class Joint(_Data):
    """A revolute joint. ``position``/``rpy``: child frame in the parent at zero; ``axis`` in the child frame.

    A passive joint follows ``mimic`` times ``ratio`` and has no torque or speed limit of its own.
    """

    name: str
    parent: str
    child: str
    position: Vec3
    rpy: Vec3 = (0.0, 0.0, 0.0)
    axis: Vec3
    lower: float
    upper: float
    torque_limit: Positive | None = None
    speed_limit: Positive | None = None
    damping: NonNegative = 0.0
    dry_friction: NonNegative = 0.0
    mimic: str | None = None
    ratio: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Joint:
        if not self.lower < self.upper:
            raise ValueError(f"joint {self.name}: lower {self.lower} is not below upper {self.upper}")
        if (self.mimic is None) != (self.ratio is None):
            raise ValueError(f"joint {self.name}: 'mimic' and 'ratio' go together")
        if self.mimic is None and (self.torque_limit is None or self.speed_limit is None):
            raise ValueError(f"joint {self.name}: an actuated joint needs torque_limit and speed_limit")
        return self


class Pad(_Data):
    """A tactile pad: x along the finger, y across, z out of the pad; ``rows`` along x, ``columns`` along y."""

    finger: Literal["thumb", "index", "middle", "ring", "pinky"]
    link: str
    position: Vec3
    rpy: Vec3
    tip: Vec3
    radius: Positive
    rows: int = Field(default=12, gt=0)
    columns: int = Field(default=6, gt=0)
    row_pitch: Positive = 0.0012
    column_pitch: Positive = 0.0016
    counts_per_newton: Positive


class Servo(_Data):
    """Joint servo: torque = kp (target - q) - kd qd, clipped to the joint's torque limit."""

    kp: Positive
    kd: NonNegative
    armature: NonNegative


class HandDescription(_Data):
    """A hand variant. ``joints`` holds the six actuated joints, then the five passive ones, in the project's order."""

    name: str
    remark: str = ""
    base: str
    palm_offset: Vec3
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]
    pads: tuple[Pad, ...]
    servo: Servo

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The eleven joint names, actuated first."""
        return tuple(joint.name for joint in self.joints)

    @property
    def actuated(self) -> tuple[Joint, ...]:
        """The six actuated joints."""
        return self.joints[: len(ACTUATED_JOINTS)]

    @property
    def passive(self) -> tuple[Joint, ...]:
        """The five passive joints."""
        return self.joints[len(ACTUATED_JOINTS) :]

    def expand(self, actuated: Sequence[float]) -> list[float]:
        """Return the eleven joint values that follow from the six actuated ones (positions or velocities)."""
        values = dict(zip(ACTUATED_JOINTS, (float(x) for x in actuated), strict=True))
        return [*values.values(), *(values[joint.mimic or ""] * (joint.ratio or 0.0) for joint in self.passive)]

    def link(self, name: str) -> Link:
        """Return the link called ``name``."""
        return next(link for link in self.links if link.name == name)

    @model_validator(mode="after")
    def _check(self) -> HandDescription:
        got = tuple(joint.name for joint in self.joints)
        need = ACTUATED_JOINTS + PASSIVE_JOINTS
        if got != need:
            missing = [name for name in need if name not in got]
            extra = [name for name in got if name not in need]
            raise ValueError(
                f"joints must be {list(need)}, in this order; missing {missing}, unknown {extra}, got {list(got)}"
            )
        if tuple(pad.finger for pad in self.pads) != FINGERS:
            raise ValueError(f"pads must be one per finger in the order {list(FINGERS)}")
        _check_tree(self.base, self.links, self.joints)
        for joint in self.joints:
            if joint.mimic is not None and joint.mimic not in ACTUATED_JOINTS:
                raise ValueError(f"joint {joint.name} follows {joint.mimic!r}, which is not an actuated joint")
        for pad in self.pads:
            if pad.link not in {link.name for link in self.links}:
                raise ValueError(f"pad of {pad.finger} is on link {pad.link!r}, which does not exist")
        return self


class ArmDescription(_Data):
    """A serial arm with the mount of the hand on its last link and its base pose in the world."""

    name: str
    remark: str = ""
    base: str
    base_position: Vec3
    base_rpy: Vec3
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]
    flange_offset: Vec3
    hand_mount_position: Vec3
    hand_mount_rpy: Vec3
    mount: Inertial
    mount_geoms: tuple[Geom, ...] = ()
    home: tuple[float, ...]
    ready: tuple[float, ...]
    servo_kp: tuple[float, ...]
    servo_kd: tuple[float, ...]
    armature: NonNegative

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The joint names from base to flange."""
        return tuple(joint.name for joint in self.joints)

    @model_validator(mode="after")
    def _check(self) -> ArmDescription:
        _check_tree(self.base, self.links, self.joints)
        n = len(self.joints)
        for name in ("home", "ready", "servo_kp", "servo_kd"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} needs {n} values, got {len(getattr(self, name))}")
        return self


class ObjectDescription(_Data):
    """A graspable object: primitives in a frame at its centre, z up when it stands on the table.

    Attributes:
        half_height: Height of the frame above the support when standing [m].
        force_cap: Largest fingertip force that counts as gentle [N].
        symmetry: ``none``, ``box`` (half turns), ``cube``, ``axial`` (about z) or ``sphere``.
    """

    name: str
    material: str
    mass: Positive
    geoms: tuple[Geom, ...]
    half_height: Positive
    force_cap: Positive = 20.0
    symmetry: Literal["none", "box", "cube", "axial", "sphere"]
    rgba: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)

    def primitives(self) -> tuple[Primitive, ...]:
        """Return the collision primitives in the object frame."""
        return tuple(geom.primitive() for geom in self.geoms)


class CameraDescription(_Data):
    """A depth camera at its place. Pixel (u, v) looks along ``((u - cx) / fx, (v - cy) / fy, 1)`` of the optical frame.

    Attributes:
        device: Its maker's name for it.
        principle: ``structured_light`` or ``active_stereo``.
        width, height: Of the depth image [pixels].
        fx, fy, cx, cy: Pinhole intrinsics [pixels]; the image is rectified.
        near, far: Range in which it gives depth [m].
        baseline: Between projector and imager, or between the imagers [m].
        disparity_step: Resolution of the disparity [pixels].
        disparity_noise: Standard deviation of the disparity [pixels]; active stereo.
        axial: Standard deviation ``a + b (z - c)^2`` of the depth [m]; structured light (Nguyen et al. 2012).
        correlation: Side of the blocks of pixels that share their noise [pixels]: what the matching window leaves.
        position, forward, up: Place in the world and axes of the picture, as the robot has calibrated them [m].
        calibration_translation, calibration_rotation: Standard deviation per axis of that calibration [m], [rad].
    """

    name: str
    device: str
    principle: Literal["structured_light", "active_stereo"]
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fx: Positive
    fy: Positive
    cx: float
    cy: float
    near: Positive
    far: Positive
    baseline: Positive
    disparity_step: Positive
    disparity_noise: NonNegative = 0.0
    axial: Vec3 = (0.0, 0.0, 0.0)
    correlation: int = Field(default=1, gt=0)
    position: Vec3
    forward: Vec3
    up: Vec3
    calibration_translation: NonNegative = 0.0
    calibration_rotation: NonNegative = 0.0

    @model_validator(mode="after")
    def _check(self) -> CameraDescription:
        if not self.near < self.far:
            raise ValueError(f"near {self.near} is not below far {self.far}")
        if abs(sum(a * b for a, b in zip(self.forward, self.up, strict=True))) > 0.01:
            raise ValueError(f"forward {self.forward} and up {self.up} are not at right angles")
        if self.disparity_noise <= 0 and self.axial[0] <= 0:
            raise ValueError("a camera needs disparity_noise or axial: no depth is without noise")
        return self


def _check_tree(base: str, links: tuple[Link, ...], joints: tuple[Joint, ...]) -> None:
    names = [link.name for link in links]
    if len(set(names)) != len(names):
        raise ValueError(f"link names are not unique: {names}")
    known = set(names)
    for joint in joints:
        for role, name in (("parent", joint.parent), ("child", joint.child)):
            if name not in known:
                raise ValueError(f"joint {joint.name}: {role} link {name!r} does not exist")
    orphans = known - {joint.child for joint in joints} - {base}
    if orphans:
        raise ValueError(f"links without a joint: {sorted(orphans)}")


def _quaternion_from_rpy(rpy: Vec3) -> tuple[float, float, float, float]:
    cr, sr = math.cos(rpy[0] / 2), math.sin(rpy[0] / 2)
    cp, sp = math.cos(rpy[1] / 2), math.sin(rpy[1] / 2)
    cy, sy = math.cos(rpy[2] / 2), math.sin(rpy[2] / 2)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def _quaternion_from_z_to(axis: list[float]) -> tuple[float, float, float, float]:
    x, y, z = axis
    if z < -1 + 1e-9:
        return (0.0, 1.0, 0.0, 0.0)
    w = 1 + z
    norm = math.sqrt(w * w + x * x + y * y)
    return (w / norm, -y / norm, x / norm, 0.0)
