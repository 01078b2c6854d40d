"""Show what hand or arm say, without commanding anything: the first thing to run on hardware."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from vnb_hardware.arm.driver import ArmDriver
    from vnb_hardware.hand.core import HandState

DEVICES = ("hand", "arm")
_REFRESH = 0.2


def main(
    device: Annotated[str, typer.Argument(help="Whom to listen to: hand or arm.")] = "hand",
    interface: Annotated[str, typer.Option(help="CAN interface: socketcan or slcan.")] = "socketcan",
    channel: Annotated[str, typer.Option(help="Channel: can0, /dev/ttyACM0, ...")] = "can0",
    side: Annotated[str, typer.Option(help="Which hand: right or left.")] = "right",
    table: Annotated[str, typer.Option(help="Joint table: how many radians a count is.")] = "l6_v31",
    host: Annotated[str, typer.Option(help="Address of the arm's controller.")] = "127.0.0.1",
    stream: Annotated[str, typer.Option(help="State stream: cnde, or legacy for V3.8.7 to V3.9.4.")] = "cnde",
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to watch; 0 is until Ctrl-C.")] = 0.0,
) -> None:
    """Show what the hand says (angles, counts, touch, temperatures, currents, faults) or what the arm says.

    Only questions are sent. Nothing can move, and nothing is changed in hand or arm.
    """
    from vnb_bringup.commands._shared import USAGE_STATUS

    if device not in DEVICES:
        typer.echo(f"vnb: error: unknown device {device!r}, expected one of: {', '.join(DEVICES)}", err=True)
        raise typer.Exit(USAGE_STATUS)
    if device == "arm":
        _watch_arm(host, stream, seconds)
    else:
        _watch_hand(interface, channel, side, table, seconds)


def _watch_hand(interface: str, channel: str, side: str, table: str, seconds: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from vnb_hardware.hand.driver import HandDriver
    from vnb_hardware.hand.settings import HandSettings
    from vnb_hardware.hand.transport import BusSettings, HandBus

    settings, bus = HandSettings(side=side, table=table), BusSettings(interface, channel)
    driver = HandDriver(lambda: HandBus(bus, settings.hand_id), settings)
    try:
        identity = driver.connect()
        versions = ", ".join(f"{name} {number}" for name, number in sorted(identity.versions.items()))
        print(f"hand {identity.serial or 'without a serial number'}; {versions or 'it says no versions'}")
        end = time.monotonic() + seconds if seconds else float("inf")
        with Live(console=Console(), refresh_per_second=1 / _REFRESH, transient=False) as live:
            while time.monotonic() < end:
                live.update(_picture(driver.state(), driver.core.raw))
                time.sleep(_REFRESH)
    finally:
        driver.release()


def _watch_arm(host: str, stream: str, seconds: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from vnb_grasp.description import load_arm, load_hand
    from vnb_hardware.arm.config import ArmConfig
    from vnb_hardware.arm.driver import ArmDriver

    driver = ArmDriver(load_arm("fr3"), load_hand("l6_v31"), ArmConfig(host=host, stream=stream))
    try:
        identity = driver.connect()
        print(f"arm {identity.model} at {identity.address}; software {identity.software}, {identity.firmware}")
        print(f"lengths with its DH compensation [m]: {driver.require_planner().kinematics.parameters.lengths}")
        end = time.monotonic() + seconds if seconds else float("inf")
        with Live(console=Console(), refresh_per_second=1 / _REFRESH, transient=False) as live:
            while time.monotonic() < end:
                live.update(_picture_of_arm(driver))
                time.sleep(_REFRESH)
    finally:
        driver.disconnect()


def _picture_of_arm(driver: ArmDriver) -> Table:
    from rich.table import Table

    state, limits, counters = driver.state(), driver.require_planner().limits, driver.counters
    mode = "automatic" if state.mode == 0 else "manual"
    table = Table(
        title=f"{mode}, drives {'on' if state.enabled else 'off'}; states {counters.frames}, missed {counters.missed}"
    )
    for name in ("joint", "angle [rad]", "limits [rad]", "speed [rad/s]", "torque [N m]", "temperature [degC]"):
        table.add_column(name)
    for i, joint in enumerate(driver.arm.joint_names):
        table.add_row(
            joint,
            f"{state.position[i]:+.4f}",
            f"{limits.lower[i]:+.3f} to {limits.upper[i]:+.3f}",
            f"{state.velocity[i]:+.3f}",
            f"{state.torque[i]:+.2f}",
            f"{state.temperature[i]:.0f}",
        )
    table.caption = "; ".join(state.faults)
    return table


def _picture(state: HandState, raw: tuple[int, ...] | None) -> Table:
    from rich.table import Table

    from vnb_grasp.description import ACTUATED_JOINTS, FINGERS
    from vnb_hardware.hand.frames import fault_names
    from vnb_hardware.hand.joints import reorder
    from vnb_hardware.hand.target import FINGER_OF_JOINT

    age = state.time - state.q_time
    table = Table(title=f"pose {age * 1000:.0f} ms old; foreign frames {state.foreign}; rows lost {state.dropped_rows}")
    for name in ("joint", "count", "angle [rad]", "touch (sum)", "temperature [degC]", "current [mA]", "faults"):
        table.add_column(name)
    counts = reorder(raw) if raw is not None else [float("nan")] * len(ACTUATED_JOINTS)
    sums = state.tactile.astype(int).sum(axis=(1, 2))
    for i, joint in enumerate(ACTUATED_JOINTS):
        finger = int(FINGER_OF_JOINT[i])
        table.add_row(
            joint,
            f"{counts[i]:.0f}",
            f"{state.q[i]:+.3f}",
            f"{FINGERS[finger]} {sums[finger]}",
            f"{state.temperature[i]:.0f}",
            f"{state.current[i]:.0f}",
            fault_names(int(state.faults[i])),
        )
    for warning in state.warnings:
        table.caption = warning
    return table
