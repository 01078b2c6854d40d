"""Train beliefs on collected grasps, and compare them on grasps that training never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vnb_bringup.commands._shared import command_line, known_names

if TYPE_CHECKING:
    from vnb_belief.training.evaluate import Evaluation


def main(
    data: Annotated[Path, typer.Option(help="Data set, as `./vnb collect` writes it.")] = Path("out/data/grasps.npz"),
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, report and curves.")] = Path("out/training"),
    belief: Annotated[
        str, typer.Option(help="Belief to train: learned; flow or implicit, which need the folder's learned.pt.")
    ] = "learned",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Most epochs.", show_default="100; 24 for flow and implicit")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, split and batches.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training in the same folder (learned only).")
    ] = False,
    device: Annotated[str, typer.Option(help="Torch device (learned only).")] = "cpu",
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
    evaluate: Annotated[
        bool,
        typer.Option("--evaluate", help="Train nothing; compare all beliefs of the folder on the held-out objects."),
    ] = False,
    evaluate_episodes: Annotated[
        int, typer.Option(min=1, help="Episodes of each held-out object that --evaluate takes.")
    ] = 12,
) -> None:
    """Train a belief on collected grasps and compare it with its rivals on what was held out."""
    import torch

    torch.set_num_threads(1)  # the networks are small: more threads wait for each other, beside other work most of all
    held_out = tuple(held_out_object or ())
    if evaluate:
        _evaluate(data, out, held_out, evaluate_episodes)
        return
    split: dict[str, Any] = {
        "validation_objects": tuple(validation_object or ()),
        "held_out_objects": held_out,
        "held_out_regimes": tuple(held_out_regime or ()),
    }
    if belief == "learned":
        _train_learned(data, out, epochs or 100, seed, split, resume=resume, device=device)
    else:
        if resume or device != "cpu":
            raise typer.BadParameter(f"--resume and --device are for the learned belief, not for {belief}")
        with known_names():
            _train_density(belief, data, out, epochs, seed, split)


def _train_learned(
    data: Path, out: Path, epochs: int, seed: int, split: dict[str, Any], *, resume: bool, device: str
) -> None:
    from rich.console import Console

    from vnb_belief.training.train import TrainConfig, run

    result = run(
        TrainConfig(
            data=data, out=out, epochs=epochs, seed=seed, resume=resume, device=device, command=command_line(), **split
        )
    )
    _print_tables(result.evaluations)
    console = Console(highlight=False)
    console.print(f"Kept epoch {result.best_epoch} of {result.epochs} (ended by {result.reason}).")
    console.print(f"Checkpoint: {result.checkpoint}\nReport: {result.report}\nCurves: {result.curves}", soft_wrap=True)


def _train_density(kind: str, data: Path, out: Path, epochs: int | None, seed: int, split: dict[str, Any]) -> None:
    from rich.console import Console

    from vnb_belief.training.densities import DensityTrainConfig, run

    given: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    result = run(DensityTrainConfig(kind, data, out, seed=seed, command=command_line(), **split, **given))
    losses = result.validation_losses
    console = Console(highlight=False)
    console.print(
        f"Kept epoch {result.best_epoch} of {result.epochs}: validation loss {losses[result.best_epoch]:.3f} nats, "
        f"{losses[0]:.3f} untrained."
    )
    console.print(f"Checkpoint: {result.checkpoint}\nReport: {result.report}", soft_wrap=True)


def _evaluate(data: Path, out: Path, held_out: tuple[str, ...], episodes: int) -> None:
    """Print the scores of every belief that the folder has a checkpoint for, and of those that need none."""
    from vnb_belief.training.compare import compare_beliefs

    if not held_out:
        raise typer.BadParameter("--evaluate needs the objects that training did not see: give --held-out-object")
    with known_names():
        _print_tables({"held-out objects": compare_beliefs(data, out, held_out, episodes)})


def _print_tables(evaluations: dict[str, Evaluation]) -> None:
    from rich.console import Console

    from vnb_belief.training.evaluate import format_sbc, format_table

    console = Console(highlight=False)
    for name, evaluation in evaluations.items():
        console.print(format_table(name, evaluation))
        if evaluation.sbc:
            console.print(format_sbc(name, evaluation))
