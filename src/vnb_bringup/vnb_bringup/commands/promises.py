"""Measure what the pre-grasps of the library promise with a method, from a benchmark run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line, known_names


def main(
    stores: Annotated[
        list[Path],
        typer.Argument(help="Folders of `./vnb bench --preset promises --method METHOD@0 --method METHOD@1 ...` runs."),
    ],
    method: Annotated[str, typer.Option(help="Method that closed, without the pre-grasp.")] = "vnb-once",
    hand: Annotated[str, typer.Option(help="Hand variant of the runs.")] = "l6_v31",
    out: Annotated[
        Path | None, typer.Option(help="Library file; other objects stay.", show_default="STORE/HAND.yaml")
    ] = None,
) -> None:
    """Measure what the pre-grasps of the library promise with a method, on the calibration split."""
    from vnb_benchmark.promising import measure_promises
    from vnb_benchmark.running.store import Store
    from vnb_sim_bridge.pregrasp.library import load_pregrasps, write_library

    rows, frictions = [], []
    for store in stores:
        with Store.open(store) as opened:
            cases = opened.cases().cases
            for row in opened.outcomes():
                rows.append(row)
                frictions.append(cases[row.case].scenario.friction_effective)
    path = out or (stores[0] if stores[0].is_dir() else stores[0].parent) / f"{hand}.yaml"
    libraries = {}
    for name in sorted({row.object_name for row in rows}):
        own = [i for i, row in enumerate(rows) if row.object_name == name]
        with known_names():
            library = load_pregrasps(name, hand)
        found = measure_promises([rows[i] for i in own], method, library, [frictions[i] for i in own])
        libraries[name] = [promised.pregrasp for promised in found]
        for promised in found:
            shares = " ".join(f"{share:.2f}" for share in promised.pregrasp.robust)
            print(f"{name:<18} {promised.pregrasp.index}  {promised.robust:>3} of {promised.cases:<3}  {shares}")
    write_library(path, libraries, f"Shares of robust grasps by {command_line()}; best first.")
    print(path)
