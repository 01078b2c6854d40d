"""The training loop: maximum likelihood of the true latents along simulated grasps."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from vnb_belief import layout
from vnb_belief.checkpoint import Provenance, save_checkpoint
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_belief.training.dataset import DATASET_VERSION, EpisodeDataset
from vnb_belief.training.evaluate import Evaluation, evaluate_rivals, format_sbc, format_table
from vnb_belief.training.report import draw_curves
from vnb_belief.training.sequences import Sequences, Split, fit_normalisation, make_sequences, split_episodes
from vnb_grasp.errors import ConfigError, NonFiniteError

_SENSED = layout.OBSERVATION_SLICES["force"].start
CHECKPOINT_NAME = "learned.pt"
STATE_NAME = "train_state.pt"
REPORT_NAME = "training.json"
CURVES_NAME = "training.png"


@dataclass(frozen=True)
class TrainConfig:
    """What to train on, how, and where to write.

    Attributes:
        data: Data set file (npz).
        out: Folder for checkpoint, report, curves and the state that a resumed run continues from.
        epochs: Most epochs.
        seed: Seed of weights, split and batches.
        resume: Continue from the state in ``out`` if there is one, else start anew.
        device: Torch device.
        batch_size: Episodes per step of the optimiser.
        learning_rate: Peak rate of Adam; falls on a cosine to 1 % of it.
        weight_decay: Decoupled weight decay.
        clip_norm: Largest gradient norm.
        input_noise: Noise on what is sensed of the hand while training, in units of each input's spread: what tells one
            object from another (the joint angles at which the fingers meet it) is blurred, so that less of it is
            learned by heart.
        friction_weight: Weight of the marginal log-likelihoods of friction beside the joint one (:func:`loss`).
        patience: Epochs without a better validation loss after which training stops.
        validation_fraction: Share of the seen episodes held back for early stopping.
        validation_objects: Objects held back as a whole for early stopping, instead of a share of every object's.
        held_out_objects: Objects that training never sees.
        held_out_regimes: Friction regimes that training never sees.
        dynamics: Hyperparameters of the model.
        command: Command line, for the provenance in the checkpoint.
    """

    data: Path
    out: Path
    epochs: int = 100
    seed: int = 0
    resume: bool = False
    device: str = "cpu"
    batch_size: int = 64
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    clip_norm: float = 10.0
    input_noise: float = 0.3
    friction_weight: float = 3.0
    patience: int = 40
    validation_fraction: float = 0.15
    validation_objects: tuple[str, ...] = ()
    held_out_objects: tuple[str, ...] = ()
    held_out_regimes: tuple[str, ...] = ()
    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    command: str = "vnb_belief.training.train.run"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training {name}: got {getattr(self, name)}, expected >= 1")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"training {name}: got {getattr(self, name)}, expected > 0")
        for name in ("weight_decay", "friction_weight", "input_noise"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"training {name}: got {getattr(self, name)}, expected >= 0")
        if not 0.0 < self.validation_fraction < 1.0:
            raise ConfigError(f"training validation_fraction: got {self.validation_fraction}, expected in (0, 1)")

    def fingerprint(self, data_hash: str) -> str:
        """Return what a resumed run must share with the run that it continues."""
        free = ("data", "out", "resume", "device", "command")
        kept = {name: value for name, value in asdict(self).items() if name not in free}
        return json.dumps({**kept, "data_hash": data_hash}, sort_keys=True)


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes:
        checkpoint: Checkpoint file.
        report: JSON report.
        curves: Picture of the loss curves.
        epochs: Epochs trained.
        best_epoch: Epoch (from 1) whose weights the checkpoint holds.
        best_validation: Its validation loss [nats per step].
        reason: Why training ended: ``"epochs"`` or ``"patience"``.
        evaluations: Trained belief and its rivals on each held-out set, by name of the set.
    """

    checkpoint: Path
    report: Path
    curves: Path
    epochs: int
    best_epoch: int
    best_validation: float
    reason: str
    evaluations: dict[str, Evaluation]


@dataclass
class _State:
    """Everything that changes while training; batches follow from seed and epoch."""

    model: BeliefDynamics
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best_epoch: int = 0
    best_validation: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    train_losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)


