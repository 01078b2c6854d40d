"""Run an emulated hand, arm or pair of cameras that drivers can be tried against."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

DEVICES = ("hand", "arm", "cameras")
_WATCH = 0.2


def main(
    device: Annotated[str, typer.Argument(help="What to emulate: hand, arm or cameras.")],
    fault: Annotated[list[str] | None, typer.Option(help="Fault to switch on; may be given several times.")] = None,
    fault_after: Annotated[float, typer.Option(min=0.0, help="Seconds after which the faults begin.")] = 0.0,
    table: Annotated[str, typer.Option(help="Joint table of the emulated hand.")] = "l6_v31",
    link: Annotated[str | None, typer.Option(help="Path at which to link the hand's serial port.")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to run; 0 is until Ctrl-C.")] = 0.0,
    free_ports: Annotated[bool, typer.Option(help="Ports that are free instead of the usual ones.")] = False,
    fault_for: Annotated[float, typer.Option(min=0.0, help="How long the cameras' faults last; 0 is for ever.")] = 0.0,
    object_name: Annotated[str, typer.Option("--object", help="Object that the cameras see.")] = "mustard_bottle",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the object's place and the cameras' errors.")] = 0,
    rate: Annotated[float, typer.Option(min=0.1, max=30.0, help="Images per second of each camera.")] = 5.0,
    color: Annotated[bool, typer.Option("--color/--no-color", help="Whether the cameras give colour too.")] = True,
) -> None:
    """Run an emulated device until Ctrl-C; it is reachable from this machine only.

    The hand sits behind a pseudo-terminal that speaks slcan, as a USB-CAN adapter would; its path is printed. The arm
    is a controller with its calls on port 20003, its state streams on 20005 and 20004 and its text frames on 8080.
    The cameras are those of the robot, astra and d435i, before a simulated table; drivers find them on port 20050.
    """
    from vnb_bringup.commands._shared import USAGE_STATUS

    if device not in DEVICES:
        typer.echo(f"vnb: error: unknown device {device!r}, expected one of: {', '.join(DEVICES)}", err=True)
        raise typer.Exit(USAGE_STATUS)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if device == "cameras":
        _emulate_cameras(
            tuple(fault or ()), fault_after, fault_for, free_ports, seconds, ended, object_name, seed, rate, color
        )
    elif device == "arm":
        _emulate_arm(tuple(fault or ()), fault_after, free_ports, seconds, ended)
    else:
        _emulate_hand(tuple(fault or ()), fault_after, table, link, seconds, ended)


def _emulate_arm(faults: tuple[str, ...], after: float, free: bool, seconds: float, ended: threading.Event) -> None:
    from vnb_hardware.emulators.arm import FAULTS, PORTS, ArmEmulator

    for name in faults:
        FAULTS[name]  # wrong names now rather than later
    with ArmEmulator(ports=(0,) * len(PORTS) if free else PORTS) as emulator:
        calls, cnde, legacy, text = emulator.ports
        print(f"emulated FR3 controller at {emulator.host}: calls {calls}, state {cnde} and {legacy}, text {text}")
        print(f"faults: {', '.join(sorted(FAULTS))}", flush=True)
        waited = 0.0
        while not ended.wait(_WATCH) and not (seconds and waited >= seconds):
            waited += _WATCH
            if faults and waited >= after:
                for name in faults:
                    emulator.inject(name)
                print(f"faults on: {', '.join(faults)}", flush=True)
                faults = ()


def _emulate_hand(
    faults: tuple[str, ...], after: float, table: str, link: str | None, seconds: float, ended: threading.Event
) -> None:
    from pathlib import Path

    from vnb_grasp.errors import ConfigError
    from vnb_hardware.emulators.hand.faults import HandFaults
    from vnb_hardware.emulators.hand.hand import EmulatedHand
    from vnb_hardware.emulators.hand.server import HandServer, SlcanPort

    for name in faults:
        HandFaults().switch(name)  # wrong names now rather than later
    hand, port = EmulatedHand(table), SlcanPort()
    path = Path(link) if link else Path(port.path)
    if link:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            raise ConfigError(f"--link: {path} exists and is no link; choose another path")
        path.symlink_to(port.path)
    try:
        with HandServer(hand, port):
            print(f"emulated L6 hand, slcan at {path}", flush=True)
            print(f"try: ./vnb monitor --interface slcan --channel {path}", flush=True)
            waited = 0.0
            while not ended.wait(_WATCH) and not (seconds and waited >= seconds):
                waited += _WATCH
                if faults and waited >= after:
                    for name in faults:
                        hand.faults.switch(name)
                    print(f"faults on: {', '.join(faults)}", flush=True)
                    faults = ()
    finally:
        if link:
            path.unlink(missing_ok=True)


def _emulate_cameras(
    faults: tuple[str, ...],
    after: float,
    lasting: float,
    free: bool,
    seconds: float,
    ended: threading.Event,
    object_name: str,
    seed: int,
    rate: float,
    color: bool,
) -> None:
    from vnb_bringup.commands._shared import known_names
    from vnb_bringup.hardware.cameras import DrawnCameras, snapshot_of
    from vnb_hardware.cameras.interface import EMULATOR_PORT
    from vnb_hardware.emulators.cameras.faults import NAMES, CameraFaults
    from vnb_sim_bridge.scenario import draw_scenario
    from vnb_sim_bridge.world.world import World

    for name in faults:
        CameraFaults().switch(name)  # wrong names now rather than later
    with known_names():
        scene = snapshot_of(World(draw_scenario(object_name, "nominal", seed)))
    with DrawnCameras(lambda: scene, 0 if free else EMULATOR_PORT, 1.0 / rate, color) as drawn:
        cameras = drawn.server.cameras.values()
        for camera in cameras:
            print(f"emulated camera {camera.serial}: {camera.name} at {drawn.server.address}")
        print(f"faults: {', '.join(NAMES)}", flush=True)
        waited, on_at = 0.0, -1.0
        while not ended.wait(_WATCH) and not (seconds and waited >= seconds):
            waited += _WATCH
            if faults and on_at < 0 and waited >= after:
                on_at = waited
                for camera in cameras:
                    for name in faults:
                        camera.faults.switch(name)
                print(f"faults on: {', '.join(faults)}", flush=True)
            elif faults and lasting and on_at >= 0 and waited >= on_at + lasting:
                faults = ()
                for camera in cameras:
                    camera.faults.clear()
                print("faults off", flush=True)
        print(f"{drawn.drawn} images of each camera", flush=True)
