"""Build the MuJoCo model of arm, hand, table and one object from their descriptions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from vnb_grasp.description import ArmDescription, HandDescription, Inertial, Joint, Link, ObjectDescription
from vnb_grasp.shapes.primitive import Primitive
from vnb_sim_bridge.world.parameters import WorldParameters

TABLE_HEIGHT = 0.777
TABLE_HALF = (0.5984, 0.745, 0.00635)
TABLE_CENTRE = (0.0, 0.633, TABLE_HEIGHT - TABLE_HALF[2])

# Collision bits: the table meets arm and hand, the thumb meets the fingers. Object contacts are explicit pairs only,
# so that their friction, stiffness and damping are exactly those of the scenario.
_TABLE_BIT, _THUMB_BIT = 1, 2

_SOLVERS = {
    "newton": mujoco.mjtSolver.mjSOL_NEWTON,
    "cg": mujoco.mjtSolver.mjSOL_CG,
    "pgs": mujoco.mjtSolver.mjSOL_PGS,
}
_GEOM_TYPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
}
_SKIN = (0.24, 0.25, 0.28, 1.0)
_SHELL = (0.80, 0.82, 0.85, 1.0)
_ARM = (0.92, 0.92, 0.94, 1.0)


def build_spec(
    hand: HandDescription, arm: ArmDescription, obj: ObjectDescription, parameters: WorldParameters
) -> mujoco.MjSpec:
    """Return the specification of the world; compile it with ``spec.compile()``.

    Names: joints as in the descriptions, geoms ``<link>:<i>`` and ``object:<i>``, actuators as their joints, free
    joint ``object``, bodies as links plus ``object``, sites ``pad:<finger>`` and ``palm``.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, parameters)
    world = spec.worldbody
    world.add_light(pos=[0.6, 1.6, 2.4], dir=[-0.35, -0.45, -1.0], castshadow=True)
    world.add_light(pos=[-0.9, 0.4, 2.2], dir=[0.5, 0.3, -1.0], castshadow=False)
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=TABLE_CENTRE,
        size=TABLE_HALF,
        contype=_TABLE_BIT,
        conaffinity=0,
        friction=[parameters.friction_table, 0.005, 0.0001],
        rgba=[0.55, 0.47, 0.40, 1.0],
    )
    base = world.add_body(name=arm.base, pos=arm.base_position, quat=_quaternion(arm.base_rpy))
    bodies = _add_tree(base, arm.base, arm.links, arm.joints, _ARM, _TABLE_BIT, gravity_compensation=True)
    last = bodies[arm.joints[-1].child]
    mount = last.add_body(name="hand_mount", gravcomp=1)
    _set_inertial(mount, arm.mount)
    for i, geom in enumerate(arm.mount_geoms):
        _add_geom(mount, f"hand_mount:{i}", geom.primitive(), _SHELL, conaffinity=_TABLE_BIT)
    hand_base = last.add_body(
        name=hand.base, pos=arm.hand_mount_position, quat=_quaternion(arm.hand_mount_rpy), gravcomp=1
    )
    _add_tree(hand_base, hand.base, hand.links, hand.joints, _SHELL, _TABLE_BIT, gravity_compensation=False)
    hand_base.add_site(name="palm", pos=hand.palm_offset, size=[0.003] * 3, group=4)
    for pad in hand.pads:
        spec.body(pad.link).add_site(
            name=f"pad:{pad.finger}", pos=pad.position, quat=_quaternion(pad.rpy), size=[0.003] * 3, group=4
        )
    _add_couplings(spec, hand)
    _add_actuators(spec, hand, arm, parameters)
    _add_object(spec, obj)
    _add_pairs(spec, hand, obj, parameters)
    return spec


def _set_options(spec: mujoco.MjSpec, parameters: WorldParameters) -> None:
    option = spec.option
    option.timestep = parameters.timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.solver = _SOLVERS[parameters.solver]
    option.impratio = parameters.impratio
    option.noslip_iterations = parameters.noslip_iterations
    spec.visual.global_.offwidth = 960
    spec.visual.global_.offheight = 720
    spec.visual.map.znear = 0.005
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.45, 0.45, 0.45]


def _add_tree(
    base: mujoco.MjsBody,
    base_name: str,
    links: Sequence[Link],
    joints: Sequence[Joint],
    rgba: tuple[float, float, float, float],
    table_bit: int,
    *,
    gravity_compensation: bool,
) -> dict[str, mujoco.MjsBody]:
    by_name = {link.name: link for link in links}
    bodies = {base_name: base}
    _fill_link(base, by_name[base_name], rgba, table_bit)
    pending = list(joints)
    while pending:
        joint = next(j for j in pending if j.parent in bodies)
        pending.remove(joint)
        body = bodies[joint.parent].add_body(
            name=joint.child, pos=joint.position, quat=_quaternion(joint.rpy), gravcomp=1 if gravity_compensation else 0
        )
        body.add_joint(
            name=joint.name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=joint.axis,
            limited=True,
            range=[joint.lower, joint.upper],
            damping=[joint.damping, 0, 0],
            frictionloss=joint.dry_friction,
            # A passive joint is bounded by its coupling; a second limit there would fight it.
            margin=0.0,
        )
        _fill_link(body, by_name[joint.child], rgba, table_bit)
        bodies[joint.child] = body
    return bodies


