"""Collect grasp episodes with known latents: varied closings of many objects, frictions, stiffnesses and poses."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_belief.observation import ObservationStep, make_observation
from vnb_belief.training.dataset import Episode, EpisodeDataset, latent_label
from vnb_benchmark.parts import Parts
from vnb_grasp.errors import ConfigError, MotionError, SimulationError
from vnb_perception.tactile_quality import TactileQuality
from vnb_planner.planners.closing import ClosingConfig
from vnb_sim_bridge.bridge import GroundTruth, SimBridge
from vnb_sim_bridge.pregrasp.approach import reach
from vnb_sim_bridge.pregrasp.generate import mutate
from vnb_sim_bridge.pregrasp.library import PreGrasp, load_pregrasps
from vnb_sim_bridge.scenario import FRICTION_FINGER, Scenario, ScenarioSpread, draw_scenario, stream
from vnb_sim_bridge.sensors.frame import SensorFrame

Array = NDArray[np.float64]

_BATCH = 10
_PROBING = 0.7
_SENSOR_FACTORS = (0.5, 4.0)
"""Range of the pose sensor's spread, relative to the usual one."""
_START_DRAWS = 4


@dataclass(frozen=True)
class CollectConfig:
    """What to collect.

    Attributes:
        objects: Objects, visited in turn.
        episodes: Episodes in total.
        steps: Decision steps per episode.
        seed: Seed of scenarios and motions.
        hand: Hand variant.
        jobs: Worker processes.
    """

    objects: tuple[str, ...]
    episodes: int = 1400
    steps: int = 60
    seed: int = 0
    hand: str = "l6_v31"
    jobs: int = 1

    def __post_init__(self) -> None:
        if not self.objects or min(self.episodes, self.steps, self.jobs) < 1:
            raise ConfigError(f"collecting needs objects, episodes, steps and jobs, got {self}")


class ExploringClosure:
    """Closes with a random speed per finger, then squeezes, eases and wiggles at random, within the torque limits.

    Most closures also probe once, as a planner may: the hand rises by millimetres while the fingers hold.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._speed = rng.uniform(0.35, 1.0) * rng.uniform(0.8, 1.2, 5)
        self._squeeze = rng.uniform(0.02, 0.25)
        self._share = rng.uniform(0.3, 1.0)
        self._delay = rng.integers(0, 8, 5) * (rng.random() < 0.3)
        self._drift = np.zeros(5)
        self._touched = np.zeros(5, dtype=bool)
        probe = ClosingConfig()
        self._lift = np.zeros(0)
        self._probe_at = -1
        if rng.random() < _PROBING:
            self._probe_at = int(rng.integers(20, 45))
            self._lift = np.repeat([probe.probe_speed, 0.0], [probe.probe_steps, probe.probe_rest])

    def lift_speed(self, step: int) -> float | None:
        """Return the hand's upward speed in a probe [m/s], None outside of one."""
        since = step - self._probe_at
        return float(self._lift[since]) if self._probe_at >= 0 and 0 <= since < len(self._lift) else None

    def command(self, step: int, contact: NDArray[np.bool_], torque_limit: Array) -> tuple[Array, Array]:
        """Return finger velocities (6,) [rad/s] and effort limits (6,) [N m]."""
        self._touched |= contact
        self._drift = 0.8 * self._drift + 0.2 * self._rng.normal(0.0, 0.35, 5)
        free = self._speed * (step >= self._delay)
        touching = self._squeeze * (1 + self._drift)
        wiggle = self._rng.normal(0.0, 0.02, 5)
        velocity = np.where(self._touched, touching, free) + wiggle
        effort = torque_limit * self._share
        effort[:2] = torque_limit[:2]
        return np.concatenate([[0.0], velocity]), effort


def draw_training_scenario(object_name: str, hand: str, seed: int) -> Scenario:
    """Draw a scenario whose effective friction is log-uniform over all regimes' range, so that none is rare.

    The pose sensor's accuracy differs from scenario to scenario, up to errors of 15 mm and 15 degrees, and is stated.
    """
    rng = stream(seed, f"training friction/{object_name}")
    effective = float(np.exp(rng.uniform(np.log(0.22), np.log(0.66))))
    usual = ScenarioSpread()
    factor = float(np.exp(rng.uniform(*np.log(_SENSOR_FACTORS))))
    spread = replace(
        usual,
        pose_bias_translation=factor * usual.pose_bias_translation,
        pose_bias_rotation=factor * usual.pose_bias_rotation,
    )
    scenario = draw_scenario(object_name, "wide", seed, hand, spread=spread)
    return replace(scenario, friction_object=effective**2 / FRICTION_FINGER)


def collect(
    config: CollectConfig,
    command: str,
    progress: Callable[[int, int], None] | None = None,
    parts_folder: Path | None = None,
) -> EpisodeDataset:
    """Run the episodes and return them; the same for any number of jobs, and in however many runs they were collected.

    A scenario whose pre-grasp is not reachable, or whose simulation diverges, is skipped, never faked.

    Args:
        config: What to collect.
        command: Kept with the data.
        progress: Told the episodes done and their total.
        parts_folder: Finished batches are kept there, and those of an earlier, stopped run are taken from there.
    """
    # Episodes of one object stay together, so that a worker builds each model once per batch.
    order = sorted(range(config.episodes), key=lambda i: (i % len(config.objects), i))
    batches = dict(enumerate(order[i : i + _BATCH] for i in range(0, len(order), _BATCH)))
    parts = None if parts_folder is None else Parts(parts_folder, _identity(config))
    finished = {} if parts is None else parts.open()
    done = sum(len(batches[number]) for number in finished)
    for number, batch in _run(config, {n: batch for n, batch in batches.items() if n not in finished}):
        finished[number] = batch
        if parts is not None:
            parts.keep(number, batch)
        done += len(batches[number])
        if progress is not None:
            progress(done, config.episodes)
    episodes = {i: episode for batch in finished.values() for i, episode in batch.items()}
    return EpisodeDataset.from_episodes([episodes[i] for i in sorted(episodes)], command)


