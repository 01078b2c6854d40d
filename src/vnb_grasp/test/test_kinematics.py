"""Tests of the forward kinematics against published numbers, scalar recomputation and derivatives."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from transforms3d import euler

from vnb_grasp.description import FINGERS, HandDescription, Joint, known_hands, load_arm, load_hand
from vnb_grasp.errors import DescriptionError, ShapeError
from vnb_grasp.frames.se3 import exp_so3, make_transform, rpy_to_matrix
from vnb_grasp.kinematics import ArmKinematics, HandKinematics

torch.set_num_threads(1)
D = torch.float64


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=D)


# Pads of the O6 geometry; yaw, pitch, index, middle, ring, pinky. To 5 printed digits.
O6_PADS = [
    (
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        [
            (0.05559, 0.09940, 0.06499),
            (0.01287, 0.02776, 0.16638),
            (0.01092, 0.00637, 0.17039),
            (0.01142, -0.01465, 0.16637),
            (0.01287, -0.03424, 0.16018),
        ],
    ),
    (
        (1.248, 0.314, 0.816, 0.816, 0.816, 0.816),
        [
            (0.06484, 0.01215, 0.09855),
            (0.05706, 0.02496, 0.11292),
            (0.05511, 0.00637, 0.11686),
            (0.05561, -0.01185, 0.11291),
            (0.05706, -0.02958, 0.10685),
        ],
    ),
    (
        (1.54, 0.52, 1.57, 1.57, 1.57, 1.57),
        [
            (0.03314, 0.01140, 0.10402),
            (0.02907, 0.02275, 0.07079),
            (0.02712, 0.00637, 0.07467),
            (0.02762, -0.00964, 0.07078),
            (0.02907, -0.02590, 0.06482),
        ],
    ),
]

L6_OPEN_TIPS = [
    (0.04965, 0.12984, 0.08552),
    (0.03437, 0.03887, 0.17799),
    (0.03437, 0.01557, 0.18468),
    (0.03436, -0.00730, 0.18071),
    (0.03436, -0.02856, 0.17666),
]
L6_CLOSED_TIPS = [
    (0.01812, 0.03009, 0.12625),
    (0.02237, 0.03023, 0.07927),
    (0.02237, 0.01211, 0.08565),
    (0.02237, -0.00557, 0.08164),
    (0.02236, -0.02337, 0.07770),
]


@pytest.mark.parametrize(("q", "pads"), O6_PADS)
def test_pads_of_the_o6_geometry(q: tuple[float, ...], pads: list[tuple[float, ...]]) -> None:
    hand = HandKinematics(load_hand("o6_like"))
    assert_close(hand.pad_frames(hand.expand(tensor(q)))[:, :3, 3], tensor(pads), atol=1e-5, rtol=0)


def test_pad_normals_and_tips_of_the_o6_geometry() -> None:
    hand = HandKinematics(load_hand("o6_like"))
    q = torch.zeros(11, dtype=D)
    normals = hand.pad_frames(q)[:2, :3, 2]
    assert_close(normals, tensor([(-0.1195, -0.2070, 0.9710), (0.9904, -0.0072, -0.1381)]), atol=1e-4, rtol=0)
    tips = [(0.05592, 0.09989, 0.06600), (-0.00278, 0.02820, 0.17530), (-0.00473, 0.00634, 0.17933)]
    assert_close(hand.tips(q)[:3], tensor(tips), atol=1e-5, rtol=0)


def test_tips_of_the_l6() -> None:
    hand = HandKinematics(load_hand("l6_v31"))
    assert_close(hand.tips(torch.zeros(11, dtype=D)), tensor(L6_OPEN_TIPS), atol=1e-5, rtol=0)
    assert_close(hand.tips(hand.expand(hand.upper[:6])), tensor(L6_CLOSED_TIPS), atol=1e-5, rtol=0)


# Joints [deg]; flange in base [mm]; roll, pitch, yaw [deg].
FR3_FLANGE = [
    ((0, 0, 0, 0, 0, 0), (-520.000, -202.000, 38.000), (90, 0, 0)),
    ((0, -90, 0, -90, 0, 0), (0, -202, 762), (-90, 0, 180)),
    ((0, -90, 90, -90, -90, 0), (-342, -102, 320), (180, 0, 90)),
    ((30, -60, 80, -100, -90, 45), (-337.509, -312.640, 184.209), (172.893, -7.053, 75.439)),
    ((28.166, -108.269, -59.859, -87, 94.532, -0.7), (438.317, 127.951, 385.092), (-165.033, 4.199, -59.990)),
]


@pytest.mark.parametrize(("q", "position", "rpy"), FR3_FLANGE)
def test_flange_of_the_fr3(q: tuple[float, ...], position: tuple[float, ...], rpy: tuple[float, ...]) -> None:
    flange = ArmKinematics(load_arm("fr3")).flange(torch.deg2rad(tensor(q)))
    # The table is of the nominal DH model, from which the joint origins differ by up to 11 micrometres.
    assert_close(1e3 * flange[:3, 3], tensor(position), atol=0.012, rtol=0)
    assert_close(flange[:3, :3], rpy_to_matrix(torch.deg2rad(tensor(rpy))), atol=2e-5, rtol=0)


def test_hand_on_the_fr3() -> None:
    description = load_arm("fr3")
    arm = ArmKinematics(description)
    q = torch.deg2rad(tensor((-92.33, -126.05, -94.14, -81.88, 28.65, 119.75)))
    flange = arm.flange(q)
    assert_close(1e3 * flange[:3, 3], tensor((-206.21, -401.08, 116.73)), atol=0.1, rtol=0)
    rpy = np.rad2deg(euler.mat2euler(flange[:3, :3].numpy(), "sxyz"))
    np.testing.assert_allclose(rpy, (-114.08, -5.27, 73.85), atol=0.02)
    quarter = make_transform(exp_so3(tensor((0, 0, math.pi / 2))), tensor((0, 0, 0.025311)))
    assert_close(arm.hand_base(q), flange @ quarter)


def test_arm_base_stands_where_the_description_says() -> None:
    arm = ArmKinematics(load_arm("fr3"))
    assert_close(arm.world_base[:3, 3], tensor(load_arm("fr3").base_position))
    home = arm.world_base @ arm.hand_base(tensor(load_arm("fr3").home))
    assert_close(home[:3, 3], tensor((0.0007, 0.6323, 1.5370)), atol=2e-4, rtol=0)


def link_pose_one_by_one(description: HandDescription, name: str, q: torch.Tensor) -> np.ndarray:
    """Recompute one link's pose with transforms3d, joint by joint, from the link to the base."""
    pose = np.eye(4)
    joints: dict[str, Joint] = {joint.child: joint for joint in description.joints}
    while name != description.base:
        joint = joints[name]
        turn, origin = np.eye(4), np.eye(4)
        axis = np.array(joint.axis) / np.linalg.norm(joint.axis)
        turn[:3, :3] = euler.axangle2mat(axis, q[description.joint_names.index(joint.name)].item())
        origin[:3, :3], origin[:3, 3] = euler.euler2mat(*joint.rpy, "sxyz"), joint.position
        pose, name = origin @ turn @ pose, joint.parent
    return pose


