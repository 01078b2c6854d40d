"""Tests of the URDF: against the descriptions, and through MuJoCo's parser against our own kinematics."""

from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import torch

from vnb_grasp.description import ArmDescription, HandDescription, known_hands, load_arm, load_camera, load_hand
from vnb_grasp.description.urdf import robot_urdf
from vnb_grasp.frames.se3 import make_transform, quaternion_to_matrix, rpy_to_matrix
from vnb_grasp.kinematics import ArmKinematics, HandKinematics
from vnb_grasp.optics.pinhole import place_of
from vnb_grasp.shapes.primitive import Primitive
from vnb_grasp.shapes.sdf import SignedDistance

torch.set_num_threads(1)
D = torch.float64


@pytest.fixture(params=known_hands())
def robot(request: pytest.FixtureRequest) -> tuple[ArmDescription, HandDescription, str]:
    arm, hand = load_arm("fr3"), load_hand(request.param)
    return arm, hand, robot_urdf(arm, hand)


def numbers(text: str | None) -> list[float]:
    return [float(word) for word in (text or "").split()]


def test_joints_are_those_of_the_descriptions(robot: tuple[ArmDescription, HandDescription, str]) -> None:
    arm, hand, text = robot
    moving = {e.get("name"): e for e in ElementTree.fromstring(text).iter("joint") if e.get("type") == "revolute"}
    assert tuple(moving) == arm.joint_names + hand.joint_names
    for joint in (*arm.joints, *hand.joints):
        element = moving[joint.name]
        assert element.find("parent").get("link") == joint.parent
        assert element.find("child").get("link") == joint.child
        limit, mimic, dynamics = element.find("limit"), element.find("mimic"), element.find("dynamics")
        assert (float(limit.get("lower")), float(limit.get("upper"))) == (joint.lower, joint.upper)
        assert float(limit.get("effort")) == (joint.torque_limit or 0.0)
        assert float(limit.get("velocity")) > 0
        assert float(dynamics.get("damping")) == joint.damping
        assert float(dynamics.get("friction")) == joint.dry_friction
        assert (mimic is None) == (joint.mimic is None)
        if mimic is not None:
            assert (mimic.get("joint"), float(mimic.get("multiplier"))) == (joint.mimic, joint.ratio)


def test_it_is_one_tree_from_the_world(robot: tuple[ArmDescription, HandDescription, str]) -> None:
    root = ElementTree.fromstring(robot[2])
    links = [e.get("name") for e in root.findall("link")]
    children = [e.find("child").get("link") for e in root.findall("joint")]
    assert len(set(links)) == len(links)
    assert sorted(children) == sorted(set(links) - {"world"})
    names = [e.get("name") for e in root.findall("joint")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["astra", "d435i"])
def test_cameras_are_frames_where_they_were_calibrated(name: str) -> None:
    camera = load_camera(name)
    root = ElementTree.fromstring(robot_urdf(load_arm("fr3"), load_hand("l6_v31"), [camera]))
    (joint,) = (e for e in root.iter("joint") if e.find("child").get("link") == f"{name}_depth_optical_frame")
    assert (joint.get("type"), joint.find("parent").get("link")) == ("fixed", "world")
    origin = joint.find("origin")
    rotation = rpy_to_matrix(torch.tensor(numbers(origin.get("rpy")), dtype=D))
    place = make_transform(rotation, torch.tensor(numbers(origin.get("xyz")), dtype=D))
    np.testing.assert_allclose(place.numpy(), place_of(camera), atol=1e-12)


