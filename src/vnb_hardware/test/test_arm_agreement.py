"""A controller that contradicts itself is not driven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vnb_grasp.errors import HardwareError
from vnb_hardware.arm.agreement import require_agreement
from vnb_hardware.arm.kinematics import DhKinematics, DhParameters
from vnb_hardware.arm.state import state_from_values
from vnb_hardware.emulators.arm.model import ArmModel

STATE = state_from_values(
    {**ArmModel().values(), **dict.fromkeys(("tool_id", "wobj_id"), (0,)), "actual_joint_torque": (0.0,) * 6}, 0, 0.0
)
NOMINAL = DhKinematics()


def test_agreement() -> None:
    require_agreement(NOMINAL, STATE, STATE.position)
    require_agreement(NOMINAL, STATE, STATE.position + 0.01)


def test_a_flange_elsewhere() -> None:
    moved = STATE.flange.copy()
    moved[0, 3] += 0.004
    with pytest.raises(HardwareError, match=r"4\.00 mm"):
        require_agreement(NOMINAL, replace(STATE, flange=moved), STATE.position)
    turned = STATE.flange.copy()
    turned[:3, :3] = turned[:3, [1, 0, 2]]
    with pytest.raises(HardwareError, match="robot model"):
        require_agreement(NOMINAL, replace(STATE, flange=turned), STATE.position)


def test_compensation_of_the_wrong_sign_is_noticed_where_it_is_large() -> None:
    longer = DhKinematics(DhParameters.compensated([2.0] * 6))
    state = replace(STATE, flange=DhKinematics(DhParameters.compensated([-2.0] * 6)).flange(STATE.position))
    with pytest.raises(HardwareError, match="compensation"):
        require_agreement(longer, state, state.position)


def test_calls_of_another_arm() -> None:
    with pytest.raises(HardwareError, match=r"disagree by 0\.100 rad"):
        require_agreement(NOMINAL, STATE, STATE.position + np.array([0, 0, 0.1, 0, 0, 0]))
