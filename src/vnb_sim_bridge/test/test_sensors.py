"""Tactile pads, encoders and the pose sensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.description import load_hand
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import Scenario, draw_scenario
from vnb_sim_bridge.sensors.frame import ENCODER_LEVELS, SensorSuite
from vnb_sim_bridge.sensors.pose import PoseSensor, PoseSensorModel
from vnb_sim_bridge.sensors.tactile import TactileModel, read_tactile
from vnb_sim_bridge.world.world import World

PAD = load_hand("l6_v31").pads[1]
QUIET = TactileModel(gain_error=0.0, noise=0.0)


def reading(force: float, point: tuple[float, float, float], model: TactileModel = QUIET) -> np.ndarray:
    return model.taxels(PAD, 1.0, np.array([point]), np.array([force]), np.random.default_rng(0))


@pytest.mark.parametrize("force", [0.5, 2.0, 8.0])
def test_counts_are_force_times_gain(force: float) -> None:
    assert_allclose(reading(force, (0.0, 0.0, 0.0)).sum() / PAD.counts_per_newton, force, rtol=0.06)


def test_footprint_is_where_the_force_is() -> None:
    taxels = reading(3.0, (0.004, -0.0025, 0.0)).astype(float)
    rows = (np.arange(12) - 5.5) * PAD.row_pitch
    columns = (np.arange(6) - 2.5) * PAD.column_pitch
    assert_allclose((taxels.sum(1) @ rows) / taxels.sum(), 0.004, atol=8e-4)
    assert_allclose((taxels.sum(0) @ columns) / taxels.sum(), -0.0025, atol=8e-4)


def test_force_beyond_the_window_fades_and_bytes_saturate() -> None:
    near, far = reading(3.0, (0.010, 0.0, 0.0)).sum(), reading(3.0, (0.020, 0.0, 0.0)).sum()
    assert 0 < far < 0.3 * near
    assert reading(500.0, (0.0, 0.0, 0.0)).max() == 255


def test_no_contact_reads_zero_whatever_the_noise() -> None:
    world = World(Scenario("cube"))
    assert read_tactile(world, TactileModel(noise=0.5), 3).sum() == 0


def test_tactile_sum_follows_the_true_finger_force(lifted: Callable[..., SimBridge]) -> None:
    world = lifted("tomato_soup_can").world
    pad_force = np.zeros(5)
    for contact in world.contacts():
        if contact.on_pad:
            pad_force[contact.finger] += contact.normal_force
    sensed = read_tactile(world, QUIET, 0).sum((1, 2)) / [p.counts_per_newton for p in world.hand.pads]
    assert (sensed <= pad_force * 1.1 + 0.1).all()
    assert sensed.sum() > 0.5 * pad_force.sum()


def test_readings_depend_on_seed_and_step_only(lifted: Callable[..., SimBridge]) -> None:
    world = lifted("tomato_soup_can").world
    suite = SensorSuite(world)
    first = suite.read(4)
    suite.read(5)
    suite.reset()
    again = suite.read(4)
    assert_allclose(again.T_world_object, first.T_world_object, atol=0)
    assert (again.tactile == first.tactile).all()


def test_encoders_report_bytes_of_the_range() -> None:
    world = World(Scenario("cube"))
    world.teleport_hand(np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5]))
    frame = SensorSuite(world).read(0)
    span = world.joint_upper - world.joint_lower
    levels = (frame.hand_q[:6] - world.joint_lower) / span * ENCODER_LEVELS
    assert_allclose(levels, np.rint(levels), atol=1e-9)
    assert (np.abs(frame.hand_q[:6] - world.hand_q()[:6]) <= 0.5 * span / ENCODER_LEVELS + 1e-12).all()
    for joint in world.hand.passive:
        names = list(world.hand.joint_names)
        assert_allclose(frame.hand_q[names.index(joint.name)], joint.ratio * frame.hand_q[names.index(joint.mimic)])


def test_pose_sensor_errs_as_it_states() -> None:
    """Over seeds, error normalised by the stated covariance is chi-square with 6 degrees of freedom: mean 6."""
    model = PoseSensorModel()
    values = []
    for seed in range(120):
        world = WORLD
        world.reset(draw_scenario("cube", "nominal", seed))
        estimate = SensorSuite(world, pose=PoseSensor(world, model)).read(0).T_world_object
        truth = world.object_pose()
        rotation = estimate[:3, :3] @ truth[:3, :3].T
        w = 0.5 * np.array(
            [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
        )
        error = np.concatenate([estimate[:3, 3] - truth[:3, 3], w])
        values.append(error @ np.linalg.solve(model.covariance(world.scenario), error))
    assert_allclose(np.mean(values), 6.0, atol=4 * np.sqrt(12 / 120))


WORLD = World(Scenario("cube"))
