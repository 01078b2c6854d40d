"""The browser page without a browser: histories, panel, player, results, the server's port."""

from __future__ import annotations

import json
import math
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vnb_bringup.cli import USAGE_STATUS, main
from vnb_bringup.report.json_report import result_json
from vnb_bringup.report.record import TrialRecord
from vnb_bringup.view import history as histories
from vnb_bringup.view.assemble import Assembler
from vnb_bringup.view.history import History
from vnb_bringup.view.page import Page, Player
from vnb_bringup.view.panel import figures_html, heat, pads_html, plot_data, time_text, verdict_html
from vnb_bringup.view.result import result_snapshots
from vnb_bringup.view.server import HOST, LocalServer, open_server
from vnb_bringup.view.snapshot import Snapshot, VerdictView
from vnb_grasp.description import load_arm, load_hand
from vnb_grasp.errors import ConfigError


@pytest.fixture
def server() -> Iterator[LocalServer]:
    opened = open_server(0)
    yield opened
    opened.stop()


def moment(time: float, **changes: object) -> Snapshot:
    return replace(Snapshot(time=time, p_fail=time / 10.0), **changes)  # type: ignore[arg-type]


def test_a_history_keeps_order_and_begins_again_with_time() -> None:
    history = History(moment(t) for t in (0.0, 0.1, 0.1, 0.3))
    assert_allclose(history.columns("time")[0], [0.0, 0.1, 0.3])
    assert_allclose(history.until(0.1).columns("p_fail")[0], [0.0, 0.01])
    history.add(moment(0.05))
    assert_allclose(history.columns("time")[0], [0.05])


def test_a_history_is_bounded_and_keeps_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "LIMIT", 50)
    history = History(moment(float(t)) for t in range(1000))
    (time,) = history.columns("time")
    assert len(history) <= 50
    assert (time[0], time[-1]) == (0.0, 999.0)
    assert (np.diff(time) > 0).all()


def test_plots_leave_out_what_was_not_computed() -> None:
    history = History([moment(0.0, p_fail=math.nan), moment(1.0), moment(2.0)])
    time, p_fail, cvar = plot_data(history, ("p_fail", "cvar"))
    assert_allclose(time, [1.0, 2.0])
    assert_allclose(p_fail, [0.1, 0.2])
    assert np.isnan(cvar).all()
    assert [len(column) for column in plot_data(History(), ("cvar",))] == [0, 0]


def test_time_of_the_wall_clock_is_read_as_such() -> None:
    begin = 1.7e9
    time, _ = plot_data(History([moment(begin), moment(begin + 0.5)]), ("p_fail",))
    assert_allclose(time, [0.0, 0.5])
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.50", time_text(begin + 0.5))
    assert time_text(12.5) == "12.50 s"
    assert_allclose(plot_data(History([moment(12.0), moment(12.5)]), ("p_fail",))[0], [12.0, 12.5])


def test_figures_are_named_and_the_unknown_is_a_dash() -> None:
    contact = np.array([True, True, False, False, False])
    page = figures_html(moment(1.25, step=31, p_fail=0.126, contact=contact, phase="<b>"))
    for name, text in (("time", "1.25 s"), ("step", "31"), ("p_fail", "0.13"), ("contacts", "2 of 5"), ("cvar", "–")):
        assert f'data-vnb="{name}"' in page and f">{text}</div>" in page
    assert "<b>" not in page


def test_a_verdict_is_told_and_escaped() -> None:
    verdict = VerdictView("bad", "Lost", "<script>", (("lift", "2 mm"),))
    page = verdict_html(moment(0.0, verdict=verdict))
    assert "Lost." in page and "2 mm" in page and "<script>" not in page
    assert "waiting" in verdict_html(Snapshot())


def test_harder_pressed_taxels_are_darker() -> None:
    levels = np.array([[0, 1, 20, 80, 160, 255]], dtype=np.uint8)
    brightness = heat(levels).astype(float).sum(-1)[0]
    assert (np.diff(brightness) < 0).all()
    assert pads_html(moment(0.0, taxels=(levels,) * 5)).count("<img") == 5
    assert pads_html(Snapshot()).count("<img") == 0


