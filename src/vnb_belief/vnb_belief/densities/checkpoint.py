"""Checkpoints of conditional densities: small, self-describing, tied to the dynamics that they were trained on."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vnb_belief import layout
from vnb_belief.checkpoint import Provenance
from vnb_belief.densities.flow import ConditionalFlow, FlowConfig
from vnb_belief.densities.siren import ImplicitDensity, SirenConfig
from vnb_belief.dynamics import BeliefDynamics
from vnb_grasp.errors import CheckpointError, ConfigError

FORMAT = "vnb_belief.density"
VERSION = 1
MAX_BYTES = 500_000

Density = ConditionalFlow | ImplicitDensity

MAKERS: dict[str, Callable[[dict[str, Any], int], Density]] = {
    "flow": lambda config, seed: ConditionalFlow(FlowConfig(**config), seed),
    "implicit": lambda config, seed: ImplicitDensity(SirenConfig(**config), seed),
}
"""Densities by kind, from their configuration and seed."""


def dynamics_hash(model: BeliefDynamics) -> str:
    """Return the SHA-256 (hex) of the dynamics' tensors: densities are trained on the embeddings of one model only."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_density(path: Path, density: Density, model: BeliefDynamics, provenance: Provenance) -> None:
    """Write ``density``, trained on the embeddings of ``model``, to ``path`` atomically.

    Raises:
        CheckpointError: If the file would exceed :data:`MAX_BYTES`.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "layout_version": layout.LAYOUT_VERSION,
        "kind": density.kind,
        "config": asdict(density.config),
        "dynamics_hash": dynamics_hash(model),
        "provenance": asdict(provenance),
        "state": {name: value.detach().cpu().contiguous() for name, value in density.state_dict().items()},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    if buffer.tell() > MAX_BYTES:
        raise CheckpointError(
            f"checkpoint {path}: got {buffer.tell()} bytes, expected <= {MAX_BYTES}; use a smaller one"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


def load_density(path: Path, kind: str, model: BeliefDynamics) -> tuple[Density, Provenance]:
    """Return the density (float32, CPU, evaluation mode) and what made it.

    Raises:
        CheckpointError: If the file is missing, damaged, of another format, version, layout or kind, or was trained on
            other dynamics than ``model``.
    """
    retrain = f"train a new one with `./vnb train --belief {kind}`"
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file; give another path or {retrain}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged bytes
        raise CheckpointError(
            f"checkpoint {path}: damaged or not a checkpoint ({type(error).__name__}); restore the file or {retrain}"
        ) from error
    found = content if isinstance(content, dict) else {}
    for what, expected in (
        ("format", FORMAT),
        ("version", VERSION),
        ("layout_version", layout.LAYOUT_VERSION),
        ("kind", kind),
        ("dynamics_hash", dynamics_hash(model)),
    ):
        if found.get(what) != expected:
            raise CheckpointError(
                f"checkpoint {path}: got {what} {found.get(what)!r}, expected {expected!r}; {retrain} on the present "
                "dynamics"
            )
    try:
        density = MAKERS[kind](found["config"], 0)
        density.load_state_dict(found["state"])
        bad = [name for name, value in density.state_dict().items() if not bool(torch.isfinite(value).all())]
        if bad:
            raise RuntimeError(f"got NaN or infinity in {', '.join(bad)}, expected finite weights")
        provenance = Provenance(**found["provenance"])
    except (KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {path}: contents do not fit this code: {error}; {retrain}") from error
    density.eval().requires_grad_(False)
    return density, provenance
