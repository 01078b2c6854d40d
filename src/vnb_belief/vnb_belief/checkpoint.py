"""Checkpoints of the learned dynamics: small, self-describing, loaded without executing code."""

from __future__ import annotations

import io
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from vnb_belief import layout
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_belief.prior import PriorConfig
from vnb_grasp.errors import CheckpointError, ConfigError

FORMAT = "vnb_belief.dynamics"
VERSION = 2
MAX_BYTES = 2_000_000
_RETRAIN = "train a new one with `./vnb train`"


@dataclass(frozen=True)
class Provenance:
    """What made a checkpoint. No date: the same training gives the same bytes.

    Attributes:
        command: Command line.
        seed: Seed of weights, batches and splits.
        data_version: Version of the data set's format.
        data_hash: Content hash of the data set (SHA-256, hex).
        data_command: Command line that made the data set.
        epochs: Epochs trained.
        best_epoch: Epoch whose weights these are.
    """

    command: str
    seed: int
    data_version: int
    data_hash: str
    data_command: str
    epochs: int
    best_epoch: int


def save_checkpoint(path: Path, model: BeliefDynamics, provenance: Provenance) -> None:
    """Write ``model`` to ``path`` atomically: a reader sees the old file or the new one, never half of one.

    Raises:
        CheckpointError: If the file would exceed :data:`MAX_BYTES`.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "layout_version": layout.LAYOUT_VERSION,
        "config": asdict(model.config),
        "provenance": asdict(provenance),
        "state": {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    if buffer.tell() > MAX_BYTES:
        raise CheckpointError(
            f"checkpoint {path}: got {buffer.tell()} bytes, expected <= {MAX_BYTES}; use fewer components"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> tuple[BeliefDynamics, Provenance]:
    """Return the model (float32, CPU, evaluation mode) and what made it.

    Raises:
        CheckpointError: If the file is missing, damaged, or of another format, version or layout.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; give another path or {_RETRAIN}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged bytes
        raise CheckpointError(
            f"checkpoint {path}: damaged or not a checkpoint ({type(error).__name__}); restore the file or {_RETRAIN}"
        ) from error
    _require(path, "format", content.get("format") if isinstance(content, dict) else None, FORMAT)
    _require(path, "version", content.get("version"), VERSION)
    _require(path, "layout version", content.get("layout_version"), layout.LAYOUT_VERSION)
    try:
        return _restore(content)
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {path}: contents do not fit this code: {error}; {_RETRAIN}") from error


def _restore(content: dict[str, Any]) -> tuple[BeliefDynamics, Provenance]:
    config = dict(content["config"])
    model = BeliefDynamics(DynamicsConfig(**{**config, "prior": PriorConfig(**config["prior"])}))
    model.load_state_dict(content["state"])
    bad = [name for name, value in model.state_dict().items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise RuntimeError(f"got NaN or infinity in {', '.join(bad)}, expected finite weights")
    return model.eval().requires_grad_(False), Provenance(**content["provenance"])


def _require(path: Path, what: str, got: object, expected: object) -> None:
    if got != expected:
        raise CheckpointError(f"checkpoint {path}: got {what} {got!r}, expected {expected!r}; {_RETRAIN}")