def run(config: TrainConfig, on_epoch: Callable[[int], None] | None = None) -> TrainResult:
    """Train, keep the best epoch, evaluate it on what was held out, and write checkpoint, report and curves.

    Deterministic on the CPU: the same configuration and data give the same checkpoint bytes, resumed or not.

    Args:
        config: What to do.
        on_epoch: Called with the number of finished epochs after each has been saved.

    Raises:
        DatasetError: If the data cannot be used.
        ConfigError: If ``resume`` meets the state of a different configuration or data set.
        NonFiniteError: If the loss stops being finite.
    """
    dataset = EpisodeDataset.load(config.data)
    data_hash = dataset.content_hash()
    split = split_episodes(
        dataset,
        config.seed,
        config.validation_fraction,
        config.held_out_objects,
        config.held_out_regimes,
        config.validation_objects,
    )
    sequences = make_sequences(dataset).to(config.device)
    state = _start(config, sequences.select(split.train))
    fingerprint = config.fingerprint(data_hash)
    config.out.mkdir(parents=True, exist_ok=True)
    if config.resume and (config.out / STATE_NAME).exists():
        _restore_state(config.out / STATE_NAME, state, fingerprint)
    reason = _fit(config, state, sequences, split, fingerprint, on_epoch)
    state.model.load_state_dict(state.best_weights)
    provenance = Provenance(
        command=config.command,
        seed=config.seed,
        data_version=DATASET_VERSION,
        data_hash=data_hash,
        data_command=dataset.command,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
    )
    save_checkpoint(config.out / CHECKPOINT_NAME, state.model, provenance)
    return _write_report(config, state, sequences, split, reason, provenance)


def loss(model: BeliefDynamics, sequences: Sequences, friction_weight: float) -> Tensor:
    """Return the mean over existing steps of the negative log-likelihood of the true latent [nats per step].

    To the joint likelihood it adds ``friction_weight`` times the likelihoods of each contact's friction under its own
    marginal (a composite likelihood: still least at the truth). Components are narrow slices of friction, five sharp
    entries at once; jointly, all but the slice that holds the truth get no gradient, and which slice to choose is worth
    less than any of the other entries. With the joint term alone friction is not learned before the rest overfits.
    """
    beliefs = model.rollout(sequences.actions, sequences.observations)
    log_prob = beliefs.log_prob(sequences.theta, sequences.valid)
    if friction_weight > 0.0:
        friction = beliefs.marginal(layout.LOG_MU).marginal_log_prob(sequences.theta[..., layout.LOG_MU])
        log_prob = log_prob + friction_weight * friction.sum(dim=-1)
    return -(log_prob * sequences.mask).sum() / sequences.mask.sum()


def _start(config: TrainConfig, train: Sequences) -> _State:
    generator = torch.Generator().manual_seed(config.seed)
    model = BeliefDynamics(config.dynamics, fit_normalisation(train), generator).to(config.device)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    return _State(model, optimizer)


def _fit(
    config: TrainConfig,
    state: _State,
    sequences: Sequences,
    split: Split,
    fingerprint: str,
    on_epoch: Callable[[int], None] | None,
) -> str:
    """Train until the epochs or the patience end; return which."""
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    validation = sequences.select(split.validation)
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=config.epochs, completed=state.epoch, loss="")
        while state.epoch < config.epochs:
            if state.epoch - state.best_epoch >= config.patience:
                return "patience"
            state.train_losses.append(_train_epoch(config, state, sequences, split.train))
            with torch.no_grad():
                validation_loss = float(loss(state.model, validation, config.friction_weight))
            state.validation_losses.append(validation_loss)
            state.epoch += 1
            if validation_loss < state.best_validation:
                state.best_validation, state.best_epoch = validation_loss, state.epoch
                state.best_weights = {name: value.clone() for name, value in state.model.state_dict().items()}
            _save_state(config.out / STATE_NAME, state, fingerprint)
            summary = f"validation {validation_loss:.3f} (best {state.best_validation:.3f} at {state.best_epoch})"
            progress.update(task, completed=state.epoch, loss=summary)
            if on_epoch is not None:
                on_epoch(state.epoch)
    return "epochs"


