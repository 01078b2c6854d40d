"""Run the hardware grasp trial, on the robot or on emulated devices, and keep a table over all trials."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names

if TYPE_CHECKING:
    from vnb_bringup.hardware.protocol import HardwareTrial
    from vnb_bringup.report.local import TrialSettings

ROBOTS = ("robot", "emulated")


def main(
    object_name: Annotated[str, typer.Option("--object", help="Object to grasp.")] = "mustard_bottle",
    offset: Annotated[
        list[str] | None,
        typer.Option(
            help="Offset of the object on the pegboard in mm, X,Y; may be given several times.", metavar="X,Y"
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="Method that moves the fingers.")] = "vnb",
    hardware: Annotated[
        str,
        typer.Option(help="robot: nodes of hardware.launch.py that run already; emulated: devices on this machine."),
    ] = "robot",
    beta: Annotated[float, typer.Option(min=0.0, max=0.9999, help="Confidence level of the risk.")] = 0.9,
    belief: Annotated[
        str, typer.Option(help="Belief; on the robot that of the belief node, only written down.")
    ] = "learned",
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    judge: Annotated[
        str, typer.Option(help="Topic of the object's pose that slip is judged by.")
    ] = "object_pose/measured",
    pose_source: Annotated[
        str,
        typer.Option(help="Beside emulated devices: sensor (with a stated error), or the emulated cameras."),
    ] = "sensor",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the emulated scenario.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of records and report; trials are added to it.")] = Path(
        "out/hardware"
    ),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the robot moves.")] = False,
) -> None:
    """Run the hardware grasp trial and add it to the report of its folder.

    Every trial: perceive, move to the pre-grasp, close until touch or force say enough, lift 4 cm in 3 s, hold 2 s,
    judge how far the object has moved in the hand, put it down and let go. Read docs/hardware.md before the first one.
    """
    from vnb_bringup.hardware.protocol import HardwareTrial, append, load, report
    from vnb_bringup.report.local import TrialSettings
    from vnb_sim_bridge.conditions import Conditions

    if hardware not in ROBOTS:
        raise typer.BadParameter(f"got {hardware!r}, expected one of: {', '.join(ROBOTS)}", param_hint="--hardware")
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that the drivers hold before this process goes
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    with known_names():
        _check(object_name, hand, method)
        conditions = Conditions(pose_source=pose_source)
    trials = [HardwareTrial(object_name, method, _offset(text), hardware) for text in offset or ["0,0"]]
    settings = TrialSettings(method, belief, beta, conditions=conditions)
    if hardware == "emulated":
        results = _emulated(trials, settings, seed)
    else:
        results = _on_robot(trials, settings, hand, judge, ask=not yes)
    for result in results:
        append(out, result)
        verdict = result.error or ("the object stayed" if result.success else "the object was lost")
        print(
            f"{result.object_name} at {result.offset}: {result.steps} steps, {result.stop_reason}; {verdict}",
            flush=True,
        )
    (out / "report.md").write_text(report(load(out), command_line()), encoding="utf-8")
    print(f"Report: {out / 'report.md'}")


def _check(object_name: str, hand: str, method: str) -> None:
    """Raise :class:`UnknownNameError` for any unknown name before anything moves."""
    from vnb_planner.planners import PLANNERS
    from vnb_sim_bridge.pregrasp.library import load_pregrasps

    PLANNERS[method]
    load_pregrasps(object_name, hand)


def _offset(text: str) -> tuple[float, float]:
    """Return the two numbers of an offset."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"got {text!r}, expected two numbers: X,Y", param_hint="--offset") from None
    return x, y


def _emulated(trials: list[HardwareTrial], settings: TrialSettings, seed: int) -> Iterator[HardwareTrial]:
    from vnb_bringup.hardware.trial import run_emulated_hardware_trials

    yield from run_emulated_hardware_trials(
        trials, settings, seed, on_phase=lambda name: print(f"{name} ...", flush=True)
    )


def _on_robot(
    trials: list[HardwareTrial], settings: TrialSettings, hand: str, judge: str, *, ask: bool
) -> Iterator[HardwareTrial]:
    """Yield trials through a graph that runs already, in the domain of $ROS_DOMAIN_ID."""
    from functools import partial

    from vnb_bringup.graph.roster import GraphSettings
    from vnb_bringup.hardware.trial import conducting
    from vnb_bringup.hardware.trial_conductor import HardwareConductor

    graph = GraphSettings(trials[0].object_name, hand, settings.belief, lockstep=False)
    domain = int(os.environ.get("ROS_DOMAIN_ID", "0") or 0)
    with conducting(partial(HardwareConductor, graph, judge=judge), domain) as (conductor, operator):
        conductor.wait_for_robot()
        try:
            for trial in trials:
                if ask:
                    x, y = trial.offset
                    typer.confirm(
                        f"{trial.object_name} at ({x:g}, {y:g}) mm, everybody out of reach, a hand on the red button?",
                        abort=True,
                    )
                operator.activate()
                yield conductor.run_hardware(trial, settings, lambda name: print(f"{name} ...", flush=True))
        finally:
            operator.deactivate()
