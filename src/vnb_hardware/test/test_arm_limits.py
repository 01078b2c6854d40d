"""The tighter of two limits holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vnb_grasp.description import load_arm
from vnb_grasp.errors import ConfigError, MotionError, NonFiniteError, ShapeError
from vnb_hardware.arm.limits import MARGIN, JointLimits

ARM = load_arm("fr3")
OWN = JointLimits.of(ARM)


def test_the_tighter_holds_on_either_side() -> None:
    wide = [-400.0, 400.0] * 6
    wide[4:6] = [-150.0, 140.0]
    limits = OWN.tightened(wide)
    assert_allclose(np.delete(limits.lower, 2), np.delete(OWN.lower, 2))
    assert_allclose(np.delete(limits.upper, 2), np.delete(OWN.upper, 2))
    assert_allclose([limits.lower[2], limits.upper[2]], np.radians([-150, 140]) + np.array([MARGIN, -MARGIN]))
    assert_allclose(limits.speed, OWN.speed)


def test_bad_answers_are_refused() -> None:
    with pytest.raises(ShapeError, match="got 6 values"):
        OWN.tightened([0.0] * 6)
    with pytest.raises(NonFiniteError):
        OWN.tightened([math.nan, 1.0] * 6)
    with pytest.raises(ConfigError, match="correct the limits at the pendant"):
        OWN.tightened([10.0, 5.0] * 6)


def test_a_joint_outside_is_named() -> None:
    OWN.require(np.array(ARM.home), "goal")
    for joint, name in enumerate(ARM.joint_names):
        for side, sign in ((OWN.lower, -1), (OWN.upper, 1)):
            q = np.array(ARM.home)
            q[joint] = side[joint] + sign * 1e-3
            with pytest.raises(MotionError, match=f"goal: joint {name} at"):
                OWN.require(q, "goal")
