"""Collected episodes hold what the robot senses beside the truth."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from vnb_belief import layout
from vnb_benchmark.collect import CollectConfig, collect, draw_training_scenario

CONFIG = CollectConfig(("cube", "tomato_soup_can"), episodes=4, steps=40)


def test_labels_are_the_scenarios_and_the_pose_error_is_the_sensors() -> None:
    data = collect(CONFIG, "test")
    assert 3 <= len(data) <= 4  # a start that is out of reach is left out
    for i, name in enumerate(data.object_names):
        scenarios = [draw_training_scenario(str(name), "l6_v31", 1_000_000 + k) for k in range(4)]
        mu = np.exp(data.theta[i, 0, layout.LOG_MU])
        assert np.ptp(mu) < 1e-6
        match = [s for s in scenarios if abs(s.friction_effective - mu[0]) < 1e-5]
        assert len(match) == 1
        assert_allclose(np.exp(data.theta[i, :, layout.LOG_KAPPA]), match[0].stiffness, rtol=1e-5)
    pose = data.theta[..., layout.POSE]
    assert 1e-4 < np.abs(pose[..., :3]).mean() < 0.01
    assert 1e-3 < np.abs(pose[..., 3:]).mean() < 0.1


def test_fingers_touch_and_the_data_do_not_depend_on_the_run() -> None:
    first, second = collect(CONFIG, "test"), collect(CONFIG, "test")
    assert first.content_hash() == second.content_hash()
    assert (first.observations[..., layout.OBS_CONTACT].sum(axis=(1, 2)) > 10).all()
