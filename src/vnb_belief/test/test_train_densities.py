import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.beliefs import BELIEFS, BeliefContext
from vnb_belief.checkpoint import load_checkpoint
from vnb_belief.densities.checkpoint import load_density
from vnb_belief.dynamics import BeliefDynamics
from vnb_belief.shared import SLIP, SharedFrame, to_shared
from vnb_belief.training import train
from vnb_belief.training.compare import compare_beliefs
from vnb_belief.training.dataset import DatasetError, EpisodeDataset
from vnb_belief.training.densities import DensityTrainConfig, make_features, run
from vnb_belief.training.evaluate import MOMENTS, QUANTITIES, evaluate_beliefs, evaluate_rivals
from vnb_belief.training.sequences import make_sequences
from vnb_grasp.description import load_hand
from vnb_grasp.errors import CheckpointError, ConfigError, NonFiniteError, UnknownNameError

Make = Callable[..., EpisodeDataset]
KINDS = pytest.mark.parametrize("kind", ["flow", "implicit"])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(make_dataset: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and dynamics that were trained on them for a moment."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("densities")
    dataset = make_dataset(60, steps=4)
    names = {"can": "tomato_soup_can", "box": "box", "ball": "tennis_ball"}
    renamed = dataclasses.replace(dataset, object_names=dataset.object_names.astype("U20").copy())
    for old, new in names.items():
        renamed.object_names[renamed.object_names == old] = new
    renamed.observations[..., layout.OBS_TRACE] = 1e-3  # noise in the synthetic data; a trace is positive
    renamed.save(out / "data.npz")
    train.run(train.TrainConfig(out / "data.npz", out, epochs=2, batch_size=16, held_out_objects=("tennis_ball",)))
    return out


def config(kind: str, folder: Path, **changes: object) -> DensityTrainConfig:
    given = DensityTrainConfig(
        kind, folder / "data.npz", folder, epochs=2, batch_size=64, held_out_objects=("tennis_ball",), command="./vnb x"
    )
    return dataclasses.replace(given, **changes)


def test_features_are_normalised_targets_and_the_embeddings_of_stepping(make_dataset: Make) -> None:
    sequences = make_sequences(make_dataset(4, steps=3))
    model = BeliefDynamics()
    u, h = make_features(model, sequences, torch.Generator().manual_seed(0))
    assert len(u) == int(sequences.mask.sum()) and u.shape[1:] == (14,) and h.shape[1:] == (64,)
    state, previous = model.initial_state(), None
    rows = int(sequences.mask[0].sum())
    with torch.no_grad():
        for t in range(rows):
            observation = sequences.observations[0, t]
            state = model.step(*state, sequences.actions[0, t], observation, previous)
            previous = observation[layout.OBS_POSE]
            assert_close(h[t], state[0])
            expected = SharedFrame.of(state[1]).normalise(to_shared(sequences.theta[0, t]))
            assert_close(u[t, : SLIP.start], expected[: SLIP.start], rtol=1e-4, atol=1e-4)
            if t >= 2:  # all fingers touch
                assert_close(u[t, SLIP], expected[SLIP], rtol=1e-4, atol=1e-4)
    assert float(u[:2, SLIP].abs().max()) < 5.0  # drawn, where no finger touches


@KINDS
def test_training_is_reproducible_and_never_worse_than_untrained(kind: str, folder: Path) -> None:
    result = run(config(kind, folder))
    content = result.checkpoint.read_bytes()
    assert result.checkpoint == folder / f"{kind}.pt" and result.report.is_file()
    assert len(result.validation_losses) == 3
    assert min(result.validation_losses) == result.validation_losses[result.best_epoch]
    assert result.validation_losses[result.best_epoch] <= result.validation_losses[0]
    torch.manual_seed(99)
    assert run(config(kind, folder)).checkpoint.read_bytes() == content
    model, made_by = load_checkpoint(folder / "learned.pt")
    _, provenance = load_density(result.checkpoint, kind, model)
    assert provenance.command == "./vnb x" and provenance.seed == 0
    assert provenance.data_hash == made_by.data_hash and provenance.data_command == "synthetic"
    belief = BELIEFS[kind](BeliefContext(load_hand("l6_v31"), checkpoint=result.checkpoint))
    assert belief.reset(torch.zeros(41), torch.eye(4)).num_components == 8


def test_dynamics_of_other_data_are_refused(folder: Path, make_dataset: Make, tmp_path: Path) -> None:
    make_dataset(12, seed=5).save(tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match="trained on data"):
        run(config("flow", folder, data=tmp_path / "other.npz", held_out_objects=()))
    with pytest.raises(CheckpointError, match="no such file"):
        run(config("flow", folder, out=tmp_path))


def test_a_loss_that_is_not_finite_is_an_error(folder: Path) -> None:
    with pytest.raises(NonFiniteError, match="density training loss"):
        run(config("flow", folder, learning_rate=1e30))


@pytest.mark.parametrize(
    "changes", [{"epochs": 0}, {"share": 0.0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"patience": 0}]
)
def test_bad_settings_are_refused(changes: dict[str, float], folder: Path) -> None:
    with pytest.raises(ConfigError, match="density training"):
        config("flow", folder, **changes)


def test_unknown_kind_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="flow, implicit"):
        config("crystal_ball", folder)


def test_comparison_scores_every_belief_of_the_folder(folder: Path) -> None:
    evaluation = compare_beliefs(folder / "data.npz", folder, ("tennis_ball",), 2)
    assert evaluation.episodes == 2
    assert {"learned", "prior", "particle_filter"} <= set(evaluation.scores)
    for rival in evaluation.scores.values():
        for quantity in QUANTITIES:
            for moment in MOMENTS:
                assert torch.isfinite(torch.tensor(rival[quantity][moment].mean))
    with pytest.raises(DatasetError, match="teapot"):
        compare_beliefs(folder / "data.npz", folder, ("teapot",), 2)


def test_interface_and_batched_rollout_score_the_learned_belief_alike(folder: Path) -> None:
    dataset = EpisodeDataset.load(folder / "data.npz")
    few = dataset.select(torch.arange(4).numpy())
    model, _ = load_checkpoint(folder / "learned.pt")
    context = BeliefContext(load_hand("l6_v31"), checkpoint=folder / "learned.pt")
    stepped = evaluate_beliefs({"learned": lambda name: BELIEFS["learned"](context)}, few)
    batched = evaluate_rivals(model, make_sequences(dataset), make_sequences(few))
    for quantity in QUANTITIES:
        for moment in MOMENTS:
            expected = batched.scores["trained"][quantity][moment].mean
            assert stepped.scores["learned"][quantity][moment].mean == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert stepped.calibration["learned"].coverage_90 == batched.calibration["trained"].coverage_90