@pytest.mark.parametrize("name", known_hands())
def test_every_link_agrees_with_the_chain_taken_joint_by_joint(name: str) -> None:
    description = load_hand(name)
    hand = HandKinematics(description)
    q = torch.randn(3, 2, 11, generator=torch.Generator().manual_seed(0), dtype=D)
    poses = hand.link_poses(q)
    assert poses.shape == (3, 2, 12, 4, 4)
    for k, link in enumerate(description.links):
        expected = link_pose_one_by_one(description, link.name, q[2, 1])
        np.testing.assert_allclose(poses[2, 1, k].numpy(), expected, atol=1e-12, err_msg=link.name)


def test_the_order_of_links_in_the_file_does_not_matter() -> None:
    description = load_hand("l6_v31")
    shuffled = description.model_copy(update={"links": description.links[::-1]})
    q = torch.randn(11, generator=torch.Generator().manual_seed(0), dtype=D)
    hand, other = HandKinematics(description), HandKinematics(shuffled)
    assert other.link_names == hand.link_names[::-1]
    assert_close(other.link_poses(q), hand.link_poses(q).flip(0))
    assert_close(other.pad_frames(q), hand.pad_frames(q))


def test_passive_joints_follow() -> None:
    hand = HandKinematics(load_hand("l6_v31"))
    q = hand.expand(tensor((0.1, 0.2, 0.3, 0.4, 0.5, 0.6)))
    passive = (0.2 * 1.226495, *(1.125676 * angle for angle in (0.3, 0.4, 0.5, 0.6)))
    assert_close(q, tensor((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, *passive)))


