"""How well touch tells friction, and failure probabilities tell failures, on cases that neither was fitted to.

    python benchmarks/friction_touch.py out/cal1 out/cal2

reads the stores of `./vnb bench --preset calibration --seed N --method vnb` runs and prints, by object and by regime:
negative log-likelihood of the true log friction at the end of closing under the belief that the grasp was judged with,
and under the prior; the belief's mean standard deviation; mean squared standard score (1 for a belief that knows how
far off it is); correlation of believed and true log friction; AUROC and Brier score of the failure probability.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vnb_belief.friction import believed_friction
from vnb_belief.prior import prior_mixture
from vnb_benchmark.outcome import OK, Outcome
from vnb_benchmark.running.store import Store
from vnb_benchmark.statistics.calibration import auroc, brier
from vnb_benchmark.statistics.rows import robust
from vnb_planner.failure import EVIDENCE
from vnb_sim_bridge.pregrasp.library import load_pregrasps

HEAD = f"{'':<28}{'n':>5}{'NLL':>8}{'prior':>8}{'sd':>6}{'z2':>6}{'corr':>6}{'robust':>8}{'AUROC':>7}{'Brier':>7}"


def nll(truth: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the negative log density of a Gaussian [nats]."""
    return 0.5 * ((truth - mean) / std) ** 2 + np.log(std) + 0.5 * math.log(2.0 * math.pi)


def row_of(name: str, rows: Sequence[tuple[Outcome, float]], prior: tuple[float, float]) -> str:
    """Return a line of the table for outcomes with their true log frictions."""
    truth = np.array([log_mu for _, log_mu in rows])
    mean, std = (
        np.array([row.evidence[EVIDENCE.index(key)] for row, _ in rows]) for key in ("friction", "friction_spread")
    )
    failed = np.array([not robust(row) for row, _ in rows])
    p_fail = np.array([row.p_fail for row, _ in rows])
    area = auroc(p_fail, failed) if 0 < failed.sum() < len(failed) else math.nan
    before = nll(truth, *(np.full_like(truth, value) for value in prior))
    figures = (
        f"{nll(truth, mean, std).mean():>8.3f}{before.mean():>8.3f}"
        f"{std.mean():>6.2f}{(((truth - mean) / std) ** 2).mean():>6.2f}{np.corrcoef(mean, truth)[0, 1]:>6.2f}"
    )
    return f"{name:<28}{len(rows):>5}{figures}{1 - failed.mean():>8.2f}{area:>7.2f}{brier(p_fail, failed):>7.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    rows: list[tuple[Outcome, float]] = []
    for path in parser.parse_args().stores:
        with Store.open(path) as store:
            cases = store.cases().cases
            rows += [
                (row, math.log(cases[row.case].scenario.friction_effective))
                for row in store.outcomes()
                if row.status == OK and row.evidence
            ]
    nodes, weights = (part.double().numpy() for part in believed_friction(prior_mixture(8)))
    mean = float(weights @ np.log(nodes))
    prior = mean, math.sqrt(float(weights @ (np.log(nodes) - mean) ** 2))

    def read(row: Outcome) -> bool:
        return bool(load_pregrasps(row.object_name, "l6_v31")[row.pregrasp].touch)

    groups = {"all": rows}
    groups["friction is read"] = [pair for pair in rows if read(pair[0])]
    groups["friction is not read"] = [pair for pair in rows if not read(pair[0])]
    for name in dict.fromkeys(row.regime for row, _ in rows):
        groups[name] = [pair for pair in rows if pair[0].regime == name]
    for name in sorted({row.object_name for row, _ in rows}):
        groups[name] = [pair for pair in rows if pair[0].object_name == name]
    print(HEAD)
    for name, of in groups.items():
        if len(of) > 2:
            print(row_of(name, of, prior))


if __name__ == "__main__":
    main()