def test_a_trial_gives_its_steps_and_its_verdict(trial: Path) -> None:
    document = json.loads((trial / "result.json").read_text())
    snapshots = result_snapshots(trial)
    assert [s.step for s in snapshots] == [step["step"] for step in document["steps"]]
    assert [s.verdict is None for s in snapshots] == [True] * (len(snapshots) - 1) + [False]
    last, step = snapshots[-1], document["steps"][-1]
    assert_allclose(last.force, step["force_sensed"])
    assert last.estimate is not None and last.truth is not None
    assert_allclose(last.estimate[:3, 3], last.truth[:3, 3], atol=0.02)
    assert_array_equal(np.stack(last.taxels).ravel(), np.ravel(step["taxels"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "no JSON"),
        ('{"schema": "other"}', "no result"),
        ('{"schema": "vnb/trial-result", "schema_version": 0}', "version 0"),
        ('{"schema": "vnb/trial-result", "schema_version": 2}', "lacks scenario, hand, .*steps"),
    ],
)
def test_what_is_no_trial_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ConfigError, match=message):
        result_snapshots(tmp_path)


def test_an_incomplete_step_is_refused_and_an_unknown_pose_is_none(record: TrialRecord, tmp_path: Path) -> None:
    document = json.loads(result_json(record))
    document["steps"][1]["object_estimate"] = None
    document["steps"][-1]["object_estimate"] = [None] * 7
    (tmp_path / "result.json").write_text(json.dumps(document))
    snapshots = result_snapshots(tmp_path)
    assert [s.estimate is None for s in snapshots] == [s in (1, len(snapshots) - 1) for s in range(len(snapshots))]
    del document["steps"][1]["taxels"]
    (tmp_path / "result.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"incomplete.*taxels"):
        result_snapshots(tmp_path)


def test_the_server_is_this_machines_only_and_a_taken_port_is_named(server: LocalServer) -> None:
    assert server.get_host() == HOST == "127.0.0.1"
    assert server.request_share_url() is None
    with socket.create_connection((HOST, server.get_port()), timeout=5):
        pass
    with pytest.raises(ConfigError, match=f"port {server.get_port()}.*--port"):
        open_server(server.get_port())


def test_a_taken_port_is_one_line(server: LocalServer, trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--result", str(trial), "--port", str(server.get_port())]) == 1
    told = capsys.readouterr().err
    assert "another ./vnb view?" in told and "Traceback" not in told


def test_a_player_goes_through_the_moments_and_stops_at_the_last(server: LocalServer, trial: Path) -> None:
    page = Page(server, load_arm("fr3"), load_hand("l6_v31"))
    snapshots = result_snapshots(trial)[-8:]
    player = Player(page, snapshots)
    assert f">{snapshots[0].step}<" in page.panel.figures.content
    player.tick(1.0)
    assert f">{snapshots[0].step}<" in page.panel.figures.content  # it does not play yet
    player._toggle()
    player.tick(snapshots[3].time - snapshots[0].time)
    assert f">{snapshots[3].step}<" in page.panel.figures.content
    for _ in range(20):
        player.tick(1.0)
    assert f">{snapshots[-1].step}<" in page.panel.figures.content
    assert "decisions" in page.panel.verdict.content
    assert not player._playing.is_set()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times of the moments that pages show, as they show them."""
    times: list[float] = []
    monkeypatch.setattr(Page, "show", lambda self, snapshot, *_, **__: times.append(snapshot.time))
    return times


@pytest.mark.parametrize("speed", [0.25, 0.5, 1, 2, 4])
def test_a_player_keeps_its_speed_however_the_moments_lie(
    server: LocalServer, shown: list[float], speed: float
) -> None:
    player = Player(Page(server, load_arm("fr3"), load_hand("l6_v31")), [moment(9.0 + 0.04 * i) for i in range(300)])
    player._speed.value = f"{speed:g}"
    player._toggle()
    for _ in range(20):
        player.tick(0.05)
    assert shown[-1] == pytest.approx(9.0 + 0.04 * math.floor(speed / 0.04 + 1e-6))
    player._slider.value = 150
    player.tick(0.04 / speed)
    assert shown[-1] == pytest.approx(9.0 + 0.04 * 151)


def test_a_player_goes_on_where_time_begins_again(server: LocalServer, shown: list[float]) -> None:
    times = (5.0, 5.1, 0.0, 0.1)
    player = Player(Page(server, load_arm("fr3"), load_hand("l6_v31")), [moment(time) for time in times])
    player._toggle()
    for elapsed in (0.1, 0.4, 0.1):
        player.tick(elapsed)
    assert shown == [5.0, 5.1, 0.0]
    player.tick(0.1)
    assert shown[-1] == 0.1 and not player._playing.is_set()
    player._toggle()
    player.tick(0.1)
    assert shown[-2:] == [5.0, 5.1]


def test_wrong_sources_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--bag", "a", "--result", "b"]) == USAGE_STATUS
    assert main(["view", "--bag", str(tmp_path / "none"), "--port", "0"]) == 1
    assert "vnb: error: bag" in capsys.readouterr().err
    assert main(["view", "--result", str(tmp_path), "--port", "0"]) == 1


# --- messages that arrive out of order --------------------------------------------------------------------------------


def stamped(time: float, **fields: object) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=int(time), nanosec=round(1e9 * (time % 1.0)))
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id="world"), **fields)


def joints(time: float, value: float) -> SimpleNamespace:
    names = load_arm("fr3").joint_names
    return stamped(time, name=names, position=[value] * len(names))


def status(time: float, step: int, p_fail: float) -> SimpleNamespace:
    return stamped(time, step=step, method="vnb", phase=1, action=[0.0] * 6, cvar=p_fail, p_fail=p_fail)


def told_verdict() -> SimpleNamespace:
    return SimpleNamespace(level=0, message="Held. It came up.", values=[])


@pytest.fixture
def assembler() -> Assembler:
    return Assembler(load_arm("fr3").joint_names, load_hand("l6_v31").joint_names)


def test_a_topic_that_was_overtaken_is_no_new_beginning(assembler: Assembler) -> None:
    assembler.take("arm/joint_states", joints(1.04, 0.1))
    assembler.take("arm/joint_states", joints(1.08, 0.2))
    snapshot = assembler.take("planner/status", status(1.00, 5, 0.5))
    assert (assembler.restarts, snapshot.time, snapshot.p_fail) == (0, 1.08, 0.5)
    assert_allclose(snapshot.arm_q, 0.2)


def test_time_that_begins_again_is_a_new_beginning_whatever_was_on_its_way(assembler: Assembler) -> None:
    assembler.take("arm/joint_states", joints(0.20, 0.1))
    assembler.take("planner/status", status(0.20, 5, 0.5))
    snapshot = assembler.take("arm/joint_states", joints(0.0, 0.3))
    assert (assembler.restarts, snapshot.time) == (1, 0.0)
    assert math.isnan(snapshot.p_fail)
    assembler.take("arm/joint_states", joints(5.0, 0.1))
    assembler.take("planner/status", status(4.0, 0, 0.25))
    assert assembler.restarts == 1
    assembler.take("arm/joint_states", joints(0.04, 0.1))
    assert (assembler.restarts, assembler.snapshot.time) == (2, 0.04)


def test_a_pose_that_took_long_is_no_new_beginning(assembler: Assembler) -> None:
    assembler.take("planner/status", status(2.0, 5, 0.5))
    covariance = [0.0] * 36
    place = SimpleNamespace(
        position=SimpleNamespace(x=0.1, y=0.2, z=0.3), orientation=SimpleNamespace(w=1.0, x=0.0, y=0.0, z=0.0)
    )
    late = stamped(1.0, pose=SimpleNamespace(pose=place, covariance=covariance), object_name="cube")
    snapshot = assembler.take("object_pose", late)
    assert (assembler.restarts, snapshot.time, snapshot.p_fail) == (0, 2.0, 0.5)
    assert snapshot.estimate is not None


def test_the_last_figures_and_the_verdict_stay_whatever_arrives_late(assembler: Assembler) -> None:
    assembler.take("planner/status", status(1.00, 5, 0.5))
    assembler.take("arm/joint_states", joints(1.30, 0.1))
    assembler.take("trial/verdict", told_verdict())
    snapshot = assembler.take("planner/status", status(1.04, 6, 0.25))
    assert snapshot.verdict is not None and snapshot.p_fail == 0.25
    assert assembler.take("planner/status", status(1.50, 0, 0.75)).verdict is None  # the next trial, time going on


def test_a_watcher_keeps_every_moment_until_it_is_asked() -> None:
    pytest.importorskip("rclpy")
    from contextlib import nullcontext

    from vnb_bringup.view.live import Watcher

    node = SimpleNamespace(border=nullcontext, create_subscription=lambda *_, **__: None)
    watcher = Watcher(node, load_arm("fr3"), load_hand("l6_v31"), keep=5)  # type: ignore[arg-type]
    for i in range(1, 5):
        watcher._take("arm/joint_states", joints(0.04 * i, 0.1))
        watcher._take("planner/status", status(0.04 * i, i, 0.1 * i))
    moments = watcher.passed()[1:]  # the first is that of nothing
    assert_allclose([m.time for m in moments], [0.04, 0.08, 0.12])
    assert_allclose([m.p_fail for m in moments], [0.1, 0.2, 0.3])
    count, latest = watcher.latest()
    assert (count, watcher.passed(), latest.step) == (8, [], 4)
    for i in range(5, 15):
        watcher._take("arm/joint_states", joints(0.04 * i, 0.1))
    assert len(watcher.passed()) == 5
