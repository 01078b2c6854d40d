"""The command that tunes: names are checked first, the settings file and the summary come last."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vnb_benchmark import tuning
from vnb_benchmark.scoring import Score
from vnb_bringup.cli import main


def test_tune_writes_settings_and_says_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(method: tuning.PlannerMethod, *rest: object) -> Score:
        return Score(robust=True, survival=method.parameters["squeeze"], gentleness=0.0)

    monkeypatch.setattr(tuning, "_run", run)
    assert main(["tune", "--object", "cube", "--cases", "1", "--folder", str(tmp_path)]) == 0
    objects = yaml.safe_load((tmp_path / "l6_v31.yaml").read_text())["objects"]
    assert objects["cube"]["setting"] == {"squeeze": 0.85, "thumb_squeeze": 0.0}
    assert objects["cube"]["command"].startswith("./vnb")
    assert len((tmp_path / "l6_v31" / "cube.jsonl").read_text().splitlines()) == 8
    assert "squeeze 0.85, thumb_squeeze 0" in capsys.readouterr().out


def test_tune_knows_its_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--object", "teapot", "--folder", str(tmp_path)]) == 2
    assert "cube" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
