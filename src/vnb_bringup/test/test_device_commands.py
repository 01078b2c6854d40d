"""Emulated devices from the command line, and the monitor that only reads."""

from __future__ import annotations

from functools import partial

import pytest

from vnb_bringup.cli import main
from vnb_hardware.arm.config import ArmConfig
from vnb_hardware.emulators.arm import ArmEmulator


def test_an_emulated_arm_says_where_it_is_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "arm", "--free-ports", "--fault", "stale", "--seconds", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "emulated FR3 controller at 127.0.0.1: calls " in said
    assert "stuck_joint" in said
    assert "faults on: stale" in said


def test_an_emulated_hand_says_where_it_is_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "hand", "--seconds", "0.3"]) == 0
    assert "emulated L6 hand, slcan at /dev/" in capsys.readouterr().out


@pytest.mark.render
def test_emulated_cameras_say_where_they_are_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--free-ports", "--object", "cube", "--fault", "stall", "--fault-for", "0.2", "--seconds", "0.6"]
    assert main(["emulate", "cameras", *options]) == 0
    said = capsys.readouterr().out
    assert "emulated camera astra: Orbbec Astra Pro Plus at 127.0.0.1:" in said
    assert "emulated camera d435i: Intel RealSense D435i at 127.0.0.1:" in said
    assert said.index("faults on: stall") < said.index("faults off")


def test_cameras_before_an_unknown_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "cameras", "--free-ports", "--object", "pyramid"]) == 2
    assert "pyramid" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["emulate", "monitor"])
def test_unknown_devices(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "leg"]) == 2
    assert "expected one of: hand, arm" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["hand", "arm", "cameras"])
def test_unknown_faults(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", device, "--fault", "rust", "--seconds", "0.1"]) == 1
    assert "rust" in capsys.readouterr().err


def test_the_monitor_of_the_arm_only_reads(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with ArmEmulator(ports=(0, 0, 0, 0), compensation=(-1.0,) * 6) as arm:
        calls, cnde, _, text = arm.ports
        config = partial(ArmConfig, rpc_port=calls, stream_port=cnde, text_port=text, stale_after=0.5)
        monkeypatch.setattr("vnb_hardware.arm.config.ArmConfig", config)
        assert main(["monitor", "arm", "--seconds", "0.3"]) == 0
        assert all(method.startswith("Get") for method in arm.wire.methods())
    said = capsys.readouterr().out
    assert "arm FR3-V6.0 at 127.0.0.1" in said
    assert "0.139" in said
    assert "drives off" in said