def _fill_link(body: mujoco.MjsBody, link: Link, rgba: tuple[float, float, float, float], table_bit: int) -> None:
    _set_inertial(body, link.inertial)
    is_thumb = link.name.startswith("thumb_") and not link.name.endswith("base")
    is_finger = link.name.split("_")[0] in ("index", "middle", "ring", "pinky")
    for i, primitive in enumerate(link.primitives()):
        _add_geom(
            body,
            f"{link.name}:{i}",
            primitive,
            _SKIN if link.name.endswith("distal") else rgba,
            contype=_THUMB_BIT if is_thumb else 0,
            conaffinity=table_bit | (_THUMB_BIT if is_finger else 0),
        )


def _add_geom(
    body: mujoco.MjsBody,
    name: str,
    primitive: Primitive,
    rgba: tuple[float, float, float, float],
    contype: int = 0,
    conaffinity: int = 0,
    density: float = 0.0,
) -> None:
    size = list(primitive.size) + [0.0] * (3 - len(primitive.size))
    body.add_geom(
        name=name,
        type=_GEOM_TYPES[primitive.kind],
        pos=primitive.position,
        quat=primitive.quaternion,
        size=size,
        rgba=rgba,
        contype=contype,
        conaffinity=conaffinity,
        density=density,
        condim=4,
        friction=[0.6, 0.003, 0.0001],
        solref=[0.004, 1.0],
        solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
    )


def _set_inertial(body: mujoco.MjsBody, inertial: Inertial) -> None:
    body.explicitinertial = True
    body.mass = inertial.mass
    body.ipos = inertial.com
    body.fullinertia = inertial.inertia


def _add_couplings(spec: mujoco.MjSpec, hand: HandDescription) -> None:
    for joint in hand.passive:
        data = [0.0] * mujoco.mjNEQDATA
        data[1] = float(joint.ratio or 0.0)
        spec.add_equality(
            name=f"coupling:{joint.name}",
            type=mujoco.mjtEq.mjEQ_JOINT,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            name1=joint.name,
            name2=joint.mimic,
            data=data,
            solref=[0.004, 1.0],
            solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
        )


def _add_actuators(
    spec: mujoco.MjSpec, hand: HandDescription, arm: ArmDescription, parameters: WorldParameters
) -> None:
    for i, joint in enumerate(arm.joints):
        _add_servo(spec, joint, arm.servo_kp[i], arm.servo_kd[i], 1.0)
        spec.joint(joint.name).armature = arm.armature
    for joint in hand.actuated:
        _add_servo(spec, joint, hand.servo.kp, hand.servo.kd, parameters.torque_scale)
        spec.joint(joint.name).armature = hand.servo.armature


def _add_servo(spec: mujoco.MjSpec, joint: Joint, kp: float, kd: float, torque_scale: float) -> None:
    if joint.torque_limit is None:
        raise AssertionError(f"{joint.name} is checked to be actuated by its description")
    limit = joint.torque_limit * torque_scale
    actuator = spec.add_actuator(name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = kp
    actuator.biasprm[1] = -kp
    actuator.biasprm[2] = -kd
    actuator.forcelimited = True
    actuator.forcerange = [-limit, limit]


def _add_object(spec: mujoco.MjSpec, obj: ObjectDescription) -> None:
    body = spec.worldbody.add_body(name="object", pos=[0.0, 0.9, TABLE_HEIGHT + obj.half_height])
    body.add_freejoint(name="object")
    density = obj.mass / sum(volume(p) for p in obj.primitives())
    for i, primitive in enumerate(obj.primitives()):
        _add_geom(body, f"object:{i}", primitive, obj.rgba, density=density)


def _add_pairs(spec: mujoco.MjSpec, hand: HandDescription, obj: ObjectDescription, parameters: WorldParameters) -> None:
    d = parameters.contact_impedance
    for i in range(len(obj.geoms)):
        for link in hand.links:
            for j in range(len(link.geoms)):
                spec.add_pair(
                    name=f"hand:{link.name}:{j}:object:{i}",
                    geomname1=f"{link.name}:{j}",
                    geomname2=f"object:{i}",
                    condim=4,
                    solref=[0.004, 1.0],
                    solimp=[d, d, 0.001, 0.5, 2.0],
                )
        spec.add_pair(
            name=f"table:object:{i}",
            geomname1="table",
            geomname2=f"object:{i}",
            condim=4,
            solref=[0.004, 1.0],
            solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
        )


def volume(primitive: Primitive) -> float:
    """Return the volume of a primitive [m^3]."""
    size = primitive.size
    if primitive.kind == "box":
        return 8 * size[0] * size[1] * size[2]
    if primitive.kind == "sphere":
        return 4 / 3 * math.pi * size[0] ** 3
    tube = math.pi * size[0] ** 2 * 2 * size[1]
    return tube if primitive.kind == "cylinder" else tube + 4 / 3 * math.pi * size[0] ** 3


def _quaternion(rpy: Sequence[float]) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_euler2Quat(quaternion, np.asarray(rpy, dtype=float), "XYZ")
    return quaternion
