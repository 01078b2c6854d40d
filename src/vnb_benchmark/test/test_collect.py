"""Collected episodes hold what the robot senses beside the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_belief import layout
from vnb_belief.training.dataset import DatasetError, Episode
from vnb_benchmark import collect as collecting
from vnb_benchmark.collect import CollectConfig, collect, collect_batch, draw_training_scenario
from vnb_benchmark.parts import Parts

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


def test_a_stopped_collection_goes_on_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_BATCH", 2)
    whole = collect(CONFIG, "test")
    calls: list[list[int]] = []

    def stopped_at_the_second(config: CollectConfig, batch: list[int]) -> dict[int, Episode]:
        calls.append(batch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return collect_batch(config, batch)

    monkeypatch.setattr(collecting, "collect_batch", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        collect(CONFIG, "test", parts_folder=tmp_path / "parts")
    resumed = collect(CONFIG, "test", parts_folder=tmp_path / "parts")
    assert len(calls) == 3
    assert calls[1] == calls[2]
    assert resumed.content_hash() == whole.content_hash()


def test_parts_of_another_collection_are_refused(tmp_path: Path) -> None:
    Parts(tmp_path, {"seed": 1}).open()
    with pytest.raises(DatasetError, match="another collection"):
        collect(CONFIG, "test", parts_folder=tmp_path)
