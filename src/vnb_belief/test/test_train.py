import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vnb_belief import layout
from vnb_belief.beliefs import LearnedBelief
from vnb_belief.checkpoint import load_checkpoint
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig
from vnb_belief.training import train
from vnb_belief.training.dataset import EpisodeDataset
from vnb_belief.training.sequences import fit_normalisation, make_sequences, split_episodes
from vnb_belief.training.train import TrainConfig, TrainResult, run
from vnb_grasp.errors import ConfigError, NonFiniteError

Make = Callable[..., EpisodeDataset]


class InterruptionError(Exception):
    """Stands for whatever ends a training early."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(make_dataset: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "episodes.npz"
    make_dataset(30, steps=4).save(path)
    return path


def short(data: Path, out: Path, **changes: object) -> TrainConfig:
    config = TrainConfig(data, out, epochs=4, batch_size=8, learning_rate=3e-3, held_out_objects=("ball",))
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def trained(make_dataset: Make, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("trained")
    make_dataset(900, seed=1, steps=4).save(out / "data.npz")
    config = TrainConfig(
        out / "data.npz",
        out,
        epochs=40,
        batch_size=32,
        learning_rate=2e-3,
        held_out_objects=("ball",),
        dynamics=DynamicsConfig(num_components=4, std_floor=0.1),
    )
    return run(config)


def test_validation_can_be_whole_objects(make_dataset: Make) -> None:
    dataset = make_dataset(30, steps=4)
    held_out, kept, *_ = sorted(set(dataset.object_names.tolist()))
    split = split_episodes(dataset, 0, 0.15, (held_out,), (), (kept,))
    assert set(dataset.object_names[split.validation.numpy()]) == {kept}
    assert not set(dataset.object_names[split.train.numpy()]) & {held_out, kept}
    with pytest.raises(ConfigError, match="no such thing"):
        split_episodes(dataset, 0, 0.15, (held_out,), (), ("no such thing",))
    with pytest.raises(ConfigError, match="collect more"):
        split_episodes(dataset, 0, 0.15, (held_out,), (), tuple(set(dataset.object_names.tolist()) - {held_out}))


def test_input_noise_leaves_the_pose_alone_and_follows_the_seed(make_dataset: Make) -> None:
    sequences = make_sequences(make_dataset(3, steps=4))
    model = BeliefDynamics(normalisation=fit_normalisation(sequences))
    torch.manual_seed(0)
    once = train.blurred(sequences, model, 0.3).observations
    torch.manual_seed(0)
    torch.testing.assert_close(train.blurred(sequences, model, 0.3).observations, once)
    moved = (once - sequences.observations).abs() > 0
    assert not moved[..., : layout.OBS_FORCE.start].any()
    assert moved[..., layout.OBS_FORCE.start :].all()
    assert train.blurred(sequences, model, 0.0) is sequences


@pytest.mark.parametrize("quantity", ["mu", "kappa", "pose", "theta"])
@pytest.mark.parametrize("rival", ["prior", "constant"])
def test_training_beats_the_rivals_on_a_held_out_object(trained: TrainResult, quantity: str, rival: str) -> None:
    scores = trained.evaluations["held_out_objects"].scores
    for moment in ("end", "all"):
        ours, theirs = scores["trained"][quantity][moment], scores[rival][quantity][moment]
        assert ours.mean < theirs.mean - 2.0 * math.hypot(ours.standard_error, theirs.standard_error)


def test_belief_narrows_with_evidence(trained: TrainResult) -> None:
    scores = trained.evaluations["held_out_objects"].scores["trained"]["mu"]
    assert scores["end"].mean < scores["start"].mean - 0.5


def test_trained_belief_is_calibrated_roughly(trained: TrainResult) -> None:
    calibration = trained.evaluations["held_out_objects"].calibration["trained"]
    assert calibration.coverage_50 > 0.35
    assert calibration.coverage_90 > 0.75


def test_outputs_are_complete(trained: TrainResult) -> None:
    report = json.loads(trained.report.read_text())
    model, provenance = load_checkpoint(trained.checkpoint)
    assert provenance.data_hash == report["provenance"]["data_hash"]
    assert provenance.data_command == "synthetic"
    assert (
        provenance.best_epoch
        == trained.best_epoch
        == 1 + min(range(trained.epochs), key=report["validation_losses"].__getitem__)
    )
    assert len(report["train_losses"]) == trained.epochs
    assert report["episodes"]["held_out_objects"] == 300
    assert report["evaluations"].keys() == {"validation", "held_out_objects"}
    assert trained.curves.read_bytes()[:4] == b"\x89PNG"
    assert LearnedBelief(model).reset(torch.zeros(41), torch.eye(4)).num_components == 4


def test_same_seed_same_bytes_other_seed_other_bytes(data: Path, tmp_path: Path) -> None:
    first, second, other = (
        run(short(data, tmp_path / name, seed=seed)).checkpoint.read_bytes()
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first == second
    assert first != other


def test_resuming_gives_the_bytes_of_an_uninterrupted_run(data: Path, tmp_path: Path) -> None:
    whole = run(short(data, tmp_path / "whole"))

    def interrupt(epoch: int) -> None:
        if epoch == 2:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        run(short(data, tmp_path / "cut"), on_epoch=interrupt)
    epochs: list[int] = []
    resumed = run(short(data, tmp_path / "cut", resume=True), on_epoch=epochs.append)
    assert epochs == [3, 4]
    assert resumed.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    assert resumed.report.read_bytes() == whole.report.read_bytes()


def test_resuming_after_a_kill(data: Path, tmp_path: Path) -> None:
    whole = run(short(data, tmp_path / "whole"))
    out = tmp_path / "killed"
    script = (
        "import sys, time\nfrom pathlib import Path\nimport torch\ntorch.set_num_threads(1)\n"
        "from vnb_belief.training.train import TrainConfig, run\n"
        "config = TrainConfig(Path(sys.argv[1]), Path(sys.argv[2]), epochs=4, batch_size=8, learning_rate=3e-3,\n"
        "                     held_out_objects=('ball',))\n"
        "run(config, on_epoch=lambda epoch: time.sleep(60 if epoch == 2 else 0))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", script, str(data), str(out)], env=environment)
    try:
        deadline = time.monotonic() + 50.0
        while time.monotonic() < deadline and child.poll() is None:
            state = out / train.STATE_NAME
            if state.exists() and torch.load(state, weights_only=True)["epoch"] == 2:
                break
            time.sleep(0.05)
        assert child.poll() is None, "the child ended before it could be killed"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    (out / (train.STATE_NAME + ".tmp")).write_bytes(b"half a file")  # what a kill during writing leaves
    resumed = run(short(data, out, resume=True))
    assert resumed.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def test_resume_refuses_another_run_and_a_damaged_state(data: Path, tmp_path: Path) -> None:
    run(short(data, tmp_path))
    with pytest.raises(ConfigError, match="other learning_rate, seed, expected the same"):
        run(short(data, tmp_path, resume=True, seed=9, learning_rate=1e-3))
    (tmp_path / train.STATE_NAME).write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="delete it or train without resume"):
        run(short(data, tmp_path, resume=True))


def test_resume_without_a_state_starts_anew(data: Path, tmp_path: Path) -> None:
    assert run(short(data, tmp_path, resume=True)).epochs == 4


def test_patience_ends_a_training_that_stops_improving(data: Path, tmp_path: Path) -> None:
    result = run(short(data, tmp_path, epochs=50, learning_rate=1e-12, weight_decay=0.0, patience=2))
    assert result.reason == "patience"
    assert result.epochs <= result.best_epoch + 2 < 50


def test_diverging_training_says_so(data: Path, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError):
        run(short(data, tmp_path, learning_rate=1e30))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("learning_rate", math.nan),
        ("clip_norm", 0.0),
        ("weight_decay", -1.0),
        ("friction_weight", math.nan),
        ("validation_fraction", 1.0),
    ],
)
def test_bad_configuration_is_named(data: Path, tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        short(data, tmp_path, **{name: value})
