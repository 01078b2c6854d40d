import io
from pathlib import Path
from typing import Any

import pytest
import torch

from vnb_belief import checkpoint
from vnb_belief.checkpoint import Provenance, load_checkpoint, save_checkpoint
from vnb_belief.dynamics import BeliefDynamics, DynamicsConfig, Normalisation
from vnb_belief.prior import PriorConfig
from vnb_grasp.errors import CheckpointError

PROVENANCE = Provenance("./vnb train --seed 3", 3, 1, "ab" * 32, "./vnb collect", 500, 321)


def model(k: int = 8) -> BeliefDynamics:
    norm = Normalisation(torch.full((41,), 0.5), torch.full((41,), 2.0), torch.full((6,), 0.3))
    return BeliefDynamics(DynamicsConfig(num_components=k, prior=PriorConfig(damping_median=7.0)), norm)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "belief.pt"
    save_checkpoint(target, model(), PROVENANCE)
    return target


def edit(path: Path, **changes: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)


@pytest.mark.parametrize("k", [1, 8])
def test_round_trip(tmp_path: Path, k: int) -> None:
    original = model(k)
    save_checkpoint(tmp_path / "x.pt", original, PROVENANCE)
    loaded, provenance = load_checkpoint(tmp_path / "x.pt")
    assert provenance == PROVENANCE
    assert loaded.config == original.config
    assert loaded.state_dict().keys() == original.state_dict().keys()
    for name, value in original.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert not any(p.requires_grad for p in loaded.parameters())


def test_same_model_same_bytes_below_the_limit(tmp_path: Path, path: Path) -> None:
    save_checkpoint(tmp_path / "other_name.pt", model(), PROVENANCE)
    assert (tmp_path / "other_name.pt").read_bytes() == path.read_bytes()
    assert path.stat().st_size < checkpoint.MAX_BYTES


def test_nothing_but_the_file_is_left_behind(tmp_path: Path, path: Path) -> None:
    assert list(tmp_path.iterdir()) == [path]


def test_too_large_is_refused_and_keeps_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="expected <= 2000000"):
        save_checkpoint(path, model(120), PROVENANCE)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layout_version", 2, "got layout version 2, expected 1; train a new one"),
        ("version", 99, "got version 99, expected 2"),
        ("format", "something", "got format 'something'"),
    ],
)
def test_other_versions_say_got_and_expected(path: Path, key: str, value: object, message: str) -> None:
    edit(path, **{key: value})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"no such file; give another path or train a new one with `\./vnb train`"
    ):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_truncated_file_is_damaged(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_contents_that_do_not_fit(path: Path) -> None:
    state = torch.load(path, weights_only=True)["state"]
    for changes in (
        {"config": {}},
        {"provenance": {"command": "x"}},
        {"state": {k: v for k, v in state.items() if "decoder" not in k}},
        {"state": {**state, "observation_std": state["observation_std"] * torch.nan}},
    ):
        save_checkpoint(path, model(), PROVENANCE)
        edit(path, **changes)
        with pytest.raises(CheckpointError, match="do not fit"):
            load_checkpoint(path)


def test_a_pickle_that_runs_code_is_refused(path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (path.with_name("owned"),))

    buffer = io.BytesIO()
    torch.save({"format": Attack()}, buffer)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)
    assert not path.with_name("owned").exists()
