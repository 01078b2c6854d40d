"""What `./vnb train` refuses before anything is trained, and what it passes on."""

from pathlib import Path

import pytest

from vnb_belief.training import densities
from vnb_bringup.cli import main


def test_evaluation_needs_objects_that_training_did_not_see(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--evaluate"]) == 2
    assert "--held-out-object" in capsys.readouterr().err


def test_unknown_belief_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--belief", "psychic"]) == 2
    assert "flow, implicit" in capsys.readouterr().err


def test_resume_and_device_are_for_the_learned_belief(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--belief", "flow", "--resume"]) == 2
    assert "--resume" in capsys.readouterr().err


def test_density_training_gets_what_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def run(config: densities.DensityTrainConfig) -> densities.DensityTrainResult:
        seen.append(config)
        return densities.DensityTrainResult(tmp_path / "flow.pt", tmp_path / "r.json", 2, 1, (3.0, 2.0, 2.5))

    monkeypatch.setattr(densities, "run", run)
    given = ["--belief", "flow", "--seed", "4", "--epochs", "2", "--out", str(tmp_path), "--held-out-object", "box"]
    assert main(["train", *given]) == 0
    (config,) = seen
    assert (config.kind, config.seed, config.epochs, config.out) == ("flow", 4, 2, tmp_path)
    assert config.held_out_objects == ("box",) and config.validation_objects == ()
