from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import label
from scipy.spatial.transform import Rotation

from vnb_benchmark.perception.bad import ABSENT, CASES, BadLook, bad_poses
from vnb_benchmark.perception.look import Shot
from vnb_benchmark.perception.measure import FUSED, Measurement, measure_poses, normalised
from vnb_benchmark.perception.occluded import CLOSING, PREGRASP, grasp_poses
from vnb_benchmark.perception.poses import PEG_PITCH, TrialPose, pegboard_poses, random_poses, sub_grid
from vnb_benchmark.perception.report import csv_text, write_perception_report
from vnb_benchmark.perception.summary import by_source, summarise
from vnb_grasp.description import known_objects
from vnb_grasp.errors import ConfigError
from vnb_grasp.frames.pose import Pose
from vnb_perception.objects.model import described_model
from vnb_sim_bridge.cameras.rig import CameraRig
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.model import TABLE_HEIGHT
from vnb_sim_bridge.world.world import World

NAN = float("nan")


def measurement(
    source: str = FUSED, mm: float = 1.0, degrees: float = 1.0, nees: float = 6.0, status: str = "OK"
) -> Measurement:
    pose = TrialPose("cube", np.eye(4), 0, "standing")
    if status != "OK":
        mm = degrees = nees = NAN
    return Measurement(
        pose, source, status, "" if status == "OK" else "why", mm / 1000, math.radians(degrees), np.zeros(6), nees,
        6 if status == "OK" else 0, 0.0, 1.0, 0.1,
    )  # fmt: skip


def test_random_poses_rest_on_the_table_and_depend_on_the_seed_only() -> None:
    poses = random_poses(35, 3)
    assert [pose.object_name for pose in poses[:7]] == list(known_objects())
    for pose in poses:
        lowest = (described_model(pose.object_name).vertices @ pose.T_world_object[2, :3]).min()
        np.testing.assert_allclose(lowest + pose.T_world_object[2, 3], TABLE_HEIGHT, atol=1e-9)
    again = random_poses(35, 3)
    assert all(np.array_equal(a.T_world_object, b.T_world_object) for a, b in zip(poses, again, strict=True))
    assert not np.array_equal(poses[0].T_world_object, random_poses(35, 4)[0].T_world_object)
    assert {pose.group for pose in poses} == {"standing", "lying"}


@pytest.mark.parametrize(("name", "dots"), [("cube", 4), ("box", 7), ("tomato_soup_can", 7)])
def test_the_sub_grid_follows_the_footprint(name: str, dots: int) -> None:
    nodes = sub_grid(name)
    assert nodes.shape == (dots * dots, 2)
    np.testing.assert_allclose(nodes.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.unique(nodes[:, 0].round(9))), PEG_PITCH)


def test_the_pegboard_tries_every_offset() -> None:
    poses = pegboard_poses(["cube"], 2, 0)
    assert [pose.group for pose in poses] == [
        g for g in ("(0, 0) mm", "(5, 0) mm", "(0, 5) mm", "(5, 5) mm") for _ in "ab"
    ]
    assert len({pose.seed for pose in poses}) == len(poses)
    with pytest.raises(ConfigError):
        pegboard_poses(["cube"], 0, 0)


def test_the_error_is_normalised_over_what_symmetry_leaves() -> None:
    spread = np.diag([1.0, 4.0, 9.0, 1.0, 1.0, 1.0])
    error = np.array([1.0, 2.0, 3.0, 1.0, 0.0, 5.0])
    turn = Rotation.from_rotvec([0.0, 0.0, 0.3]).as_matrix()
    assert normalised(error, spread, described_model("mustard_bottle"), turn)[1] == 6
    assert normalised(error, spread, described_model("tomato_soup_can"), turn) == (pytest.approx(4.0), 5)
    assert normalised(error, spread, described_model("tennis_ball"), turn) == (pytest.approx(3.0), 3)


