import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vnb_belief import layout
from vnb_belief.training.dataset import DatasetError, Episode, EpisodeDataset, latent_label
from vnb_belief.training.sequences import fit_normalisation, make_sequences, split_episodes
from vnb_grasp.errors import NonFiniteError, ShapeError
from vnb_grasp.frames.se3 import exp_so3, make_transform, retract

Make = Callable[..., EpisodeDataset]


def episode(steps: int = 3, name: str = "can") -> Episode:
    return Episode(
        actions=np.ones((steps, 6), np.float32),
        observations=np.ones((steps + 1, 41), np.float32),
        theta=np.ones((steps + 1, 26), np.float32),
        valid=np.ones((steps + 1, 26), np.bool_),
        object_name=name,
        regime="wide",
    )


def test_round_trip_and_same_bytes(make_dataset: Make, tmp_path: Path) -> None:
    dataset = make_dataset(5)
    dataset.save(tmp_path / "a.npz")
    make_dataset(5).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = EpisodeDataset.load(tmp_path / "a.npz")
    assert loaded.command == "synthetic"
    for field in dataclasses.fields(dataset):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(dataset, field.name))


@pytest.mark.parametrize("name", ["actions", "observations", "theta", "valid", "mask", "object_names", "regimes"])
def test_hash_follows_every_array_and_not_the_command(make_dataset: Make, name: str) -> None:
    dataset = make_dataset(4)
    value = getattr(dataset, name).copy()
    value.flat[-1] = "other" if value.dtype.kind == "U" else not value.flat[-1] if value.dtype == bool else 9.0
    assert dataclasses.replace(dataset, **{name: value}).content_hash() != dataset.content_hash()
    assert dataclasses.replace(dataset, command="elsewhere").content_hash() == dataset.content_hash()


def test_padding_is_masked() -> None:
    dataset = EpisodeDataset.from_episodes([episode(2), episode(4)], "c")
    np.testing.assert_array_equal(dataset.mask, [[True] * 3 + [False] * 2, [True] * 5])
    assert dataset.actions.shape == (2, 4, 6)
    assert not dataset.valid[0, 3:].any() and dataset.valid[0, :3].all()


def test_undefined_entries_may_be_anything_and_are_stored_as_zero() -> None:
    e = episode()
    e.valid[1, 3], e.theta[1, 3] = False, np.nan
    dataset = EpisodeDataset.from_episodes([dataclasses.replace(e)], "c")
    assert dataset.theta[0, 1, 3] == 0.0


def test_bad_episodes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"observations: got shape \(4, 41\), expected \(3, 41\)"):
        dataclasses.replace(episode(), actions=np.ones((2, 6), np.float32))
    bad = episode().observations.copy()
    bad[0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="observations of can"):
        dataclasses.replace(episode(), observations=bad)
    with pytest.raises(DatasetError, match="no episodes"):
        EpisodeDataset.from_episodes([], "c")


