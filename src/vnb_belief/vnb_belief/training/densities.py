"""Training of the densities that sit on the learned dynamics: a flow by likelihood, an implicit density by contrast.

The dynamics stay frozen. Targets are ``u = (shared latent - mean) / std`` with the moments of the learned mixture at
each step; both densities start as the unit Gaussian in ``u`` and the untrained one competes on the validation set, so
none is kept that does worse there than the moments alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Generator, Tensor

from vnb_belief.checkpoint import Provenance, load_checkpoint
from vnb_belief.densities.checkpoint import MAKERS, Density, save_density
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.shared import SLIP, SharedFrame, to_shared
from vnb_belief.training.dataset import DATASET_VERSION, EpisodeDataset
from vnb_belief.training.sequences import Sequences, make_sequences, split_episodes
from vnb_belief.training.train import CHECKPOINT_NAME, blurred
from vnb_grasp.errors import CheckpointError, ConfigError, NonFiniteError, UnknownNameError

LEARNING_RATES = {"flow": 1e-3, "implicit": 3e-4}
"""Peak learning rates by kind; a sine network's inputs are multiplied by omega_0, so that it learns from small ones."""


@dataclass(frozen=True)
class DensityTrainConfig:
    """What to train on, how, and where to write.

    Attributes:
        kind: ``flow`` or ``implicit``.
        data: Data set file (npz); the one that the dynamics were trained on.
        out: Folder of the dynamics' ``learned.pt``, where the density's checkpoint and report go too.
        epochs: Most epochs.
        share: Share of the steps that an epoch sees: neighbouring steps are nearly alike.
        seed: Seed of weights, split, batches and noise.
        batch_size: Steps of episodes per step of the optimiser.
        learning_rate: Peak rate of Adam, None for the kind's own; falls on a cosine to 1 % of it.
        weight_decay: Decoupled weight decay.
        input_noise: Noise on what is sensed of the hand while training, as for the dynamics.
        patience: Epochs without a better validation loss after which training stops.
        validation_fraction, validation_objects, held_out_objects, held_out_regimes: As for the dynamics.
        command: Command line, for the provenance in the checkpoint.
    """

    kind: str
    data: Path
    out: Path
    epochs: int = 24
    share: float = 0.5
    seed: int = 0
    batch_size: int = 512
    learning_rate: float | None = None
    weight_decay: float = 1e-3
    input_noise: float = 0.3
    patience: int = 12
    validation_fraction: float = 0.15
    validation_objects: tuple[str, ...] = ()
    held_out_objects: tuple[str, ...] = ()
    held_out_regimes: tuple[str, ...] = ()
    command: str = "vnb_belief.training.densities.run"

    def __post_init__(self) -> None:
        if self.kind not in MAKERS:
            raise UnknownNameError("density", self.kind, MAKERS)
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"density training {name}: got {getattr(self, name)}, expected >= 1")
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(f"density training share: got {self.share}, expected in (0, 1]")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise ConfigError(f"density training learning_rate: got {self.learning_rate}, expected > 0")
        for name in ("weight_decay", "input_noise"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"density training {name}: got {getattr(self, name)}, expected >= 0")


@dataclass(frozen=True)
class DensityTrainResult:
    """What a training made.

    Attributes:
        checkpoint: Checkpoint file.
        report: JSON report.
        epochs: Epochs trained.
        best_epoch: Epoch (from 1) whose weights the checkpoint holds; 0 is the untrained density.
        validation_losses: Before training, then after each epoch.
    """

    checkpoint: Path
    report: Path
    epochs: int
    best_epoch: int
    validation_losses: tuple[float, ...]


def run(config: DensityTrainConfig) -> DensityTrainResult:
    """Train a density on the dynamics in ``config.out`` and write its checkpoint and report beside them.

    Deterministic on the CPU: the same configuration, data and dynamics give the same checkpoint bytes.

    Raises:
        CheckpointError: If the dynamics' checkpoint cannot be used.
        DatasetError: If the data cannot be used.
        NonFiniteError: If the loss stops being finite.
    """
    dataset = EpisodeDataset.load(config.data)
    model, made_by = load_checkpoint(config.out / CHECKPOINT_NAME)
    if made_by.data_hash != dataset.content_hash():
        raise CheckpointError(
            f"checkpoint {config.out / CHECKPOINT_NAME}: got dynamics trained on data {made_by.data_hash[:12]}, "
            f"expected the given data set's {dataset.content_hash()[:12]}; train the dynamics on it first, with "
            "`./vnb train`"
        )
    split = split_episodes(
        dataset,
        config.seed,
        config.validation_fraction,
        config.held_out_objects,
        config.held_out_regimes,
        config.validation_objects,
    )
    sequences = make_sequences(dataset)
    train, validation = sequences.select(split.train), sequences.select(split.validation)
    density = MAKERS[config.kind]({}, config.seed)
    _fit_condition(density, make_features(model, train, _generator(config, -1))[1])
    losses, best_epoch, weights = _fit(config, density, model, train, validation)
    density.load_state_dict(weights)
    provenance = Provenance(
        command=config.command,
        seed=config.seed,
        data_version=DATASET_VERSION,
        data_hash=dataset.content_hash(),
        data_command=dataset.command,
        epochs=len(losses) - 1,
        best_epoch=best_epoch,
    )
    checkpoint = config.out / f"{config.kind}.pt"
    save_density(checkpoint, density, model, provenance)
    report = config.out / f"training_{config.kind}.json"
    content = {"provenance": asdict(provenance), "validation_losses": losses, "density": asdict(density.config)}
    report.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return DensityTrainResult(checkpoint, report, len(losses) - 1, best_epoch, tuple(losses))


