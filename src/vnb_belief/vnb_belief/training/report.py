"""The picture of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curves(path: Path, train: Sequence[float], validation: Sequence[float], best_epoch: int) -> None:
    """Write the loss curves [nats per step] over epochs as a PNG, with the kept epoch marked."""
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = range(1, len(train) + 1)
    axes.plot(epochs, train, label="training")
    axes.plot(epochs, validation, label="validation")
    axes.axvline(best_epoch, color="0.6", linestyle=":", label=f"kept: epoch {best_epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel("negative log-likelihood of the true latent [nats per step]")
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})
