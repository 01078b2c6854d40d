"""What the hand could sense tells of friction, beyond the belief's 41 numbers: motor torques, centres of pressure.

Usage, with the packages on PYTHONPATH: ``python benchmarks/friction_evidence.py [--episodes 800] [--ease]``

Exploring closures, as for training the belief, are run and everything is kept that the hand offers. The same small
recurrent network then predicts log friction from growing sets of readings; it stops by one sixth of the grasps of the
seen objects and is judged on those and on two unseen objects. Printed: mean negative log-likelihood [nats] over the
second half of the grasps, beside that of a constant Gaussian. With ``--ease`` every grasp is lifted by millimetres at
step 28 and its torques are then let off until it slips or nothing holds it: the most that a probe could risk.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vnb_belief import layout
from vnb_benchmark import collect as collecting
from vnb_grasp.description import HandDescription, known_objects
from vnb_grasp.errors import MotionError, SimulationError
from vnb_perception.tactile_quality import TactileQuality
from vnb_planner.planners.closing import ClosingConfig
from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.scenario import stream
from vnb_sim_bridge.sensors.frame import SensorFrame

Array = NDArray[np.float64]

UNSEEN = ("tomato_soup_can", "box")
FIRST_SEED = 50_000_000
STEPS = 60
PROBE_AT = 28
EASE_PER_STEP = 0.82
EPOCHS = 40
_TORQUE = layout.OBSERVATION_DIM + np.arange(6)
_PRESSURE = layout.OBSERVATION_DIM + 6 + np.arange(10)
_MOTION = layout.OBSERVATION_DIM + 16 + np.arange(7)
SETS = {
    "41 numbers": np.arange(layout.OBSERVATION_DIM),
    "and motor torques": np.r_[np.arange(layout.OBSERVATION_DIM), _TORQUE],
    "and centres of pressure": np.r_[np.arange(layout.OBSERVATION_DIM), _TORQUE, _PRESSURE],
}


@dataclass(frozen=True)
class Grasp:
    """One closure: the object, its effective friction, and the readings ``(steps, 64)``."""

    object_name: str
    friction: float
    readings: Array


def centres_of_pressure(hand: HandDescription, tactile: NDArray[np.uint8]) -> Array:
    """Return each pad's centre of pressure (10,) [m], zero where nothing presses."""
    centres = np.zeros((5, 2))
    for finger, pad in enumerate(hand.pads):
        load = tactile[finger].astype(np.float64)
        if load.sum() > 0:
            rows = (np.arange(pad.rows) - (pad.rows - 1) / 2) * pad.row_pitch
            columns = (np.arange(pad.columns) - (pad.columns - 1) / 2) * pad.column_pitch
            centres[finger] = load.sum(1) @ rows / load.sum(), load.sum(0) @ columns / load.sum()
    return centres.ravel()


def close(bridge: SimBridge, name: str, index: int, ease: bool) -> Grasp:
    """Run one exploring closure; raises MotionError or SimulationError where it cannot be run."""
    scenario = collecting.draw_training_scenario(name, "l6_v31", FIRST_SEED + index)
    bridge.reset(scenario)
    world, rng = bridge.world, stream(scenario.seed, "exploring closure")
    pregrasp, arm_q = collecting._varied_start(bridge, rng)
    world.teleport_arm(arm_q)
    world.teleport_hand(pregrasp.preshape())
    bridge.settle(0.1)
    quality, closure, probe = TactileQuality(world.hand), collecting.ExploringClosure(rng), ClosingConfig()
    frame: SensorFrame = bridge.begin_grasp()
    held = np.zeros(6)
    rows = []
    for n in range(STEPS):
        contact = collecting._reading(bridge, quality, frame)[2]
        velocity, effort = closure.command(n, contact, world.torque_limit)
        lift = closure.lift_speed(n)
        if ease:
            since = n - PROBE_AT
            lift = None if since < 0 else probe.probe_speed * (since < probe.probe_steps)
            if since == probe.probe_length:
                held = np.abs(world.data.actuator_force[world.hand_act])
            if since >= probe.probe_length:
                effort = np.maximum(held * EASE_PER_STEP ** (since - probe.probe_length + 1), 1e-3)
        velocity = velocity if lift is None else np.zeros(6)
        frame = bridge.decide(n, velocity, effort, lift or 0.0)
        observation = collecting._reading(bridge, quality, frame)[0]
        torque = world.data.actuator_force[world.hand_act]
        pressure = centres_of_pressure(world.hand, frame.tactile)
        rows.append(np.concatenate([observation.vector.numpy(), torque, pressure, velocity, [lift or 0.0]]))
    return Grasp(name, scenario.friction_effective, np.stack(rows))


