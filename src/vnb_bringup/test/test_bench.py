"""The bench command, and the same episodes through the node graph."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from vnb_benchmark.running.store import STORE_NAME, Store, comparable
from vnb_benchmark.running.tasks import Task, tasks_to_do
from vnb_benchmark.running.testing import make_cases, make_short, uses_beta
from vnb_benchmark.running.worker import LocalExecutor
from vnb_benchmark.scenarios.files import save_case_set
from vnb_bringup.cli import main

CASES = make_cases(2, ("cube",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scenarios.json"
    save_case_set(CASES, path)
    return path


@pytest.mark.slow
def test_a_run_its_report_and_going_on(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[Path] = []

    def write_report(store: Path, out: Path, command: str) -> Path:
        pages.append(store)
        return out / "report.html"

    monkeypatch.setattr("vnb_benchmark.report.write.write_report", write_report)
    out = tmp_path / "out"
    arguments = ["bench", "--scenarios", str(file), "--method", "noop", "--jobs", "1", "--out", str(out)]
    assert main([*arguments, "--limit", "1"]) == 0
    assert f"{out}/report.html" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    assert "noop" in capsys.readouterr().out
    with Store.open(out) as store:
        assert [(o.case, o.status, o.lifted) for o in store.outcomes()] == [(0, "ok", False), (1, "ok", False)]
        assert store.cases() == CASES
    assert main(["bench", "report", str(out), "--out", str(tmp_path / "again")]) == 0
    assert pages == [out / STORE_NAME] * 3


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("dance",), 2, "report"),
        (("report",), 2, "store"),
        (("run", "x"), 2, "--resume"),
        (("report", "/nonexistent"), 1, "no such store"),
        (("--method", "luck"), 2, "scripted"),
        (("--preset", "luck"), 2, "quick"),
        (("--method", "noop", "--ray", "nonsense"), 1, "HOST:PORT"),
        (("--method", "noop", "--retry"), 2, "--resume"),
        (("--method", "noop", "--episode-timeout", "inf"), 2, "episode-timeout"),
        (("--method", "noop", "--out", "/proc/x"), 1, "--out"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...],
    status: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "--ray" in arguments:
        pytest.importorskip("ray", reason="Ray is optional: requirements/scale.txt")
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *arguments]) == status
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ros
@pytest.mark.slow
def test_an_episode_through_the_graph_has_the_same_digest() -> None:
    pytest.importorskip("vnb_msgs")
    from vnb_bringup.graph.bench import GraphExecutor

    task = tasks_to_do(CASES, ("scripted",), uses_beta)[0]
    late = Task(replace(task.case, latency=2, disturbance_scale=1.5), task.method, task.beta)
    local, graph = LocalExecutor(partial(make_short)), GraphExecutor()
    try:
        for todo in (task, late):
            here, there = local.run(todo), graph.run(todo)
            assert here.status == "ok", here.error
            assert len(here.digest) == 64
            assert comparable(there) == comparable(here)
        refused = graph.run(Task(task.case, "oracle", task.beta))
        assert refused.status == "failed"
        assert "without --via-ros" in refused.error
    finally:
        graph.close()
