"""Time of one step of every planner: real hand and object, a belief of K = 8 components, defaults otherwise.

Usage, with the packages on PYTHONPATH: ``python benchmarks/planner_step.py [--threads 1] [--steps 60]``

Prints one markdown row per object and planner: p50 and p99 of the wall time, p50 of the processor time [ms], and the
processor time as a multiple of ``vnb``'s (of the first planner's if ``vnb`` is not measured). On a machine that does
other work too, the processor time is the fair figure; the planners take turns step by step, so that such work meets all
of them alike. ``pf`` also gets the belief that it is meant for, 100 weighted particles (``pf*``).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from vnb_belief.layout import OBSERVATION_DIM
from vnb_belief.mixture import Mixture
from vnb_grasp.description import load_hand, load_object
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.shapes.sdf import SignedDistance
from vnb_planner.models import HandModel, ObjectModel
from vnb_planner.planners import PLANNERS, PlanInput, Planner
from vnb_planner.testing import make_mixture

FRICTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PARTICLES = 100
WARM_UP = 5


@dataclass
class Entry:
    """A planner that is measured, and its times [s]."""

    name: str
    planner: Planner
    belief: Mixture
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def step(self, given: PlanInput) -> None:
        """Plan once; the times of the first few steps of a planner do not count."""
        begin = time.perf_counter(), time.process_time()
        self.planner.plan(replace(given, belief=self.belief))
        if given.step >= WARM_UP:
            self.wall.append(time.perf_counter() - begin[0])
            self.cpu.append(time.process_time() - begin[1])


def processor() -> str:
    """Return the processor's name and the number of cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def particles(n: int) -> Mixture:
    """Return a belief of n particles with unequal weights."""
    generator = torch.Generator().manual_seed(0)
    means = make_mixture(FRICTIONS).sample(n, generator, stratified=True)
    logits = torch.randn(n, generator=generator, dtype=means.dtype)
    return Mixture(logits, means, torch.full_like(means, -3.0))


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


def measure(object_name: str, names: list[str], steps: int) -> list[Entry]:
    """Return the planners with their times for one object."""
    description, target = load_hand("l6_v31"), load_object(object_name)
    hand = HandModel.from_description(description, HandKinematics(description))
    model = ObjectModel(SignedDistance(target.primitives()), target.mass, target.force_cap, target.name)
    belief = make_mixture(FRICTIONS)
    entries = [Entry(name, PLANNERS[name](hand, model, None), belief) for name in names]
    if "pf" in names:
        entries.append(Entry("pf*", PLANNERS["pf"](hand, model, None), particles(PARTICLES)))
    for step in range(WARM_UP + steps):
        given = make_input(hand, belief, step)
        for entry in entries:
            entry.step(given)
    return entries


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--objects", nargs="+", default=["tennis_ball", "cube", "mustard_bottle"])
    parser.add_argument("--planners", nargs="+", default=list(PLANNERS.names()), choices=PLANNERS.names())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{processor()}; torch {torch.__version__}; threads {arguments.threads}; K = {len(FRICTIONS)}\n")
    header = ("object", "planner", "p50", "p99", "CPU p50", "CPU / vnb")
    print(f"| {' | '.join(header)} |")
    print("|" + "---|" * len(header))
    for name in arguments.objects:
        entries = measure(name, arguments.planners, arguments.steps)
        reference = next((entry for entry in entries if entry.name == "vnb"), entries[0])
        for entry in entries:
            p50, p99 = 1e3 * np.percentile(entry.wall, (50, 99))
            cpu, ratio = 1e3 * np.median(entry.cpu), np.median(entry.cpu) / np.median(reference.cpu)
            print(f"| {name} | {entry.name} | {p50:.1f} | {p99:.1f} | {cpu:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
