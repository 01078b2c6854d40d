"""Whether acting on risk helps where it should: the worst tenth of simulated grasps under a bimodal friction belief.

Usage, with the packages on PYTHONPATH: ``python benchmarks/risk_in_simulation.py [--object cube] [--draws 40]``

The belief is made up and never updated: effective friction is one of two values with given odds, the rest is the prior.
Nature draws from the same two, and from the usual spreads of mass, stiffness and pose error. The same planner closes
every drawn grasp once for the mean cost and once for its CVaR; then the fingers hold, and the object is lifted and
tested. Printed: mean and worst tenth of the battery's survival for both, with the paired bootstrap interval of the
difference, and how far the first actions after contact differ.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vnb_belief import layout
from vnb_belief.beliefs.base import Belief
from vnb_belief.mixture import Mixture
from vnb_belief.prior import at_accuracy, prior_mixture, stated_accuracy
from vnb_benchmark.control import ControlChain
from vnb_benchmark.episode import Episode, run_episode
from vnb_benchmark.scenarios.seeds import split_seeds
from vnb_grasp.description import load_object
from vnb_grasp.errors import MotionError
from vnb_planner.attempts import AttemptRule
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.scene import PlanningScene
from vnb_sim_bridge.scenario import FRICTION_FINGER, Scenario, draw_scenario

CONTROLS = {"mean": {"lambda_c": 0.0}, "CVaR 0.9": {"lambda_c": 1.0, "beta": 0.9}}
RESAMPLES = 4000


class TwoFrictions(Belief):
    """Friction is one of two values; what is seen changes nothing but the stated accuracy of the pose."""

    name = "two_frictions"

    def __init__(self, low: float, high: float, share_low: float) -> None:
        prior = prior_mixture(2)
        means, log_stds = prior.means.clone(), prior.log_stds.clone()
        means[:, layout.LOG_MU] = torch.tensor([low, high], dtype=torch.float64).log().unsqueeze(-1)
        log_stds[:, layout.LOG_MU] = math.log(0.02)
        odds = torch.tensor([share_low, 1.0 - share_low], dtype=torch.float64).log()
        self._belief = Mixture(odds, means, log_stds)

    def _reset(self, observation: Tensor, T_hand_object: Tensor) -> Mixture:
        return at_accuracy(self._belief, stated_accuracy(observation.double()))

    def _predict(self, action: Tensor) -> Mixture:
        return self.mixture

    def _update(self, action: Tensor, observation: Tensor) -> Mixture:
        return self._reset(observation, torch.eye(4))


def main() -> None:
    """Run the grasps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--object", default="cube")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--low", type=float, default=0.25, help="lower effective friction")
    parser.add_argument("--high", type=float, default=0.6, help="higher effective friction")
    parser.add_argument("--share-low", type=float, default=0.25, help="probability of the lower one")
    parser.add_argument("--seed", type=int, default=7, help="of the set of scenario seeds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(given.seed)
    seeds = split_seeds("calibration", given.seed, given.draws)
    low = rng.permutation(np.arange(given.draws) < round(given.share_low * given.draws))
    survival: dict[str, list[float]] = {name: [] for name in CONTROLS}
    robust: dict[str, list[bool]] = {name: [] for name in CONTROLS}
    force: dict[str, list[float]] = {name: [] for name in CONTROLS}
    differ: list[float] = []
    bridge = SimBridge(draw_scenario(given.object, "nominal", seeds[0]))
    scene = PlanningScene(given.object, "l6_v31")
    cap = load_object(given.object).force_cap
    for seed, is_low in zip(seeds, low, strict=True):
        friction = given.low if is_low else given.high
        scenario = draw_scenario(given.object, "nominal", seed)
        scenario = replace(scenario, friction_object=friction**2 / FRICTION_FINGER)
        try:
            found = {name: run(bridge, scene, scenario, given, parameters) for name, parameters in CONTROLS.items()}
        except MotionError:  # out of reach for both alike
            continue
        for name, episode in found.items():
            report = episode.report
            survival[name].append(report.survival)
            robust[name].append(report.nominal and report.survival >= 0.5 and report.peak_force <= cap)
            force[name].append(report.peak_force)
        differ.append(max_difference(*found.values()))
    print_table(given.object, survival, robust, force, differ, rng)


def run(
    bridge: SimBridge, scene: PlanningScene, scenario: Scenario, given: argparse.Namespace, parameters: dict[str, float]
) -> Episode:
    """Return one grasp, closed once, without a probe."""
    bridge.reset(scenario)
    chain = ControlChain(bridge.world.hand, bridge.world.object, "vnb", "prior", None, {**parameters, "probe": False})
    chain.belief = TwoFrictions(given.low, given.high, given.share_low)
    rule = AttemptRule(attempts=1)
    return run_episode(bridge, chain, scenario, scene=scene, teleport=False, qualities=False, rule=rule)


def max_difference(first: Episode, second: Episode) -> float:
    """Return the largest difference of two grasps' actions at the same step [rad/s]."""
    pairs = zip(first.steps, second.steps, strict=False)
    return max(float((a.control.decision.action - b.control.decision.action).abs().max()) for a, b in pairs)


def worst_tenth(values: np.ndarray) -> float:
    """Return the mean of the lowest tenth, of at least one."""
    return float(np.sort(values)[: max(1, len(values) // 10)].mean())


def print_table(
    name: str,
    survival: dict[str, list[float]],
    robust: dict[str, list[bool]],
    force: dict[str, list[float]],
    differ: list[float],
    rng: np.random.Generator,
) -> None:
    """Print one row per control and the paired differences."""
    print("| object | planned for | grasps | survival, mean | survival, worst tenth | robust | peak force [N] |")
    print("|---|---|---|---|---|---|---|")
    for control, values in survival.items():
        x = np.array(values)
        print(
            f"| {name} | {control} | {len(x)} | {x.mean():.3f} | {worst_tenth(x):.3f} | {np.mean(robust[control]):.2f} "
            f"| {np.mean(force[control]):.1f} |"
        )
    neutral, averse = (np.array(survival[control]) for control in CONTROLS)
    draws = rng.integers(len(averse), size=(RESAMPLES, len(averse)))
    for what, figure in (("mean", np.mean), ("worst tenth", worst_tenth)):
        found = [float(figure(averse[d]) - figure(neutral[d])) for d in draws]
        low, high = np.quantile(found, (0.025, 0.975))
        print(f"CVaR less mean, {what} of survival: {figure(averse) - figure(neutral):+.3f} [{low:+.3f}, {high:+.3f}]")
    print(f"largest difference of actions in a grasp, median: {np.median(differ):.3f} rad/s")


if __name__ == "__main__":
    main()
