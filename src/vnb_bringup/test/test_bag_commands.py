"""The commands `bag` and `replay`: what the manual shows is understood, and wrong use and bad bags are told."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer

from vnb_bringup.bags.testing import texts, write_bag
from vnb_bringup.bags.writer import BagWriter
from vnb_bringup.cli import main

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "bags.md"
COMMANDS = sorted(set(re.findall(r"\./vnb ((?:bag|replay|trial) [^\n`#]+)", MANUAL.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.rstrip().endswith(("with", "needs"))])
def test_the_manual_shows_commands_that_exist(line: str) -> None:
    name, *arguments = shlex.split(line)
    app = typer.Typer()
    app.command(name)(importlib.import_module(f"vnb_bringup.commands.{name}").main)
    command = typer.main.get_command(app)
    context = command.make_context(name, arguments)
    if name == "bag":
        assert context.params["action"] in importlib.import_module("vnb_bringup.commands.bag").OPTIONS


def test_the_manual_shows_commands() -> None:
    assert len(COMMANDS) > 10


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(list(arguments))
    return status, " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_info_counts_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "a bag", texts(30), split_bytes=500)
    assert main(["bag", "info", str(bag)]) == 0
    out = capsys.readouterr().out
    assert "30 messages on 2 topics in 0.03 s" in out
    assert re.search(r"30\s+/text\s+std_msgs/msg/String\s+reliable transient_local, reliable volatile", out)
    assert "Recorded with another message: demo_msgs/msg/Stamped" in out


def test_an_unfinished_bag_is_told_and_recovered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", texts(3))
    (bag / "metadata.yaml").unlink()
    path = bag / "bag_0.mcap"
    path.write_bytes(path.read_bytes()[:-100])
    status, message = told(capsys, "bag", "info", str(bag))
    assert status == 0
    assert "was not closed" in message and f"`./vnb bag recover {bag}`" in message
    assert told(capsys, "bag", "recover", str(bag)) == (0, "")
    assert told(capsys, "bag", "info", str(bag)) == (0, "")


def test_a_bag_that_is_still_being_written_is_told_and_not_recovered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tmp_path / "bag"
    writer = BagWriter(bag)
    status, message = told(capsys, "bag", "info", str(bag))
    assert status == 0
    assert "still being written" in message and "recover" not in message
    status, message = told(capsys, "bag", "recover", str(bag))
    assert status == 1
    assert "still being written; end the recorder first" in message
    assert writer.close().count == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["bag", "rewind", "x"], "expected one of: record, play, info, recover"),
        (["bag", "info"], "needs the folder of a bag"),
        (["bag", "info", "x", "--rate", "2"], "`bag info` does not take --rate"),
        (["bag", "play", "x", "--split-mb", "2"], "`bag play` does not take --split-mb"),
        (["bag", "play", "x", "--rate", "0"], "--rate"),
        (["replay"], "Missing argument 'bag'"),
        (["replay", "x", "--from", "belief", "--belief", "prior"], "need --from observation"),
        (["trial", "--record", "--no-ros"], "--no-ros runs without it"),
        (["trial", "--storage", "sqlite3"], "needs --record"),
        (["trial", "--record", "--storage", "tape"], "sqlite3"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, message = told(capsys, *arguments)
    assert status == 2
    assert expected in message


@pytest.mark.parametrize("action", ["record", "play"])
def test_a_wrong_domain_is_one_line(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rclpy")
    monkeypatch.setenv("ROS_DOMAIN_ID", "abc")
    bag = write_bag(tmp_path / "bag", texts(3)) if action == "play" else tmp_path / "bag"
    assert told(capsys, "bag", action, str(bag)) == (
        1,
        "vnb: error: ROS_DOMAIN_ID: got 'abc', expected a number from 0 to 232",
    )
    assert bag.exists() == (action == "play")


def test_a_replay_that_cannot_be_reported_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vnb_msgs")
    monkeypatch.setattr("vnb_bringup.replay.recording.Recording", lambda reader: reader)
    monkeypatch.setattr("vnb_bringup.replay.recompute.replay", lambda *_: pytest.fail("computed"))
    bag, taken = write_bag(tmp_path / "bag", texts(3)), tmp_path / "taken"
    taken.write_text("a file")
    status, message = told(capsys, "replay", str(bag), "--out", str(taken))
    assert status == 1
    assert message == f"vnb: error: report folder {taken}: File exists; give another one with --out"


@pytest.mark.parametrize("action", ["info", "recover"])
def test_a_foreign_bag_is_one_line(action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"no bag at all")
    for path in (tmp_path / "bag", tmp_path / "nowhere"):
        status, message = told(capsys, "bag", action, str(path))
        assert status == 1
        assert message.startswith("vnb: error: ")
        assert "Traceback" not in message