@torch.no_grad()
def make_features(model: BeliefDynamics, sequences: Sequences, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return targets ``u (M, 14)`` and embeddings ``h (M, 64)`` at all existing steps.

    Slip of a finger that does not touch is undefined; a draw from the unit Gaussian stands for it, which is what the
    moments alone would say.

    Args:
        model: Frozen dynamics.
        sequences: Episodes.
        generator: Source of those draws.
    """
    h, _ = model.initial_state(len(sequences))
    embeddings = []
    for action, observation in zip(sequences.actions.unbind(1), sequences.observations.unbind(1), strict=True):
        h = model.embed(h, action, observation)
        embeddings.append(h)
    beliefs = model.rollout(sequences.actions, sequences.observations)
    u = SharedFrame.of(beliefs).normalise(to_shared(sequences.theta))
    noise = torch.randn(u[..., SLIP].shape, generator=generator, dtype=u.dtype)
    touching = sequences.valid[..., -noise.shape[-1] :]
    u[..., SLIP] = torch.where(touching, u[..., SLIP], noise)
    return u[sequences.mask], torch.stack(embeddings, dim=1)[sequences.mask]


def _fit(
    config: DensityTrainConfig, density: Density, model: BeliefDynamics, train: Sequences, validation: Sequences
) -> tuple[list[float], int, dict[str, Tensor]]:
    """Return the validation losses, the best epoch and its weights."""
    held = make_features(model, validation, _generator(config, -1))
    peak = config.learning_rate or LEARNING_RATES[config.kind]
    optimizer = torch.optim.AdamW(density.parameters(), peak, weight_decay=config.weight_decay)
    losses = [_validate(config, density, *held)]
    best, weights = 0, _copy(density)
    columns = (
        TextColumn(f"training {config.kind}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=config.epochs, loss="")
        for epoch in range(1, config.epochs + 1):
            rate = 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (epoch - 1) / config.epochs))
            for group in optimizer.param_groups:
                group["lr"] = rate * peak
            _train_epoch(config, density, model, train, optimizer, epoch)
            losses.append(_validate(config, density, *held))
            if losses[-1] < losses[best]:
                best, weights = epoch, _copy(density)
            progress.update(
                task, completed=epoch, loss=f"validation {losses[-1]:.3f} (best {losses[best]:.3f} at {best})"
            )
            if epoch - best >= config.patience:
                break
    return losses, best, weights


def _train_epoch(
    config: DensityTrainConfig,
    density: Density,
    model: BeliefDynamics,
    train: Sequences,
    optimizer: torch.optim.Optimizer,
    epoch: int,
) -> None:
    generator = _generator(config, epoch)
    density.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((config.seed << 20) + epoch)  # blur and dropout draw from the global generator
        u, h = make_features(model, blurred(train, model, config.input_noise), generator)
        chosen = torch.randperm(len(u), generator=generator)[: math.ceil(config.share * len(u))]
        for batch in chosen.split(config.batch_size):
            value = density.loss(u[batch], h[batch], generator)
            if not bool(torch.isfinite(value)):
                raise NonFiniteError(
                    f"density training loss: got {float(value.detach())} in epoch {epoch}, expected a finite number; "
                    "lower the learning rate or check the data"
                )
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(density.parameters(), 5.0, error_if_nonfinite=True)
            optimizer.step()
    density.eval()


@torch.no_grad()
def _validate(config: DensityTrainConfig, density: Density, u: Tensor, h: Tensor) -> float:
    density.eval()
    generator = _generator(config, -2)
    parts = [(density.loss(a, b, generator), len(a)) for a, b in zip(u.split(4096), h.split(4096), strict=True)]
    return float(sum(value * count for value, count in parts)) / len(u)


def _fit_condition(density: Density, h: Tensor) -> None:
    """Set the normalisation of the embedding to its moments in training."""
    cast(Tensor, density.h_mean).copy_(h.mean(dim=0))
    cast(Tensor, density.h_std).copy_(h.std(dim=0).clamp(min=1e-3))


def _copy(density: Density) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in density.state_dict().items()}


def _generator(config: DensityTrainConfig, epoch: int) -> Generator:
    return torch.Generator().manual_seed((config.seed << 20) + epoch + 2)
