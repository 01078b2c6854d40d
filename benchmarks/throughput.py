"""Episodes per minute of the benchmark with one and with two workers, and the most memory that a worker took.

Usage, with the packages on PYTHONPATH: ``python benchmarks/throughput.py [--method scripted] [--cases 8] [--jobs 1 2]``

Prints one markdown row per number of workers. Starting the workers is not counted: a real run does it once.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vnb_benchmark.methods.registry import make_method
from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.pool import run_pool
from vnb_benchmark.running.run import hardware
from vnb_benchmark.running.tasks import Task, tasks_to_do
from vnb_benchmark.running.testing import make_cases
from vnb_benchmark.running.worker import LocalExecutor


@dataclass
class Measured:
    """An executor whose outcomes carry the worker's peak memory so far [MB] in ``level``."""

    local: LocalExecutor = field(default_factory=lambda: LocalExecutor(make_method))

    def run(self, task: Task) -> Outcome:
        """Run the task."""
        return replace(self.local.run(task), level=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0)


def measure(tasks: Sequence[Task], jobs: int) -> tuple[float, float, int]:
    """Return episodes per minute from the first outcome on, largest memory of a worker [MB], and failures."""
    started = 0.0
    done, peak, failed = 0, 0.0, 0
    for outcome in run_pool(tasks, Measured, jobs):
        peak = max(peak, outcome.level)
        failed += outcome.status != OK
        if started == 0.0:
            started = time.perf_counter()
        else:
            done += 1
    return 60.0 * done / (time.perf_counter() - started), peak, failed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="scripted")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    uses_beta = make_method(options.method).uses_beta
    tasks = tasks_to_do(make_cases(options.cases), (options.method,), lambda name: uses_beta)
    print(f"{hardware()}; {options.method}, {len(tasks)} episodes\n")
    print("| workers | episodes per minute | peak memory of a worker [MB] | failed |")
    print("|---|---|---|---|")
    for jobs in options.jobs:
        rate, peak, failed = measure(tasks, jobs)
        print(f"| {jobs} | {rate:.1f} | {peak:.0f} | {failed} |", flush=True)


if __name__ == "__main__":
    main()
