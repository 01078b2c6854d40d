"""Settings out of range are refused where they are made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vnb_grasp.errors import ConfigError, UnknownNameError
from vnb_hardware.arm.clearance import Workspace
from vnb_hardware.arm.config import ArmConfig


def test_defaults_stay_on_this_machine() -> None:
    config = ArmConfig()
    assert config.host == "127.0.0.1"
    assert (config.rpc_port, config.state_port, config.text_port) == (20003, 20005, 8080)
    assert ArmConfig(stream="legacy").state_port == 20004
    assert ArmConfig(stream_port=5).state_port == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"rpc_port": 0},
        {"text_port": 65536},
        {"stream_port": -1},
        {"speed_cap": 0.0},
        {"speed_cap": 1.1},
        {"servo_period": 0.02},
        {"stale_after": 0.01},
        {"timeout": 0.0},
        {"linear_speed": math.nan},
        {"deviation": math.inf},
        {"servo_reach": -0.1},
        {"servo_turn": 0.0},
        {"servo_turn": 3.2},
    ],
)
def test_values_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ArmConfig(**wrong)


def test_unknown_stream() -> None:
    with pytest.raises(UnknownNameError, match="cnde, legacy"):
        ArmConfig(stream="udp")


def test_workspaces() -> None:
    for wrong in ({"table_height": math.nan}, {"clearance": -0.1}, {"lower": (1.0, 0.0, 0.0)}):
        with pytest.raises(ConfigError, match="workspace"):
            Workspace(**wrong)  # type: ignore[arg-type]