@pytest.mark.parametrize("name", known_hands())
def test_the_couplings_stay_within_the_passive_limits(name: str) -> None:
    hand = HandKinematics(load_hand(name))
    for limit in (hand.lower, hand.upper):
        q = hand.expand(limit[:6])
        assert (q >= hand.lower - 1e-4).all()
        assert (q <= hand.upper + 1e-4).all()


def test_pads_and_tips_follow_known_link_poses() -> None:
    hand = HandKinematics(load_hand("l6_v31"))
    q = hand.expand(torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=D))
    poses = hand.link_poses(q)
    assert_close(hand.pads_on(poses), hand.pad_frames(q))
    assert_close(hand.tips_on(poses), hand.tips(q))
    assert hand.fingers == FINGERS


def test_hand_gradients() -> None:
    hand = HandKinematics(load_hand("l6_v31"))
    q = torch.rand(2, 6, generator=torch.Generator().manual_seed(0), dtype=D).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: hand.pad_frames(hand.expand(x)), q)
    assert torch.autograd.gradcheck(lambda x: hand.tips(hand.expand(x)), torch.zeros(6, dtype=D, requires_grad=True))


def test_arm_gradients() -> None:
    arm = ArmKinematics(load_arm("fr3"))
    q = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=D).requires_grad_()
    assert torch.autograd.gradcheck(arm.hand_base, q)


def test_single_precision_is_good_to_a_micrometre() -> None:
    q = torch.rand(50, 6, generator=torch.Generator().manual_seed(0))
    single, double = (HandKinematics(load_hand("l6_v31"), dtype) for dtype in (torch.float32, D))
    tips = single.tips(single.expand(q))
    assert tips.dtype == torch.float32
    assert_close(tips.double(), double.tips(double.expand(q.double())), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "update",
    [{"child": "hand_base"}, {"child": "index_proximal"}, {"parent": "middle_distal"}],
    ids=["loop to the base", "link with two joints", "loop apart from the base"],
)
def test_joints_that_form_no_tree_are_refused(update: dict[str, str]) -> None:
    hand = load_hand("l6_v31")
    k = hand.joint_names.index("middle_mcp_pitch")
    joints = (*hand.joints[:k], hand.joints[k].model_copy(update=update), *hand.joints[k + 1 :])
    with pytest.raises(DescriptionError, match="tree"):
        HandKinematics(hand.model_copy(update={"joints": joints}))


def test_wrong_lengths_are_refused() -> None:
    hand, arm = HandKinematics(load_hand("l6_v31")), ArmKinematics(load_arm("fr3"))
    with pytest.raises(ShapeError, match="11"):
        hand.link_poses(torch.zeros(6, dtype=D))
    with pytest.raises(ShapeError, match="6"):
        hand.expand(torch.zeros(11, dtype=D))
    with pytest.raises(ShapeError, match="6"):
        arm.flange(torch.zeros(7, dtype=D))
