"""Measure the cameras' pose estimates against the truth of the simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names, progress_bar

PROTOCOLS = ("random", "pegboard", "grasp", "bad")


def main(
    protocol: Annotated[
        str,
        typer.Option(
            help="random: at rest, standing and lying; pegboard: its offsets; grasp: hand at pre-grasp, and closing; "
            "bad: views that should be declared rather than believed."
        ),
    ] = "random",
    poses: Annotated[int, typer.Option(min=1, help="Random poses, the objects in turn.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Per object and offset (pegboard), or per object and case.")] = 4,
    object_name: Annotated[
        list[str] | None, typer.Option("--object", help="Object to look for; repeatable.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of poses, noise and calibration errors.")] = 0,
    weighing: Annotated[str, typer.Option(help="Weight of the fusion: fixed, trace or determinant.")] = "fixed",
    meshes: Annotated[str, typer.Option(help="Folder of mesh files to look with, named after objects.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default="out/perception-PROTOCOL")] = (
        None
    ),
) -> None:
    """Measure the cameras' pose estimates against the truth of the simulation, and write a report.

    Reports errors of translation and rotation, calibration (NEES), and failures by object, camera and offset.
    """
    if protocol not in PROTOCOLS:
        raise typer.BadParameter(f"unknown protocol {protocol!r}, expected one of: {', '.join(PROTOCOLS)}")
    from vnb_benchmark.perception.bad import BadLook, bad_poses
    from vnb_benchmark.perception.look import Look, plain_look
    from vnb_benchmark.perception.measure import measure_poses
    from vnb_benchmark.perception.occluded import LookAtGrasp, grasp_poses
    from vnb_benchmark.perception.poses import pegboard_poses, random_poses
    from vnb_benchmark.perception.report import table, write_perception_report
    from vnb_benchmark.perception.summary import by_source
    from vnb_benchmark.report.markdown import render_table
    from vnb_grasp.description import load_object
    from vnb_perception.fusion import FusionConfig
    from vnb_perception.objects.library import ModelLibrary

    names = tuple(object_name or ())
    with known_names():
        for name in names:
            load_object(name)
        fusion = FusionConfig(weighing)
        tried = {
            "random": lambda: random_poses(poses, seed, names),
            "pegboard": lambda: pegboard_poses(names, repeats, seed),
            "grasp": lambda: grasp_poses(repeats, seed, names),
            "bad": lambda: bad_poses(repeats, seed, names),
        }[protocol]()
    looks: dict[str, Callable[[], Look]] = {"grasp": LookAtGrasp, "bad": BadLook}
    look = looks[protocol]() if protocol in looks else plain_look
    with progress_bar() as bar:
        task = bar.add_task("poses", total=len(tried), note="")
        measurements = measure_poses(
            tried,
            fusion=fusion,
            on_pose=lambda done: bar.update(task, completed=done),
            look=look,
            library=ModelLibrary(meshes),
        )
    print(render_table(table(by_source(measurements))))
    folder = out or Path("out") / f"perception-{protocol}"
    print(f"Report: {write_perception_report(measurements, folder, command_line())}")