def test_bad_files_are_named(make_dataset: Make, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(DatasetError, match="no such file"):
        EpisodeDataset.load(path)
    path.write_bytes(b"not a zip")
    with pytest.raises(DatasetError, match="damaged"):
        EpisodeDataset.load(path)
    make_dataset(3).save(path)
    with np.load(path) as file:
        content = dict(file)
    for changes, message in (
        ({"version": np.array(7)}, "got version 7, expected 1"),
        ({"layout_version": np.array(7)}, "layout_version 7"),
        ({"theta": content["theta"] + 1.0}, "do not match their hash"),
    ):
        np.savez(path, **{**content, **changes})
        with pytest.raises(DatasetError, match=message):
            EpisodeDataset.load(path)
    np.savez(path, **{name: value for name, value in content.items() if name != "mask"})
    with pytest.raises(DatasetError, match="got no mask"):
        EpisodeDataset.load(path)


def test_label_is_the_true_pose_seen_from_the_estimate_and_masks_slip_without_contact() -> None:
    estimate = make_transform(exp_so3(torch.tensor([0.3, -0.2, 1.0]).double()), torch.tensor([0.1, 0.0, 0.2]).double())
    xi = torch.tensor([0.002, 0.0, -0.001, 0.03, 0.0, 0.01]).double()
    touching = torch.tensor([True, False, True, False, False])
    theta, valid = latent_label(
        T_hand_object_estimate=estimate,
        T_hand_object_true=retract(estimate, xi),
        mu=0.3,
        kappa=900.0,
        damping=15.0,
        slip=torch.full((5,), 0.02).double(),
        touching=touching,
    )
    assert_close(theta[layout.POSE], xi)
    physical = layout.to_physical(theta)
    assert_close(physical.mu, torch.full((5,), 0.3).double())
    assert_close(physical.kappa, torch.full((5,), 900.0).double())
    assert_close(physical.slip, torch.full((5,), 0.02).double())
    assert torch.equal(valid[layout.SLIP_RAW], touching)
    assert valid[: layout.SLIP_RAW.start].all()


def test_sequences_shift_actions_and_make_poses_relative(make_dataset: Make) -> None:
    dataset = make_dataset(4)
    sequences = make_sequences(dataset)
    assert_close(sequences.actions[:, 0], torch.zeros(4, 6))
    assert_close(sequences.actions[:, 1:], torch.from_numpy(dataset.actions))
    assert_close(sequences.observations[:, 0, layout.OBS_POSE], torch.zeros(4, 6), rtol=0.0, atol=1e-6)
    # the object has turned by -0.5 log(mu) about z, with 5 mrad of noise per estimate
    turned = sequences.observations[0, 7, 5]
    assert abs(float(turned + 0.5 * sequences.theta[0, 7, layout.LOG_MU.start])) < 0.05
    assert float(sequences.observations[1, 8].abs().max()) == 0.0  # padding
    assert not sequences.valid[1, 8].any()


def test_split_is_disjoint_complete_and_holds_out(make_dataset: Make) -> None:
    dataset = make_dataset(60)
    split = split_episodes(dataset, 0, 0.2, ["ball"], ["nominal"])
    parts = [getattr(split, name).tolist() for name in vars(split)]
    assert sorted(i for part in parts for i in part) == list(range(60))
    names, regimes = dataset.object_names, dataset.regimes
    for seen in (split.train, split.validation):
        assert "ball" not in names[seen] and "nominal" not in regimes[seen]
    assert set(names[split.held_out_objects]) == {"ball"}
    assert set(regimes[split.held_out_regimes]) == {"nominal"} and "ball" not in names[split.held_out_regimes]
    assert len(split.validation) == 4
    assert torch.equal(split_episodes(dataset, 0, 0.2, ["ball"], ["nominal"]).train, split.train)
    assert not torch.equal(split_episodes(dataset, 1, 0.2, ["ball"], ["nominal"]).train, split.train)


def test_unknown_held_out_names_and_small_sets_are_refused(make_dataset: Make) -> None:
    dataset = make_dataset(6)
    with pytest.raises(DatasetError, match="object: got cube, expected names in the data set: ball, box, can"):
        split_episodes(dataset, 0, 0.2, ["cube"], [])
    with pytest.raises(DatasetError, match="collect more"):
        split_episodes(dataset, 0, 0.01, [], [])


def test_normalisation_is_that_of_existing_steps_with_a_floor(make_dataset: Make) -> None:
    sequences = make_sequences(make_dataset(20))
    sequences.observations[..., layout.OBS_OCCLUSION] = 0.25  # constant, padding included
    norm = fit_normalisation(sequences)
    steps = sequences.observations[sequences.mask]
    assert_close(norm.observation_mean, steps.mean(0), rtol=1e-4, atol=1e-5)
    force = layout.OBS_FORCE
    assert_close(norm.observation_std[force], steps[:, force].std(0, correction=0), rtol=1e-4, atol=1e-5)
    assert float(norm.observation_std[layout.OBS_OCCLUSION]) == pytest.approx(0.1)
    assert (norm.action_std > 0.5).all()
