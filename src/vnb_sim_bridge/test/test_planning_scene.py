"""The choice of a pre-grasp: the best that can be reached, or the one that is asked for."""

import numpy as np
import pytest

from vnb_grasp.errors import ConfigError, MotionError
from vnb_grasp.frames.pose import Pose
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import Scenario


@pytest.fixture(scope="module")
def scene() -> PlanningScene:
    return PlanningScene("cube", "l6_v31")


@pytest.fixture(scope="module")
def reading() -> tuple[Pose, np.ndarray]:
    frame = SimBridge(Scenario("cube")).sensors.read(0)
    return frame.object_pose, frame.arm_q


def test_the_choice_is_the_first_that_can_be_reached(scene: PlanningScene, reading: tuple[Pose, np.ndarray]) -> None:
    chosen = scene.choose_approach(*reading)
    reached = []
    for i in range(len(load_pregrasps("cube", "l6_v31"))):
        try:
            approach = scene.choose_approach(*reading, only=i)
        except MotionError:
            continue
        assert approach.pregrasp.index == i
        reached.append(approach)
    assert chosen.pregrasp.index == reached[0].pregrasp.index
    np.testing.assert_array_equal(chosen.arm_q, reached[0].arm_q)
    assert len(reached) > 1


@pytest.mark.parametrize("index", [-1, 99])
def test_a_pregrasp_that_is_not_in_the_library_raises(
    scene: PlanningScene, reading: tuple[Pose, np.ndarray], index: int
) -> None:
    with pytest.raises(ConfigError, match=f"got index {index}, expected 0 to"):
        scene.choose_approach(*reading, only=index)