def test_inertias_are_those_of_the_descriptions(robot: tuple[ArmDescription, HandDescription, str]) -> None:
    arm, hand, text = robot
    elements = {e.get("name"): e.find("inertial") for e in ElementTree.fromstring(text).findall("link")}
    for link in (*arm.links, *hand.links):
        inertial = elements[link.name]
        assert float(inertial.find("mass").get("value")) == link.inertial.mass
        assert tuple(numbers(inertial.find("origin").get("xyz"))) == link.inertial.com
        inertia = inertial.find("inertia")
        got = tuple(float(inertia.get(key)) for key in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz"))
        assert got == link.inertial.inertia


def read_solid(element: ElementTree.Element) -> tuple[str, tuple[float, ...], torch.Tensor]:
    """Return kind, sizes as of a primitive, and pose of a visual or collision element."""
    origin, geometry = element.find("origin"), element.find("geometry")[0]
    size = {
        "box": lambda g: tuple(x / 2 for x in numbers(g.get("size"))),
        "sphere": lambda g: (float(g.get("radius")),),
        "cylinder": lambda g: (float(g.get("radius")), float(g.get("length")) / 2),
    }[geometry.tag](geometry)
    position = torch.tensor(numbers(origin.get("xyz")), dtype=D)
    rotation = rpy_to_matrix(torch.tensor(numbers(origin.get("rpy")), dtype=D))
    return geometry.tag, size, make_transform(rotation, position)


@pytest.mark.parametrize("role", ["visual", "collision"])
def test_shapes_fill_the_same_space(robot: tuple[ArmDescription, HandDescription, str], role: str) -> None:
    arm, hand, text = robot
    elements = {e.get("name"): e.findall(role) for e in ElementTree.fromstring(text).findall("link")}
    generator = torch.Generator().manual_seed(0)
    for link in (*arm.links, *hand.links):
        points = torch.tensor(link.inertial.com, dtype=D) + 0.1 * torch.randn(300, 3, generator=generator, dtype=D)
        expected = SignedDistance(link.primitives()).distance(points)
        distances = []
        for kind, size, pose in map(read_solid, elements[link.name]):
            local = (points - pose[:3, 3]) @ pose[:3, :3]
            distances.append(SignedDistance([Primitive(kind, size)]).distance(local))
        outside = expected > 0
        got = torch.stack(distances).amin(0)
        torch.testing.assert_close(got[outside], expected[outside], atol=1e-9, rtol=0)
        assert ((got > -1e-9) == (expected > -1e-9)).all()


def test_mujoco_reads_it_with_the_same_kinematics(robot: tuple[ArmDescription, HandDescription, str]) -> None:
    arm, hand, text = robot
    # Keep bodies of fixed joints, so that frames without mass can be compared too.
    text = text.replace("<material", '<mujoco><compiler fusestatic="false"/></mujoco>\n  <material', 1)
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    names = arm.joint_names + hand.joint_names
    assert model.njnt == len(names)
    rng = np.random.default_rng(0)
    arm_kinematics, hand_kinematics = ArmKinematics(arm), HandKinematics(hand)
    for _ in range(5):
        q_arm = rng.uniform(arm_kinematics.lower, arm_kinematics.upper)
        q_hand = hand_kinematics.expand(torch.tensor(rng.uniform(hand_kinematics.lower[:6], hand_kinematics.upper[:6])))
        for name, angle in zip(names, (*q_arm, *q_hand.tolist()), strict=True):
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        base = arm_kinematics.world_base
        links = base @ arm_kinematics.link_poses(torch.tensor(q_arm))
        palm = base @ arm_kinematics.hand_base(torch.tensor(q_arm))
        expected = dict(zip(arm_kinematics.link_names, links, strict=True))
        expected |= {"flange": base @ arm_kinematics.flange(torch.tensor(q_arm))}
        expected |= dict(zip(hand_kinematics.link_names, palm @ hand_kinematics.link_poses(q_hand), strict=True))
        pads = palm @ hand_kinematics.pad_frames(q_hand)
        expected |= {f"{finger}_pad": pad for finger, pad in zip(hand_kinematics.fingers, pads, strict=True)}
        for name, pose in expected.items():
            body = data.body(name)
            np.testing.assert_allclose(body.xpos, pose[:3, 3].numpy(), atol=1e-9, err_msg=name)
            rotation = quaternion_to_matrix(torch.tensor(body.xquat)).numpy()
            np.testing.assert_allclose(rotation, pose[:3, :3].numpy(), atol=1e-9, err_msg=name)
        tips = palm[:3, :3] @ hand_kinematics.tips(q_hand).mT + palm[:3, 3:]
        got = np.stack([data.body(f"{finger}_tip").xpos for finger in hand_kinematics.fingers])
        np.testing.assert_allclose(got, tips.mT.numpy(), atol=1e-9)


def test_total_mass_reaches_mujoco(robot: tuple[ArmDescription, HandDescription, str]) -> None:
    arm, hand, text = robot
    mass = sum(link.inertial.mass for link in (*arm.links, *hand.links)) + arm.mount.mass
    model = mujoco.MjModel.from_xml_string(text)
    # The arm's fixed base merges into the world, which has no mass.
    expected = mass - arm.links[0].inertial.mass
    np.testing.assert_allclose(model.body_mass.sum(), expected, rtol=1e-9)
