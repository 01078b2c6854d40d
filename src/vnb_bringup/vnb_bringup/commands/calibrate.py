"""Fit failure probabilities to a benchmark run on the calibration split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import command_line


def main(
    stores: Annotated[
        list[Path], typer.Argument(help="Folders of `./vnb bench --preset calibration` runs, of different seeds.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Method to calibrate; repeatable.", show_default="all that keep evidence"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            help="Method that the calibration is for, if the run was of a variant of it; if repeated, one calibration "
            "of all --method together is for each.",
        ),
    ] = None,
    hand: Annotated[str, typer.Option(help="Hand variant of the run.")] = "l6_v31",
    out: Annotated[
        Path | None, typer.Option(help="Calibration file; other methods in it stay.", show_default="STORE/HAND.yaml")
    ] = None,
) -> None:
    """Fit failure probabilities to a benchmark run on the calibration split, never on the test split."""
    from vnb_benchmark.calibrating import figures, fit_calibration, write_calibration
    from vnb_benchmark.running.store import Store

    rows, checkpoints = [], set()
    for store in stores:
        with Store.open(store) as opened:
            rows += opened.outcomes()
            checkpoints.add(str(opened.meta.get("checkpoint", "")))
    if len(checkpoints) > 1:
        raise typer.BadParameter(f"the runs were made with {len(checkpoints)} different checkpoints; run them again")
    path = out or (stores[0] if stores[0].is_dir() else stores[0].parent) / f"{hand}.yaml"
    (checkpoint,) = checkpoints
    about = {"checkpoint": checkpoint} if checkpoint else {}
    methods = method or sorted({row.method for row in rows if row.evidence})
    if name is not None and len(name) == 1 and len(methods) != 1:
        raise typer.BadParameter(f"--as names one method, but {len(methods)} are calibrated; give one by --method")
    fits = {ran: fit_calibration(rows, ran) for ran in methods} if name is None else {}
    if name is not None:
        fits = dict.fromkeys(name, fit_calibration(rows, *methods))
    for calibrated, fit in fits.items():
        write_calibration(path, calibrated, fit, command_line(), about)
        for what, found in (("raw", fit.raw), ("calibrated, left out", fit.left_out)):
            words = ", ".join(f"{key} {value:.3f}" for key, value in figures(found).items())
            print(f"{calibrated:<12} {what:<22} {words}")
    print(path)
