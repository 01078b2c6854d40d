"""Time of one planner step: K = 8 components, N = 256 samples, three starting magnitudes, real hand and object.

Usage, with the packages on PYTHONPATH: ``python benchmarks/planner_step.py [--threads 1] [--steps 60]``

Prints one markdown row per object: machine, threads, sizes, p50 and p95 of the wall time and p50 of
the processor time [ms]. On a machine that does other work too, the processor time is the fair figure.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch

from vnb_belief.layout import OBSERVATION_DIM
from vnb_belief.mixture import Mixture
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PlanInput, VnbConfig, VnbPlanner
from vnb_planner.testing import make_mixture

FRICTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
WARM_UP = 5


def processor() -> str:
    """Return the processor's name and the number of cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def make_input(hand: HandModel, belief: Mixture, step: int) -> PlanInput:
    """Return a half-closed hand around the object: three fingers touch, two do not."""
    q6 = torch.tensor([0.9, 0.3, 0.5, 0.5, 0.5, 0.5])
    pose = torch.eye(4)
    pose[:3, 3] = hand.fingertip_centres(q6).mean(0)
    return PlanInput(
        belief=belief,
        observation=torch.zeros(OBSERVATION_DIM),
        T_hand_object=pose,
        force=torch.tensor([2.0, 2.0, 2.0, 0.0, 0.0]),
        contact=torch.tensor([True, True, True, False, False]),
        epsilon_hat=0.0,
        q_cmd=q6,
        q=hand.kinematics.expand(q6.double()).float(),
        step=step,
        seed=0,
    )


def measure(name: str, steps: int) -> tuple[float, float, float, VnbConfig]:
    """Return wall p50, wall p95 and processor p50 of the step with object ``name`` [ms], and the parameters."""
    description, target = load_hand("l6_v31"), load_object(name)
    hand = HandModel.from_description(description, HandKinematics(description))
    model = ObjectModel(SignedDistance(target.primitives()), target.mass, target.force_cap)
    planner = VnbPlanner.make(hand, model, None)
    belief = make_mixture(FRICTIONS)
    wall, cpu = [], []
    for step in range(WARM_UP + steps):
        given = make_input(hand, belief, step)
        begin = time.perf_counter(), time.process_time()
        planner.plan(given)
        wall.append(1e3 * (time.perf_counter() - begin[0]))
        cpu.append(1e3 * (time.process_time() - begin[1]))
    p50, p95 = np.percentile(wall[WARM_UP:], (50, 95))
    return float(p50), float(p95), float(np.median(cpu[WARM_UP:])), planner.config


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--objects", nargs="+", default=["tennis_ball", "cube", "mustard_bottle"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    header = ("machine", "torch", "threads", "object", "K", "N", "gradient n x starts x steps", "p50", "p95", "CPU p50")
    print(f"| {' | '.join(header)} |")
    print("|" + "---|" * len(header))
    for name in arguments.objects:
        p50, p95, cpu, config = measure(name, arguments.steps)
        sizes = f"{config.gradient_samples} x {len(config.starts)} x {config.gradient_steps}"
        print(
            f"| {processor()} | {torch.__version__} | {arguments.threads} | {name} | {len(FRICTIONS)} "
            f"| {config.samples} | {sizes} | {p50:.1f} | {p95:.1f} | {cpu:.1f} |"
        )


if __name__ == "__main__":
    main()
