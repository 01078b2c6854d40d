from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vnb_grasp.description import load_arm, load_camera, load_hand
from vnb_grasp.errors import ConfigError, NonFiniteError, ShapeError
from vnb_grasp.optics.pinhole import intrinsics_of, place_of
from vnb_perception.estimate import PoseEstimate, Status
from vnb_perception.estimator import EstimatorConfig, PoseEstimator
from vnb_perception.images.robot import RobotShape
from vnb_perception.objects.model import described_model

Stand = Callable[..., np.ndarray]
Draw = Callable[..., np.ndarray]


def error_of(found: PoseEstimate, name: str, T: np.ndarray) -> tuple[float, float]:
    """Return translation of the centre [m] and rotation up to symmetry [rad]."""
    model = described_model(name)
    shift = found.T_world_object[:3] @ [*model.centre, 1.0] - T[:3] @ [*model.centre, 1.0]
    return float(np.linalg.norm(shift)), float(
        np.linalg.norm(model.symmetry.difference(found.T_world_object[:3, :3], T[:3, :3]))
    )


@pytest.mark.parametrize("camera", ["astra", "d435i"])
@pytest.mark.parametrize("name", ["cube", "mustard_bottle", "tomato_soup_can", "tennis_ball"])
def test_a_standing_object_is_found(camera: str, name: str, draw: Draw, stand: Stand) -> None:
    T = stand(described_model(name))
    found = PoseEstimator(load_camera(camera), described_model(name)).estimate(draw(camera, [(name, T)], seed=1))
    assert found.status is Status.OK, found.reason
    shift, turn = error_of(found, name, T)
    assert shift < 0.004
    assert turn < np.radians(4.0)
    assert found.occlusion == 0.0
    assert found.segmentation > 0.85


def test_symmetric_directions_are_stated_as_unknown(draw: Draw, stand: Stand) -> None:
    T = stand(described_model("tomato_soup_can"))
    picture = draw("astra", [("tomato_soup_can", T)], seed=1)
    found = PoseEstimator(load_camera("astra"), described_model("tomato_soup_can")).estimate(picture)
    std = np.sqrt(np.diag(found.covariance))
    assert std[5] > 1.5
    assert std[3:5].max() < 0.05 and std[:3].max() < 0.005


def test_tracking_ends_where_a_full_search_does(draw: Draw, stand: Stand) -> None:
    T = stand(described_model("box"))
    estimator = PoseEstimator(load_camera("astra"), described_model("box"))
    picture = draw("astra", [("box", T)], seed=2)
    full = estimator.estimate(picture)
    moved = full.T_world_object.copy()
    moved[:3, 3] += [0.004, -0.003, 0.0]
    tracked = estimator.estimate(picture, last=moved)
    assert tracked.status is Status.OK
    np.testing.assert_allclose(tracked.T_world_object[:3, 3], full.T_world_object[:3, 3], atol=0.001)


def test_an_empty_table_has_no_object(draw: Draw) -> None:
    found = PoseEstimator(load_camera("astra"), described_model("cube")).estimate(draw("astra", []))
    assert found.status is Status.NO_OBJECT
    assert np.isnan(found.covariance).all()
    assert (found.occlusion, found.segmentation) == (1.0, 0.0)


def test_another_object_is_not_taken_for_it(draw: Draw, stand: Stand) -> None:
    picture = draw("astra", [("cylinder", stand(described_model("cylinder")))], seed=3)
    found = PoseEstimator(load_camera("astra"), described_model("cube")).estimate(picture)
    assert found.status in (Status.POOR, Status.NO_OBJECT)
    assert found.reason


def test_two_of_them_are_ambiguous_and_a_different_neighbour_is_not(draw: Draw, stand: Stand) -> None:
    model = described_model("cube")
    one, other = stand(model, x=-0.12), stand(model, x=0.02, y=0.80)
    estimator = PoseEstimator(load_camera("astra"), model)
    assert estimator.estimate(draw("astra", [("cube", one), ("cube", other)], seed=4)).status is Status.AMBIGUOUS
    box = stand(described_model("box"), x=0.02, y=0.80)
    found = estimator.estimate(draw("astra", [("cube", one), ("box", box)], seed=4))
    assert found.status is Status.OK, found.reason
    assert error_of(found, "cube", one)[0] < 0.004


