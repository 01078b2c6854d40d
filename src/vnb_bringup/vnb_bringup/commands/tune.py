"""Search the best fixed setting of the scripted planner for each object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names, progress_bar


def main(
    object_name: Annotated[
        list[str] | None, typer.Option("--object", help="Object to tune for; repeatable.", show_default="all")
    ] = None,
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    cases: Annotated[int, typer.Option(min=1, help="Calibration cases per object and setting.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the calibration set.")] = 100,
    folder: Annotated[Path, typer.Option(help="Where finished episodes are kept; an interrupted search goes on.")] = (
        Path("out/tune")
    ),
    out: Annotated[
        Path | None,
        typer.Option(help="Settings file; objects not searched for stay.", show_default="out/tune/HAND.yaml"),
    ] = None,
) -> None:
    """Search the best fixed setting of the scripted planner for each object, on calibration cases only."""
    from vnb_benchmark.tuning import TuneConfig, settings_grid, tune
    from vnb_grasp.description import known_objects
    from vnb_sim_bridge.pregrasp.library import load_pregrasps

    objects = tuple(object_name or known_objects())
    path = out or folder / f"{hand}.yaml"
    with known_names():
        for name in objects:
            load_pregrasps(name, hand)
    total = len(settings_grid()) * cases
    with progress_bar() as bar:
        tasks = {name: bar.add_task(name, total=total, note="") for name in objects}
        found = tune(
            TuneConfig(objects, hand, cases, seed, folder),
            path,
            command_line(),
            lambda name, done, of: bar.update(tasks[name], completed=done, total=of),
        )
    for name, setting in found.items():
        print(f"{name:<18} {', '.join(f'{key} {value:g}' for key, value in setting.items())}")
    print(f"{path}: {len(found)} objects")
