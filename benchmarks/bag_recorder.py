"""The recorder beside a real-time trial: messages published, recorded and dropped, its CPU share and memory.

. install/setup.sh, then: python benchmarks/bag_recorder.py [--method scripted] [--lockstep] [--storage sqlite3]
                          python benchmarks/bag_recorder.py --bag BAG --rate 4
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden
from vnb_msgs.srv import SetPause

from vnb_bringup.bags.nodes.player_node import PlayerNode
from vnb_bringup.bags.reader import BagReader
from vnb_bringup.bags.schedule import PlayOptions
from vnb_bringup.graph.composition import Graph, composed_graph, open_context
from vnb_bringup.graph.domain import own_domain
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


def stand_still(graph: Graph, published: Wiretap) -> None:
    """Stop the world's clock and wait until nothing is published any more."""
    call(graph, SetPause, "sim_bridge/pause", SetPause.Request(paused=True))
    before = -1
    while before != (before := sum(published.counts.values())):
        time.sleep(1.0)


@dataclass(frozen=True)
class Measured:
    """What was published, and what the recorder needed meanwhile."""

    counts: dict[str, int]
    seconds: float
    cpu: float
    memory: float
    note: str


class Meter:
    """Measures the recorder and this process while it is on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> Meter:
        self._start, self._cpu, self._own = time.perf_counter(), cpu_seconds(self._pid), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self.cpu = cpu_seconds(self._pid) - self._cpu
        self.own = time.process_time() - self._own
        self.memory = memory(self._pid)


def beside_a_trial(out: Path, storage: str, method: str, lockstep: bool) -> Measured:
    """Record one trial."""
    scenario = draw_scenario("tomato_soup_can", "nominal", 0)
    settings = TrialSettings(method, battery=False)
    with (
        composed_graph(GraphSettings(scenario.object_name, lockstep=lockstep)) as graph,
        Wiretap(keep=False) as published,
    ):
        stand_still(graph, published)
        published.counts.clear()  # the recorder comes and goes while all is silent: the counts are of the same messages
        with recorded(graph, out, storage) as pid:
            call(graph, SetPause, "sim_bridge/pause", SetPause.Request(paused=False))
            with Meter(pid) as meter:
                record = graph.conductor.run(scenario, settings)
            stand_still(graph, published)
    note = f"trial: {len(record.steps)} decisions, {record.stop_reason or record.error_message}, "
    note += f"the graph took {100 * meter.own / meter.seconds:.0f} % of one core"
    return Measured(dict(published.counts), meter.seconds, meter.cpu, meter.memory, note)


def beside_a_bag(out: Path, storage: str, path: Path, rate: float) -> Measured:
    """Record what a bag holds while it is played: the graph's messages at any rate, whatever else the machine does."""
    with own_domain() as domain, open_context(domain) as context, BagReader(path) as bag:
        player = PlayerNode(bag, play=PlayOptions(rate), context=context)
        graph = Graph(player, {"player": player}, context, domain)  # type: ignore[arg-type]
        with recorded(graph, out, storage) as pid, Meter(pid) as meter:
            player.play(threading.Event())
        counts = dict(player.published)
        player.destroy_node()
    return Measured(counts, meter.seconds, meter.cpu, meter.memory, f"bag played at rate {rate:g}")


def main() -> None:
    """Record once and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lockstep", action="store_true")
    parser.add_argument("--storage", default="mcap")
    parser.add_argument("--method", default="vnb")
    parser.add_argument("--bag", type=Path, help="play this bag instead of running a trial")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp()) / "bag")
    given = parser.parse_args()
    if given.bag:
        measured = beside_a_bag(given.out, given.storage, given.bag, given.rate)
    else:
        measured = beside_a_trial(given.out, given.storage, given.method, given.lockstep)
    counts = {topic: n for topic, n in measured.counts.items() if not topic_or_service_is_hidden(topic)}
    with BagReader(given.out) as bag:
        found, dropped = dict(bag.info.counts), bag.info.custom["dropped"].strip()
    missing = {topic: n - found.get(topic, 0) for topic, n in counts.items() if n != found.get(topic, 0)}
    size = sum(path.stat().st_size for path in given.out.iterdir())
    total = sum(counts.values())
    print(measured.note)
    print(
        f"published {total} messages on {len(counts)} topics in {measured.seconds:.1f} s "
        f"({total / measured.seconds:.0f} /s)"
    )
    print(f"not in the bag: {missing or 'none'}; the recorder counted {dropped} as dropped")
    print(
        f"recorder: {100 * measured.cpu / measured.seconds:.1f} % of one core ({1e3 * measured.cpu / total:.2f} ms per "
        f"message), {measured.memory:.0f} MB; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(f"bag: {size / 1e6:.2f} MB at {given.out}")


if __name__ == "__main__":
    main()