def test_what_a_picture_cuts_off_is_not_vouched_for(draw: Draw, stand: Stand) -> None:
    model = described_model("cylinder")
    lying = np.eye(4)
    lying[:3, :3] = [[0.71350311, 0.0, -0.70065206], [-0.70065206, 0.0, -0.71350311], [0.0, 1.0, 0.0]]
    lying[:3, 3] = -0.118, 0.959, 0.777 + 0.022
    found = PoseEstimator(load_camera("astra"), model).estimate(draw("astra", [("cylinder", lying)], seed=5))
    assert not found.ok or error_of(found, "cylinder", lying)[0] < 0.008


def test_half_an_object_is_not_taken_for_a_whole_one_in_the_air(draw: Draw, stand: Stand) -> None:
    """A box whose lower half is not measured looks like one that lies at the height of its top."""
    model, camera = described_model("box"), load_camera("astra")
    T, place = stand(model), place_of(camera)
    picture = draw("astra", [("box", T)], seed=8)
    middle = (T[:3, 3] - place[:3, 3]) @ place[:3, :3]
    v, u = (round(float(x)) for x in intrinsics_of(camera).project(middle))
    picture[v : v + 130, u - 90 : u + 90] = 0.0
    found = PoseEstimator(camera, model).estimate(picture)
    assert not found.ok or error_of(found, "box", T)[0] < 0.008


def test_what_hangs_in_the_air_must_be_held(draw: Draw, stand: Stand) -> None:
    model, arm = described_model("cube"), load_arm("fr3")
    T = stand(model)
    T[2, 3] += 0.05
    picture = draw("astra", [("cube", T)], seed=9)
    alone = PoseEstimator(load_camera("astra"), model).estimate(picture)
    assert alone.status is Status.POOR and "nothing that holds it" in alone.reason
    placed = RobotShape(load_hand("l6_v31"), arm).place(np.array(arm.home), np.zeros(11))
    held = PoseEstimator(load_camera("astra"), model, EstimatorConfig(grip=3.0)).estimate(picture, placed)
    assert held.status is Status.OK, held.reason
    assert error_of(held, "cube", T)[0] < 0.004


@pytest.mark.parametrize("points", [0, 1])
def test_pictures_of_nothing_are_bad_input(points: int) -> None:
    camera = load_camera("astra")
    depth = np.zeros((camera.height, camera.width), dtype=np.float32)
    depth[240, 320 : 320 + points] = 0.6
    found = PoseEstimator(camera, described_model("cube")).estimate(depth)
    assert found.status is Status.BAD_INPUT


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="astra"):
        PoseEstimator(load_camera("astra"), described_model("cube")).estimate(np.ones((10, 10), dtype=np.float32))


def test_the_robot_is_taken_out_and_counts_as_what_hides(draw: Draw, stand: Stand) -> None:
    hand, arm = load_hand("l6_v31"), load_arm("fr3")
    robot = RobotShape(hand, arm)
    with pytest.raises(NonFiniteError):
        robot.place(np.full(6, np.nan), np.zeros(11))
    placed = robot.place(np.array(arm.home), np.zeros(11))
    T = stand(described_model("cube"))
    picture = draw("astra", [("cube", T)], seed=6)
    estimator = PoseEstimator(load_camera("astra"), described_model("cube"))
    with_robot, without = estimator.estimate(picture, placed), estimator.estimate(picture)
    np.testing.assert_allclose(with_robot.T_world_object, without.T_world_object, atol=1e-3)
    assert with_robot.occlusion == 0.0


def test_parameters_are_checked() -> None:
    with pytest.raises(ConfigError, match="least_fitness"):
        EstimatorConfig(least_fitness=1.5)