def _identity(config: CollectConfig) -> dict[str, object]:
    """Return what decides the data: all but the number of workers."""
    return {name: value for name, value in asdict(config).items() if name != "jobs"}


def _run(config: CollectConfig, batches: Mapping[int, list[int]]) -> Iterator[tuple[int, dict[int, Episode]]]:
    if config.jobs == 1:
        yield from ((number, collect_batch(config, batch)) for number, batch in batches.items())
        return
    # Forking a process that has threads (torch, OpenGL) is unsafe; spawned workers start clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.jobs, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = {pool.submit(collect_batch, config, batch): number for number, batch in batches.items()}
        try:
            yield from ((waiting[future], future.result()) for future in as_completed(waiting))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def collect_batch(config: CollectConfig, indices: list[int]) -> dict[int, Episode]:
    """Run the episodes of the given indices; those that cannot be run are absent from the result."""
    episodes: dict[int, Episode] = {}
    bridges: dict[str, SimBridge] = {}
    for i in indices:
        name = config.objects[i % len(config.objects)]
        scenario = draw_training_scenario(name, config.hand, 1_000_000 * (config.seed + 1) + i)
        bridge = bridges.get(name) or bridges.setdefault(name, SimBridge(scenario))
        try:
            episodes[i] = collect_episode(bridge, scenario, config.steps)
        except (MotionError, SimulationError):
            continue
    return episodes


def collect_episode(bridge: SimBridge, scenario: Scenario, steps: int) -> Episode:
    """Run one exploring closure from a neighbour of a random pre-grasp of the object's library.

    Raises:
        MotionError: If no neighbour can be reached.
    """
    bridge.reset(scenario)
    rng = stream(scenario.seed, "exploring closure")
    pregrasp, arm_q = _varied_start(bridge, rng)
    bridge.world.teleport_arm(arm_q)
    bridge.world.teleport_hand(pregrasp.preshape())
    bridge.settle(0.1)
    quality = TactileQuality(bridge.world.hand)
    closure = ExploringClosure(rng)
    frame = bridge.begin_grasp()
    actions: list[Array] = []
    readings = [_reading(bridge, quality, frame)]
    for n in range(steps):
        velocity, effort = closure.command(n, readings[-1][2], bridge.world.torque_limit)
        lift = closure.lift_speed(n)
        velocity = velocity if lift is None else np.zeros(6)
        frame = bridge.decide(n, velocity, effort, lift or 0.0)
        actions.append(velocity)
        readings.append(_reading(bridge, quality, frame))
    labels = [_label(scenario, observation, truth, frame) for observation, truth, _, frame in readings]
    return Episode(
        actions=np.stack(actions).astype(np.float32),
        observations=np.stack([r[0].vector.numpy() for r in readings]).astype(np.float32),
        theta=np.stack([theta for theta, _ in labels]).astype(np.float32),
        valid=np.stack([valid for _, valid in labels]),
        object_name=scenario.object_name,
        regime=scenario.regime,
    )


def _varied_start(bridge: SimBridge, rng: np.random.Generator) -> tuple[PreGrasp, Array]:
    """Return a reachable neighbour of a random pre-grasp, and the arm's angles there.

    A handful of exact pre-grasps per object would let the belief learn them by heart; neighbours, a few millimetres and
    degrees away, make it learn what fingers, forces and motion say.
    """
    library = load_pregrasps(bridge.world.object.name, bridge.world.hand.name)
    estimate = bridge.sensors.read(0).T_world_object
    for _ in range(_START_DRAWS):
        pregrasp = mutate(rng, library[int(rng.integers(len(library)))])
        try:
            return pregrasp, reach(bridge.kinematics, pregrasp, estimate)
        except MotionError:
            continue
    raise MotionError(f"no neighbour of {_START_DRAWS} pre-grasps of {bridge.world.object.name} can be reached")


def _reading(
    bridge: SimBridge, quality: TactileQuality, frame: SensorFrame
) -> tuple[ObservationStep, GroundTruth, NDArray[np.bool_], SensorFrame]:
    q = torch.from_numpy(frame.hand_q)
    force, contact = quality.forces(torch.from_numpy(frame.tactile))
    observation = make_observation(
        T_world_hand=torch.from_numpy(frame.T_world_hand),
        T_world_object=torch.from_numpy(frame.T_world_object),
        pose_covariance=torch.from_numpy(frame.pose_covariance),
        force=force,
        contact=contact,
        joint_position=q,
        joint_velocity=torch.from_numpy(frame.hand_qd),
        occlusion=frame.occlusion,
        segmentation=frame.segmentation,
    )
    return observation, bridge.ground_truth(quality=False), contact.numpy(), frame


def _label(
    scenario: Scenario, observation: ObservationStep, truth: GroundTruth, frame: SensorFrame
) -> tuple[Array, NDArray[np.bool_]]:
    T_hand_object = torch.from_numpy(np.linalg.inv(frame.T_world_hand) @ truth.T_world_object)
    theta, valid = latent_label(
        T_hand_object_estimate=observation.T_hand_object,
        T_hand_object_true=T_hand_object,
        mu=truth.friction_effective,
        kappa=scenario.stiffness,
        damping=scenario.damping,
        slip=torch.from_numpy(truth.slip_speed),
        touching=torch.from_numpy(truth.touching),
    )
    return theta.numpy(), valid.numpy()
