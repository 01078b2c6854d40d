"""The recorder beside a real-time trial: messages published, recorded and dropped, its CPU share and memory.

. install/setup.sh, then: python benchmarks/bag_recorder.py [--lockstep] [--storage sqlite3] [--out DIR]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden
from vnb_msgs.srv import SetPause

from vnb_bringup.bags.reader import BagReader
from vnb_bringup.graph.composition import Graph, composed_graph
from vnb_bringup.graph.recording import recorded
from vnb_bringup.graph.roster import GraphSettings
from vnb_bringup.graph.testing import Wiretap, call
from vnb_bringup.report.local import TrialSettings
from vnb_sim_bridge.scenario import draw_scenario

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int) -> float:
    """Return the resident set of a process [MB]; its peak where the kernel tells it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "Vm" in name}
    return told.get("VmHWM", told["VmRSS"]) / 1024


def pause(graph: Graph, paused: bool) -> None:
    """Stop the world's clock, or let it go on."""
    call(graph, SetPause, "sim_bridge/pause", SetPause.Request(paused=paused))
    if paused:
        time.sleep(0.5)  # what was published before is through


@contextmanager
def standing_still(graph: Graph) -> Iterator[None]:
    """Let nothing be published while the recorder comes and goes, so that the counts are of the same messages."""
    pause(graph, True)
    yield


@contextmanager
def running(graph: Graph) -> Iterator[None]:
    """Let the clock run inside the block."""
    pause(graph, False)
    yield
    pause(graph, True)


def main() -> None:
    """Run one trial with a recorder beside it and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lockstep", action="store_true")
    parser.add_argument("--storage", default="mcap")
    parser.add_argument("--method", default="vnb")
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp()) / "bag")
    given = parser.parse_args()
    scenario = draw_scenario("tomato_soup_can", "nominal", 0)
    settings = TrialSettings(given.method, battery=False)
    with (
        composed_graph(GraphSettings(scenario.object_name, lockstep=given.lockstep)) as graph,
        standing_still(graph),
        recorded(graph, given.out, given.storage) as pid,
        Wiretap(keep=False) as published,
        running(graph),
    ):
        start, cpu, own = time.perf_counter(), cpu_seconds(pid), time.process_time()
        record = graph.conductor.run(scenario, settings)
        elapsed = time.perf_counter() - start
        share = (cpu_seconds(pid) - cpu) / elapsed
        graph_share = (time.process_time() - own) / elapsed
        peak = memory(pid)
    print(f"trial: {len(record.steps)} decisions, {record.stop_reason or record.error_message}, {elapsed:.1f} s")
    counts = {topic: n for topic, n in published.counts.items() if not topic_or_service_is_hidden(topic)}
    with BagReader(given.out) as bag:
        found, dropped = dict(bag.info.counts), bag.info.custom["dropped"].strip()
    missing = {topic: n - found.get(topic, 0) for topic, n in counts.items() if n != found.get(topic, 0)}
    size = sum(path.stat().st_size for path in given.out.iterdir())
    print(
        f"published {sum(counts.values())} messages on {len(counts)} topics ({sum(counts.values()) / elapsed:.0f} /s)"
    )
    print(f"not in the bag: {missing or 'none'}; the recorder counted {dropped} as dropped")
    print(f"recorder: {100 * share:.1f} % of one core, {peak:.0f} MB; graph: {100 * graph_share:.0f} %")
    print(f"bag: {size / 1e6:.2f} MB at {given.out}")


if __name__ == "__main__":
    main()
