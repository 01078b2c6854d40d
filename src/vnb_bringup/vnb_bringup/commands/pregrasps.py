"""Search pre-grasps for an object and write them into a library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names, progress_bar


def main(
    object_name: Annotated[
        list[str] | None, typer.Option("--object", help="Object to search for; repeatable.", show_default="all")
    ] = None,
    hand: Annotated[str, typer.Option(help="Hand variant.")] = "l6_v31",
    evaluations: Annotated[int, typer.Option(min=1, help="Candidates per object that reach the simulator.")] = 150,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the candidates.")] = 0,
    keep: Annotated[int, typer.Option(min=1, help="Pre-grasps to keep per object.")] = 4,
    refine: Annotated[bool, typer.Option("--refine", help="Begin from the present library.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Library file; objects not searched for stay.", show_default="out/HAND.yaml")
    ] = None,
) -> None:
    """Search pre-grasps for an object and write them into a library: reachable, and holding in simulation."""
    from vnb_grasp.description import known_objects, load_hand, load_object
    from vnb_sim_bridge.pregrasp.generate import generate
    from vnb_sim_bridge.pregrasp.library import load_pregrasps, write_library

    objects = tuple(object_name or known_objects())
    path = out or Path("out") / f"{hand}.yaml"
    with known_names():
        load_hand(hand)
        for name in objects:
            load_object(name)
            if refine:
                load_pregrasps(name, hand)
    with progress_bar() as bar:
        for name in objects:
            task = bar.add_task(name, total=evaluations, note="")

            def show(done: int, total: int, best: float, task: int = task) -> None:
                bar.update(task, completed=done, total=total, note=f"best {best:.2f}")  # type: ignore[arg-type]

            start = load_pregrasps(name, hand) if refine else ()
            found = generate(name, hand, seed, evaluations, keep, start, progress=show)
            # After each object, so that an interrupted search keeps what it has.
            write_library(path, {name: found}, f"Made by {command_line()}; best first.")
            bar.update(task, note=f"best {found[0].score:.2f}" if found else "none found")
    print(f"{path}: {', '.join(objects)}")