def gather(episodes: int, ease: bool) -> list[Grasp]:
    """Run the closures, object by object; those that cannot be run are left out."""
    grasps = []
    for k, name in enumerate(known_objects()):
        bridge = SimBridge(collecting.draw_training_scenario(name, "l6_v31", FIRST_SEED))
        for index in range(k, episodes, len(known_objects())):
            try:
                grasps.append(close(bridge, name, index, ease))
            except (MotionError, SimulationError):
                continue
        print(f"{name}: {sum(g.object_name == name for g in grasps)} grasps", flush=True)
    return grasps


class Reader(nn.Module):
    """Reads a grasp step by step and states mean and log standard deviation of log friction at each."""

    def __init__(self, size: int, hidden: int = 48) -> None:
        super().__init__()
        self.inlet = nn.Linear(size, hidden)
        self.memory = nn.GRU(hidden, hidden, batch_first=True)
        self.outlet = nn.Sequential(nn.Dropout(0.3), nn.Linear(hidden, 2))

    def nll(self, readings: Tensor, log_mu: Tensor) -> Tensor:
        """Return the negative log-likelihood (N, steps) [nats] of the truth (N,)."""
        mean, log_std = self.outlet(self.memory(torch.tanh(self.inlet(readings)))[0]).unbind(-1)
        spread = torch.distributions.Normal(mean, log_std.clamp(-4.0, 1.0).exp())
        value: Tensor = -spread.log_prob(log_mu[:, None])  # type: ignore[no-untyped-call]
        return value


def judge(readings: Array, log_mu: Array, train: Array, stop: Array, unseen: Array) -> tuple[float, float]:
    """Return the negative log-likelihood over the second half on the grasps that stop it and on unseen objects."""
    torch.manual_seed(0)
    centre, spread = readings[train].mean((0, 1)), readings[train].std((0, 1)) + 1e-6
    x, y = torch.from_numpy(np.arcsinh((readings - centre) / spread)).float(), torch.from_numpy(log_mu).float()
    model = Reader(x.shape[-1])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-3)
    best = (np.inf, np.inf)
    for _ in range(EPOCHS):
        model.train()
        for batch in torch.from_numpy(train)[torch.randperm(len(train))].split(48):
            value = model.nll(x[batch] + 0.2 * torch.randn_like(x[batch]), y[batch])[:, STEPS // 10 :].mean()
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            found = [float(model.nll(x[index], y[index])[:, STEPS // 2 :].mean()) for index in (stop, unseen)]
        best = min(best, (found[0], found[1]))
    return best


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=800)
    parser.add_argument("--ease", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    grasps = gather(given.episodes, given.ease)
    readings, log_mu = np.stack([g.readings for g in grasps]), np.log([g.friction for g in grasps])
    is_unseen = np.isin([g.object_name for g in grasps], UNSEEN)
    seen, unseen = np.random.default_rng(0).permutation(np.flatnonzero(~is_unseen)), np.flatnonzero(is_unseen)
    stop, train = seen[: len(seen) // 6], seen[len(seen) // 6 :]
    mean, std = log_mu[train].mean(), log_mu[train].std()
    constant = [np.mean(0.5 * ((log_mu[i] - mean) / std) ** 2) + np.log(std) + 0.919 for i in (stop, unseen)]
    print(f"{len(train)} grasps to learn from\n{'readings':<26}{'seen':>8}{'unseen':>8}")
    print(f"{'constant':<26}{constant[0]:>8.3f}{constant[1]:>8.3f}")
    for name, columns in SETS.items():
        columns = np.r_[columns, _MOTION]
        values = judge(readings[:, :, columns], log_mu, train, stop, unseen)
        print(f"{name:<26}{values[0]:>8.3f}{values[1]:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
