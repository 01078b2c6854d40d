"""Train the learned belief on collected grasps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line


def main(
    data: Annotated[Path, typer.Option(help="Data set, as `./vnb collect` writes it.")] = Path("out/data/grasps.npz"),
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, report and curves.")] = Path("out/training"),
    epochs: Annotated[int, typer.Option(min=1, help="Most epochs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, split and batches.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training in the same folder.")
    ] = False,
    device: Annotated[str, typer.Option(help="Torch device.")] = "cpu",
    validation_object: Annotated[
        list[str] | None,
        typer.Option(help="Object that only decides when to stop; repeatable.", show_default="a share of each object"),
    ] = None,
    held_out_object: Annotated[
        list[str] | None, typer.Option(help="Object that training never sees; repeatable.")
    ] = None,
    held_out_regime: Annotated[
        list[str] | None, typer.Option(help="Regime that training never sees; repeatable.")
    ] = None,
) -> None:
    """Train the learned belief on collected grasps and compare it with its rivals on what was held out."""
    from rich.console import Console

    from vnb_belief.training.evaluate import format_table
    from vnb_belief.training.train import TrainConfig, run

    result = run(
        TrainConfig(
            data=data,
            out=out,
            epochs=epochs,
            seed=seed,
            resume=resume,
            device=device,
            validation_objects=tuple(validation_object or ()),
            held_out_objects=tuple(held_out_object or ()),
            held_out_regimes=tuple(held_out_regime or ()),
            command=command_line(),
        )
    )
    console = Console(highlight=False)
    for name, evaluation in result.evaluations.items():
        console.print(format_table(name, evaluation))
    console.print(f"Kept epoch {result.best_epoch} of {result.epochs} (ended by {result.reason}).")
    console.print(f"Checkpoint: {result.checkpoint}\nReport: {result.report}\nCurves: {result.curves}", soft_wrap=True)
