"""Record the graph into a bag, play one, look into one, or complete one whose recorder was killed."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vnb_bringup.commands._shared import known_names

if TYPE_CHECKING:
    from vnb_bringup.bags.metadata import BagInfo
    from vnb_bringup.bags.reader import BagReader

OPTIONS = {
    "record": {"storage", "topic", "split_mb", "compress", "duration"},
    "play": {"topic", "rate", "start", "loop", "clock", "delay"},
    "info": set(),
    "recover": set(),
}
"""Actions, and the options that each takes."""


def main(
    context: typer.Context,
    action: Annotated[str, typer.Argument(help="record, play, info or recover.")],
    bag: Annotated[
        Path | None, typer.Argument(help="Folder of the bag.", show_default="out/bag-DATE-TIME, for record")
    ] = None,
    storage: Annotated[str, typer.Option(help="record: mcap or sqlite3.")] = "mcap",
    topic: Annotated[
        list[str] | None, typer.Option(help="record, play: topic to take; repeatable.", show_default="all")
    ] = None,
    split_mb: Annotated[
        float, typer.Option(min=0.0, help="record: size at which a new file begins [MB]; 0 = never.")
    ] = 512.0,
    compress: Annotated[
        bool, typer.Option("--compress/--no-compress", help="record: compress mcap files; takes most of the time.")
    ] = True,
    duration: Annotated[float, typer.Option(min=0.0, help="record: time to record [s]; 0 = until Ctrl-C.")] = 0.0,
    rate: Annotated[float, typer.Option(min=0.001, help="play: factor on the speed.")] = 1.0,
    start: Annotated[float, typer.Option(min=0.0, help="play: time to skip at the beginning [s].")] = 0.0,
    loop: Annotated[bool, typer.Option("--loop", help="play: begin again at the end.")] = False,
    clock: Annotated[
        float, typer.Option(min=0.0, help="play: publish the bag's time on /clock at this rate [Hz]; 0 = as recorded.")
    ] = 0.0,
    delay: Annotated[
        float, typer.Option(min=0.0, help="play: time that subscribers have to find the publishers [s].")
    ] = 1.0,
) -> None:
    """Record the graph into a bag, play one, look into one, or complete one whose recorder was killed.

    The graph is the one of ROS_DOMAIN_ID. Bags are rosbag2's: `ros2 bag` and every MCAP reader take them.
    """
    if action not in OPTIONS:
        raise typer.BadParameter(f"unknown action {action!r}, expected one of: {', '.join(OPTIONS)}")
    _refuse_other_options(context, action)
    if action == "record":
        with known_names():
            _record(bag or _default_folder(), storage, topic or [], split_mb, duration, compress)
        return
    if bag is None:
        raise typer.BadParameter(f"`bag {action}` needs the folder of a bag")
    if action == "recover":
        _recover(bag)
    elif action == "info":
        _info(bag)
    else:
        with known_names():
            _play(bag, topic, rate, start, loop, clock, delay)


def _refuse_other_options(context: typer.Context, action: str) -> None:
    every = set().union(*OPTIONS.values())
    given = {
        name
        for name in every
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }
    wrong = sorted(f"--{name.replace('_', '-')}" for name in given - OPTIONS[action])
    if wrong:
        raise typer.BadParameter(f"`bag {action}` does not take {', '.join(wrong)}")


def _default_folder() -> Path:
    return Path("out") / time.strftime("bag-%Y%m%d-%H%M%S")


def _record(folder: Path, storage: str, topics: list[str], split_mb: float, duration: float, compress: bool) -> None:
    from rclpy.parameter import Parameter

    from vnb_bringup.bags.nodes.recorder_node import run
    from vnb_bringup.bags.storage import STORAGES
    from vnb_bringup.graph.domain import given_domain

    STORAGES[storage]
    given_domain()  # ROS itself would end with a traceback
    given = {
        "out": str(folder),
        "storage": storage,
        "topics": ",".join(topics),
        "split_megabytes": split_mb,
        "compress": compress,
    }
    print(f"Recording into {folder}; Ctrl-C ends it.")
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    info = run([], duration, parameter_overrides=overrides)
    _print_info(folder, info, complete=True)


def _play(
    path: Path, topics: list[str] | None, rate: float, start: float, loop: bool, clock: float, delay: float
) -> None:
    from vnb_bringup.bags.nodes.player_node import run
    from vnb_bringup.bags.schedule import PlayOptions
    from vnb_bringup.graph.domain import given_domain

    given_domain()  # ROS itself would end with a traceback
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if topics is not None:
        topics = [topic if topic.startswith("/") else f"/{topic}" for topic in topics]
    with _open(path) as bag:
        published = run(bag, topics, PlayOptions(rate, start, loop, clock), ended, delay)
    print(f"Played {sum(published.values())} messages on {len(published)} topics.")


def _info(path: Path) -> None:
    from vnb_bringup.bags.definitions import share_folders

    with _open(path) as bag:
        _print_info(path, bag.info, bag.complete)
        mismatches = bag.mismatches(share_folders())
    for mismatch in mismatches:
        print(f"Recorded with another message: {mismatch.explain()}")


def _recover(path: Path) -> None:
    from vnb_bringup.bags.recover import recover

    _print_info(path, recover(path), complete=True)


def _open(path: Path) -> BagReader:
    from vnb_bringup.bags.lock import is_being_written
    from vnb_bringup.bags.reader import BagReader

    bag = BagReader(path)
    folder = path if path.is_dir() else path.parent
    if not bag.complete and is_being_written(folder):
        typer.echo(f"vnb: {path} is still being written: taken as far as it goes now.", err=True)
    elif not bag.complete:
        typer.echo(
            f"vnb: {path} was not closed, its recorder was killed: taken as far as it goes. "
            f"`./vnb bag recover {folder}` makes it a whole bag for other tools.",
            err=True,
        )
    return bag


def _print_info(path: Path, info: BagInfo, complete: bool) -> None:
    from datetime import datetime

    begun = datetime.fromtimestamp(info.start / 1e9).astimezone().isoformat(" ", "milliseconds") if info.start else "-"
    print(
        f"{path}: {info.count} messages on {len(info.topics)} topics in {(info.end - info.start) / 1e9:.2f} s, "
        f"{len(info.files)} {info.storage} file{'s' * (len(info.files) != 1)}, from {begun}"
        f"{'' if complete else ', not closed'}"
    )
    rows = [
        (
            str(info.counts.get(topic.name, 0)),
            topic.name,
            topic.type,
            ", ".join(sorted({f"{offer.reliability} {offer.durability}" for offer in topic.qos})),
        )
        for topic in info.topics
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    for count, name, kind, offers in rows:
        print(f"{count:>{widths[0]}}  {name:<{widths[1]}}  {kind:<{widths[2]}}  {offers}")
    dropped = info.custom.get("dropped", "").strip()
    if dropped not in ("", "{}"):
        print(f"Dropped while recording: {' '.join(dropped.split())}")
