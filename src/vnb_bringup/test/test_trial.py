"""The trial command without middleware, in the real simulator."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from vnb_bringup.cli import main
from vnb_bringup.report.json_report import result_json, schema
from vnb_bringup.report.live import LiveLine
from vnb_bringup.report.local import TrialSettings, run_local_trial
from vnb_bringup.report.record import StepRecord, TrialRecord
from vnb_bringup.report.testing import complaints, make_step
from vnb_grasp.errors import BagError
from vnb_sim_bridge.render.film import Filmer
from vnb_sim_bridge.render.gl import RenderError, open_context
from vnb_sim_bridge.scenario import draw_scenario

SCENARIO = draw_scenario("cube", "nominal", 0)
SETTINGS = TrialSettings("scripted", "prior", battery=False)
"""Those of the fixture `plain`."""


def can_draw() -> bool:
    try:
        open_context(16, 16).free()
    except RenderError:
        return False
    return True


@pytest.fixture(scope="module")
def filmed() -> tuple[TrialRecord, Filmer, list[StepRecord], list[str]]:
    filmer, steps, phases = Filmer(), [], []
    record = run_local_trial(SCENARIO, SETTINGS, observers=(filmer,), on_step=steps.append, on_phase=phases.append)
    return record, filmer, steps, phases


Filmed = tuple[TrialRecord, Filmer, list[StepRecord], list[str]]


def test_result_follows_the_schema(plain: TrialRecord) -> None:
    assert complaints(json.loads(result_json(plain)), schema()) == []


def test_filming_changes_no_byte_and_neither_does_a_second_run(plain: TrialRecord, filmed: Filmed) -> None:
    assert result_json(filmed[0]) == result_json(plain)


def test_record_tells_the_trial(plain: TrialRecord) -> None:
    assert [step.step for step in plain.steps] == list(range(len(plain.steps)))
    assert plain.steps[-1].phase == "done"
    assert plain.verdict is not None
    assert plain.verdict.tests == ()
    assert math.isnan(plain.verdict.survival)
    assert max(plain.steps[-1].force_true) > 0.1
    assert list(plain.durations) == ["approach", "closing", "lift", "tests"]


def test_watchers_hear_of_every_step_and_part(filmed: Filmed) -> None:
    record, _, steps, phases = filmed
    assert [step.step for step in steps] == [step.step for step in record.steps]
    assert phases == ["approach", "closing", "lift", "tests"]


@pytest.mark.render
@pytest.mark.skipif(not can_draw(), reason="this machine cannot draw")
def test_film_of_the_trial(filmed: Filmed) -> None:
    film = filmed[1].develop()
    assert list(film.pictures) == ["before", "closed", "lifted"]
    assert all(picture.startswith(b"\x89PNG") for picture in film.pictures.values())
    assert film.gif.startswith(b"GIF89a")
    assert len(film.gif) < 3_000_000


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (("--object", "teapot"), "mustard_bottle"),
        (("--regime", "slippery"), "bimodal"),
        (("--method", "luck"), "scripted"),
        (("--belief", "faith"), "prior"),
        (("--hand", "paw"), "l6_v31"),
    ],
)
def test_unknown_names_list_the_known_ones(
    arguments: tuple[str, str], known: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trial", *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("vnb: error: unknown ")
    assert arguments[1] in error
    assert known in error
    assert not (tmp_path / "out").exists()


def test_a_missing_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--object", "cube", "--no-pictures", "--no-ros", "--out", str(tmp_path)]
    assert main(["trial", *arguments, "--checkpoint", str(tmp_path / "none.pt")]) == 1
    assert "none.pt" in capsys.readouterr().err


def test_command_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--object", "cube", "--method", "noop", "--belief", "prior", "--no-ros", "--no-pictures"]
    assert main(["trial", *arguments, "--out", str(tmp_path / "trial")]) == 0
    document = json.loads((tmp_path / "trial" / "result.json").read_text())
    assert document["method"] == "noop"
    assert document["conditions"]["pose_source"] == "cameras"
    assert document["summary"]["success"] is False
    shown = capsys.readouterr()
    assert "Not grasped" in shown.out
    assert "report.html" in shown.out
    assert "closing" in shown.err


def test_a_machine_that_cannot_draw_says_so_before_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr("vnb_sim_bridge.render.gl._has_library", lambda name: False)
    assert main(["trial", "--object", "cube", "--no-ros", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "libegl1" in error
    assert "--no-pictures" in error
    assert "moving" not in error


def test_live_line_shows_the_figures() -> None:
    from io import StringIO

    from rich.console import Console

    output = StringIO()
    with LiveLine(Console(file=output, width=120)) as line:
        line.phase("closing")
        line.step(make_step(4))
    assert "step  4" in output.getvalue()
    assert "contacts 5/5" in output.getvalue()
    assert "P(fail) 0.20" in output.getvalue()
    assert "epsilon 0.040" in output.getvalue()


@pytest.mark.ros
def test_the_graph_and_the_same_parts_without_it_give_the_same_bytes(plain: TrialRecord) -> None:
    pytest.importorskip("vnb_msgs")
    from vnb_bringup.graph.trial import run_graph_trial

    filmer = Filmer()
    record = run_graph_trial(SCENARIO, SETTINGS, observers=(filmer,))
    assert result_json(record) == result_json(plain)
    assert set(filmer._snaps) == {"before", "closed", "lifted"}


def test_a_trial_whose_bag_fails_is_reported_all_the_same(
    record: TrialRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vnb_msgs")
    from vnb_bringup.graph import trial as graph_trial

    @contextmanager
    def composed(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(conductor=SimpleNamespace(run=lambda *_, **__: record))

    @contextmanager
    def failing(graph: object, bag: Path, storage: str, notes: object) -> Iterator[int]:
        assert (bag, storage) == (tmp_path / "out" / "bag", "sqlite3")
        yield 0
        raise BagError("no space left for the bag")

    monkeypatch.setattr(graph_trial, "composed_graph", composed)
    monkeypatch.setattr(graph_trial, "recorded", failing)
    options = ["--object", "cube", "--method", "scripted", "--belief", "prior", "--no-pictures"]
    assert main(["trial", *options, "--record", "--storage", "sqlite3", "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "vnb: error: no space left for the bag" in told.err
    assert "Report: " in told.out and "Bag: " not in told.out
    assert (tmp_path / "out" / "result.json").read_text() == result_json(record)
