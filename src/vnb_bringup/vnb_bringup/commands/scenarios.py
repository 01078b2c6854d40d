"""Write a preset scenario set to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vnb_bringup.commands._shared import known_names


def main(
    preset: Annotated[str, typer.Argument(help="Preset, for example quick, paper or full.")],
    out: Annotated[Path, typer.Option(help="File to write (.json).")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the set; sets of other seeds share no scenario.")] = 0,
) -> None:
    """Write a preset scenario set to a file, one case per line; `./vnb trial --scenario FILE#INDEX` runs one."""
    from vnb_benchmark.scenarios.files import save_case_set
    from vnb_benchmark.scenarios.presets import PRESETS

    with known_names():
        make = PRESETS[preset]
    cases = make(seed)
    save_case_set(cases, out)
    betas = ", ".join(f"{beta:g}" for beta in cases.betas)
    print(f"{out}: {len(cases.cases)} cases, betas {betas}")
