"""Draw the paper's figures from trials and a benchmark, as PNG and PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import known_names

if TYPE_CHECKING:
    from vnb_benchmark.report.content import Figure


def main(
    sources: Annotated[list[Path], typer.Argument(help="Folders of ./vnb trial, and at most one of ./vnb bench.")],
    figure: Annotated[
        list[str] | None,
        typer.Option(
            help="wrench_space, regimes, quality, comparison or tactile; repeatable.",
            show_default="all that can be drawn",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the figures.")] = Path("out/figures"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of the trials' belief.", show_default="shipped")
    ] = None,
    step: Annotated[
        int | None, typer.Option(min=0, help="Decision step of the tactile pads.", show_default="last")
    ] = None,
) -> None:
    """Draw the paper's figures from trials and a benchmark, as PNG and PDF.

    wrench_space and quality run each trial again, because what touches under the sideways pulses is not recorded.
    """
    from vnb_bringup.figures import FIGURES, read_sources
    from vnb_bringup.report.folder import prepare_folder
    from vnb_grasp.errors import ConfigError

    names = list(dict.fromkeys(figure or FIGURES.names()))
    with known_names():
        painters = {name: FIGURES[name] for name in names}
    given = read_sources(sources, checkpoint, step)
    prepare_folder(out)
    left_out = []
    for name, draw in painters.items():
        try:
            drawn = draw(given)
        except ConfigError as why:
            if figure:
                raise ConfigError(f"figure {name}: {why}") from why
            left_out.append(f"{name}: {why}")
            continue
        for one in drawn:
            _write(one, out)
    for line in left_out:
        print(f"not drawn  {line}")
    if len(left_out) == len(painters):
        raise ConfigError("none of the figures can be drawn from what was given; the lines above say what each needs")


def _write(figure: Figure, out: Path) -> None:
    from vnb_grasp.errors import ConfigError

    for ending in ("png", "pdf"):
        path = out / f"{figure.name}.{ending}"
        try:
            path.write_bytes(figure.files[ending])
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; give another folder with --out") from error
        print(path)