def test_a_summary_counts_what_is_declared_and_what_is_wrong() -> None:
    cases = [
        measurement(mm=1),
        measurement(mm=3),
        measurement(mm=20),
        measurement(status="POOR"),
        measurement(degrees=11),
    ]
    found = summarise("all", cases)
    assert (found.count, found.declared, found.wrong) == (5, 1, 2)
    assert found.declared_share == pytest.approx(1 / 3)
    assert found.translation[0] == pytest.approx(0.002)
    assert found.nees == pytest.approx(1.0)
    assert found.band[0] < 1.0 < found.band[1]
    nothing = summarise("none", [measurement(status="POOR")])
    assert math.isnan(nothing.nees) and math.isnan(nothing.translation[0])
    assert [s.name for s in by_source([measurement(), measurement("astra")])] == ["astra", FUSED]


@pytest.mark.render
def test_poses_are_measured_and_reported(tmp_path: Path) -> None:
    found = measure_poses(random_poses(1, 0, ["cube"]))
    assert [m.source for m in found] == ["astra", "d435i", FUSED]
    assert found[-1].status == "OK"
    assert found[-1].translation < 0.006
    page = write_perception_report([*found, measurement("astra", status="POOR")], tmp_path, "the command")
    text = page.with_name("report.md").read_text(encoding="utf-8")
    assert "the command" in text and "POOR" in text and "NEES" in text
    assert (tmp_path / "figures" / "calibration.png").stat().st_size > 1000
    assert len((tmp_path / "measurements.csv").read_text(encoding="utf-8").splitlines()) == 5
    assert csv_text(found).splitlines()[1].startswith("cube,standing,")


def test_a_pose_of_what_is_not_there_is_wrong_and_has_no_error() -> None:
    absent = TrialPose("cube", np.eye(4), 0, "another object", present=False)
    given = replace(measurement(), pose=absent, translation=NAN, rotation=NAN, nees=NAN, freedom=0)
    found = summarise("all", [given, replace(measurement(status="POOR"), pose=absent), measurement(mm=2)])
    assert (found.declared, found.wrong) == (1, 1)
    assert found.declared_share == 0.5
    assert found.translation[1] == pytest.approx(0.002)


def test_every_object_is_tried_in_every_bad_case() -> None:
    poses = bad_poses(2, 0, ["cube", "box"])
    assert [pose.group for pose in poses] == 2 * [case for case in CASES for _ in "ab"]
    assert len({pose.seed for pose in poses}) == len(poses)
    assert {pose.group for pose in poses if not pose.present} == set(ABSENT)
    again = bad_poses(2, 0, ["cube", "box"])
    assert all(np.array_equal(a.T_world_object, b.T_world_object) for a, b in zip(poses, again, strict=True))
    with pytest.raises(ConfigError):
        bad_poses(0, 0)


@pytest.mark.render
def test_bad_cases_are_what_they_say() -> None:
    """Of the pictures themselves: what is put in, taken out or spoilt, whatever the estimators make of it."""
    poses = {pose.group: pose for pose in bad_poses(1, 0, ["cube"])}
    world = World(Scenario("cube"))
    rig, look = CameraRig(world), BadLook()

    def shot(group: str) -> Shot:
        pose = poses[group]
        world.reset(Scenario("cube", seed=pose.seed))
        place = Pose.from_matrix(torch.from_numpy(pose.T_world_object))
        world.set_object_pose(place.position.numpy(), place.quaternion.numpy())
        return look(pose, world, rig)

    empty = rig.depth(rig.cameras[0])
    shot("nothing there")
    assert world.object_pose()[0, 3] > 1.0
    without = rig.depth(rig.cameras[0])
    assert (empty != without).any()
    twins = shot("a twin beside it").frames[0].depth.astype(float) / 1000
    nearer = np.where(twins > 0, without - twins, 0.0) > 0.02
    sizes = sorted(np.bincount(label(nearer)[0].ravel())[1:])[-2:]
    assert min(sizes) > 200  # two things that were not there
    lost = [np.mean(frame.depth == 0) for frame in shot("holes").frames]
    assert min(lost) > 0.3
    off = shot("joints off")
    np.testing.assert_allclose(np.abs(off.arm_q - world.arm_q()), 0.03)
    rig.close()


def test_grasp_poses_are_those_of_trials() -> None:
    poses = grasp_poses(2, 0, ["cube"])
    assert [(pose.seed, pose.group) for pose in poses] == [(i, g) for i in (0, 1) for g in (PREGRASP, CLOSING)]
    assert abs(poses[0].T_world_object[0, 3] + 0.05) < 0.06
