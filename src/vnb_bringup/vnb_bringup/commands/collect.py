"""Collect simulated grasps to train the belief on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names, progress_bar


def main(
    out: Annotated[Path, typer.Option(help="Data set to write (.npz).")] = Path("out/data/grasps.npz"),
    episodes: Annotated[int, typer.Option(min=1, help="Grasps to simulate.")] = 1400,
    steps: Annotated[int, typer.Option(min=1, help="Decision steps per grasp.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of scenarios and motions.")] = 0,
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 2,
    object_name: Annotated[
        list[str] | None, typer.Option("--object", help="Object to grasp; repeatable.", show_default="all")
    ] = None,
) -> None:
    """Collect simulated grasps to train the belief on: varied closings of every object, with the truth beside them.

    Finished batches are kept beside the data set; the same command goes on where a stopped one was.
    """
    from vnb_benchmark.collect import CollectConfig, collect
    from vnb_grasp.description import known_objects
    from vnb_sim_bridge.pregrasp.library import load_pregrasps

    objects = tuple(object_name or known_objects())
    with known_names():
        for name in objects:
            load_pregrasps(name, hand)
    parts = out.with_name(f"{out.name}.parts")
    with progress_bar() as bar:
        task = bar.add_task("collecting", total=episodes, note="")
        dataset = collect(
            CollectConfig(objects, episodes, steps, seed, hand, jobs),
            command_line(),
            lambda done, total: bar.update(task, completed=done, total=total),
            parts,
        )
    dataset.save(out)
    shutil.rmtree(parts)
    print(f"{out}: {len(dataset)} grasps")