def _train_epoch(config: TrainConfig, state: _State, sequences: Sequences, index: Tensor) -> float:
    rate = 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * state.epoch / config.epochs))
    for group in state.optimizer.param_groups:
        group["lr"] = rate * config.learning_rate
    seed = (config.seed << 20) + state.epoch  # randomness follows from the epoch, so that resuming needs no RNG state
    order = index[torch.randperm(len(index), generator=torch.Generator().manual_seed(seed))]
    total, steps = 0.0, 0
    state.model.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # dropout draws from the global generator
        for batch_index in torch.split(order, config.batch_size):
            batch = blurred(sequences.select(batch_index), state.model, config.input_noise)
            value = _descend(config, state, batch)
            count = int(batch.mask.sum())
            total, steps = total + value * count, steps + count
    state.model.eval()
    return total / steps


def blurred(batch: Sequences, model: BeliefDynamics, amount: float) -> Sequences:
    """Return ``batch`` with noise on forces, joints and motion of the hand; the pose stays, as targets hang on it."""
    if amount == 0.0:
        return batch
    spread = amount * cast(Tensor, model.observation_std)
    spread = torch.cat((torch.zeros_like(spread[:_SENSED]), spread[_SENSED:]))
    return replace(batch, observations=batch.observations + spread * torch.randn_like(batch.observations))


def _descend(config: TrainConfig, state: _State, batch: Sequences) -> float:
    """Take one step of the optimiser and return the loss before it."""
    value = loss(state.model, batch, config.friction_weight)
    if not bool(torch.isfinite(value)):
        raise NonFiniteError(
            f"training loss: got {float(value.detach())} in epoch {state.epoch + 1}, expected a finite number; "
            "lower the learning rate or check the data"
        )
    state.optimizer.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm, error_if_nonfinite=True)
    state.optimizer.step()
    return float(value.detach())


def _save_state(path: Path, state: _State, fingerprint: str) -> None:
    """Write atomically, so that a kill at any instant leaves the last finished epoch."""
    content = {
        "fingerprint": fingerprint,
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        **{name: getattr(state, name) for name in _STATE_FIELDS},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


_STATE_FIELDS = ("epoch", "best_epoch", "best_validation", "best_weights", "train_losses", "validation_losses")


def _restore_state(path: Path, state: _State, fingerprint: str) -> None:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = content["fingerprint"]
    except Exception as error:  # torch raises many kinds on damaged bytes
        raise ConfigError(f"training state {path}: damaged; delete it or train without resume") from error
    if found != fingerprint:
        ours, theirs = json.loads(fingerprint), json.loads(found)
        differing = ", ".join(sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)))
        raise ConfigError(
            f"training state {path}: got a run with other {differing}, expected the same; "
            "use the same settings, another folder, or train without resume"
        )
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    for name in _STATE_FIELDS:
        setattr(state, name, content[name])


def _write_report(
    config: TrainConfig, state: _State, sequences: Sequences, split: Split, reason: str, provenance: Provenance
) -> TrainResult:
    train = sequences.select(split.train)
    sets = {name: index for name, index in vars(split).items() if name != "train" and len(index)}
    model = state.model
    evaluations = {name: evaluate_rivals(model, train, sequences.select(index)) for name, index in sets.items()}
    result = TrainResult(
        checkpoint=config.out / CHECKPOINT_NAME,
        report=config.out / REPORT_NAME,
        curves=config.out / CURVES_NAME,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        best_validation=state.best_validation,
        reason=reason,
        evaluations=evaluations,
    )
    content = {
        "provenance": asdict(provenance),
        "reason": reason,
        "best_validation": state.best_validation,
        "validation_objects": config.validation_objects,
        "held_out_objects": config.held_out_objects,
        "held_out_regimes": config.held_out_regimes,
        "episodes": {name: len(index) for name, index in vars(split).items()},
        "dynamics": asdict(config.dynamics),
        "train_losses": state.train_losses,
        "validation_losses": state.validation_losses,
        "evaluations": {name: evaluation.as_dict() for name, evaluation in evaluations.items()},
    }
    result.report.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw_curves(result.curves, state.train_losses, state.validation_losses, state.best_epoch)
    console = Console(stderr=True)
    for name, evaluation in evaluations.items():
        console.print(format_table(name.replace("_", " "), evaluation))
        if evaluation.sbc:
            console.print(format_sbc(name.replace("_", " "), evaluation))
    return result
