"""The physics is right before any score is believed."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import FRICTION_FINGER, Scenario
from vnb_sim_bridge.stress.battery import perturbations, run_perturbation
from vnb_sim_bridge.stress.measure import displacement
from vnb_sim_bridge.testing import closed, lift
from vnb_sim_bridge.world.parameters import WorldParameters
from vnb_sim_bridge.world.world import World

Lifted = Callable[..., SimBridge]


def test_contact_friction_is_the_geometric_mean_during_a_grasp(lifted: Lifted) -> None:
    mu_o = 0.6**2 / FRICTION_FINGER
    contacts = lifted("tomato_soup_can").world.contacts()
    assert len(contacts) >= 3
    assert_allclose([c.friction for c in contacts], np.sqrt(FRICTION_FINGER * mu_o), rtol=1e-12)


def test_a_friction_drop_reaches_the_contacts(lifted: Lifted) -> None:
    world = lifted("tomato_soup_can").world
    drop = next(t for t in perturbations() if t.friction_object == 0.15)
    world.set_friction(float(np.sqrt(FRICTION_FINGER * drop.friction_object)))
    world.step(5)
    contacts = world.contacts()
    assert len(contacts) >= 2
    assert_allclose([c.friction for c in contacts], np.sqrt(FRICTION_FINGER * 0.15), rtol=1e-12)


def test_no_contact_force_leaves_its_friction_cone(lifted: Lifted) -> None:
    world = lifted("tomato_soup_can").world
    pressing = [c for c in world.contacts() if c.normal_force > 0.05]
    assert pressing
    for c in pressing:
        assert np.linalg.norm(c.tangential_force) <= 1.02 * c.friction * c.normal_force + 1e-3


def test_cones_are_elliptic() -> None:
    assert World(Scenario("cube")).model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC


def test_held_object_weighs_what_the_contacts_carry(lifted: Lifted) -> None:
    world = lifted("tomato_soup_can").world
    world.step(250)
    # force on the object = normal (from the hand into it) plus friction
    total = sum((c.normal_force * c.normal + c.tangential_force for c in world.contacts()), np.zeros(3))
    assert_allclose(total, [0.0, 0.0, world.object_mass() * 9.81], atol=0.05)


def test_stiffness_of_a_pressed_contact_is_the_scenarios() -> None:
    """The object pressed against the open palm with a known force sinks in by force over stiffness."""
    scenario = Scenario("cube", stiffness=1000.0, damping=15.0)
    world = World(scenario)
    world.model.opt.gravity[:] = 0.0
    palm = world.hand_pose()
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, palm[:3, :3].flatten())
    world.set_object_pose(palm[:3, 3] + palm[:3, :3] @ np.array([0.0195 + 0.025, 0.0, 0.058]), quaternion)
    depths = []
    for force in (2.0, 4.0):
        world.apply_object_wrench(np.concatenate([-force * palm[:3, 0], np.zeros(3)]))
        world.step(1500)
        touching = [c for c in world.data.contact[: world.data.ncon] if c.geom2 in world.object_geoms]
        depths.append((len(touching), -min(c.dist for c in touching)))
    (n, first), (m, second) = depths
    assert n == m  # a face presses with n parallel contacts
    assert_allclose((4.0 - 2.0) / (second - first) / n, 1000.0, rtol=0.05)


@pytest.mark.parametrize("name", ["cube", "tomato_soup_can", "tennis_ball"])
def test_held_object_creeps_less_than_half_a_millimetre_in_ten_seconds(lifted: Lifted, name: str) -> None:
    world = lifted(name).world
    world.step(round(1.0 / world.parameters.timestep))
    start = world.object_pose()
    world.step(round(10.0 / world.parameters.timestep))
    assert displacement(world, start).distance < 0.0005


def test_opening_the_fingers_drops_the_object(lifted: Lifted) -> None:
    bridge = lifted("tomato_soup_can")
    world = bridge.world
    start = world.object_pose()
    for _ in range(25):
        world.drive_hand(np.full(6, -1.5), None, 0.04)
        world.step(20)
    world.step(250)
    assert displacement(world, start).drop > 0.02


def test_doing_nothing_lifts_nothing() -> None:
    bridge = SimBridge(Scenario("cube"))
    bridge.begin_grasp()
    for n in range(5):
        bridge.decide(n, np.zeros(6))
    report = bridge.stress_test()
    assert not report.lifted
    assert report.survival == 0.0
    assert report.failure_mode == "grasp"


def test_finger_torques_stay_within_the_hands_limits() -> None:
    bridge = closed("tomato_soup_can", 0.6)
    world = bridge.world
    limit = world.torque_limit * (1 + 1e-9)
    assert (np.abs(world.hand_torque()) <= limit).all()
    for n in range(20):
        bridge.decide(n, np.full(6, 2.0))
        assert (np.abs(world.hand_torque()) <= limit).all()
    # the real hand's limits, not a generous stand-in
    assert_allclose(world.torque_limit, [0.588, 1.008, 0.574, 0.574, 0.574, 0.574])


def test_passive_joints_follow_their_coupling(lifted: Lifted) -> None:
    world = lifted("tomato_soup_can").world
    q = dict(zip(world.hand.joint_names, world.hand_q(), strict=True))
    for joint in world.hand.passive:
        assert_allclose(q[joint.name], joint.ratio * q[joint.mimic], atol=0.03)


def test_save_and_restore_give_the_same_future(lifted: Lifted) -> None:
    world = lifted("tomato_soup_can").world
    state = world.save()
    test = perturbations()[5]
    reference = world.object_pose()
    first = run_perturbation(world, test, reference)
    world.restore(state)
    assert run_perturbation(world, test, reference) == first


def test_reset_equals_the_first_reset() -> None:
    scenario = Scenario("tomato_soup_can", object_yaw=0.1)
    bridge = SimBridge(scenario)
    fresh = bridge.world.save().physics
    bridge.world.set_friction(0.1)
    bridge.world.drive_hand(np.ones(6), np.full(6, 0.1), 0.04)
    bridge.world.apply_object_wrench(np.array([1.0, 0, 0, 0, 0, 0]))
    bridge.settle(0.3)
    bridge.reset(scenario)
    assert_allclose(bridge.world.save().physics, fresh, atol=0)
    assert bridge.world.friction == scenario.friction_effective


@pytest.mark.slow
def test_battery_verdicts_agree_with_half_the_time_step(lifted: Lifted) -> None:
    agree = total = 0
    for name in ("tomato_soup_can", "cube", "tennis_ball"):
        world = lifted(name).world
        state, reference = world.save(), world.object_pose()
        fine = World(world.scenario, WorldParameters(timestep=0.001))
        for test in perturbations():
            world.restore(state)
            fine.restore(state)
            coarse_verdict = run_perturbation(world, test, reference).survived
            agree += coarse_verdict == run_perturbation(fine, test, reference).survived
            total += 1
    assert total == 84
    assert agree / total >= 0.95, f"{agree} of {total} verdicts agree"


def test_lift_follows_the_arm(lifted: Lifted) -> None:
    bridge = closed("tomato_soup_can", 0.6)
    before = bridge.world.object_pose()[2, 3]
    lift(bridge)
    assert_allclose(bridge.world.object_pose()[2, 3] - before, 0.05, atol=0.004)
