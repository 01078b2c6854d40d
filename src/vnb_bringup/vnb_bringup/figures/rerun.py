"""A finished trial run again, to see its true contacts before, during and after the sideways pulses.

``result.json`` ends with the last decision; what touches where under the pulses is not in it. A trial is reproducible,
so it is run again without middleware, and watched. What comes out is compared with what was recorded: a figure is
never drawn of another trial than the one that it is named after.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vnb_bringup.report.from_episode import checkpoint_hash, versions
from vnb_bringup.report.json_report import result_json
from vnb_bringup.report.local import TrialSettings, run_local_trial
from vnb_grasp.contacts.grasp_map import edge_wrenches
from vnb_grasp.errors import ConfigError
from vnb_grasp.quality.ferrari_canny import epsilon_hull
from vnb_planner.attempts import AttemptRule
from vnb_sim_bridge.bridge import TORQUE_LENGTH
from vnb_sim_bridge.conditions import Conditions
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.stress.battery import NOMINAL_REST, PULSE_DURATION, PULSE_FORCES
from vnb_sim_bridge.stress.measure import Recorder
from vnb_sim_bridge.world.parameters import WorldParameters
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

PRESSING = 0.02
"""Contacts that press less are none, as in the recorded grasp quality [N]."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The true contacts at one moment.

    Attributes:
        force: Of the pulse that has just ended [N]; 0 before the first one.
        wrenches: Cone-edge wrenches (M, 6) with unit normal force: force [N], then torque over the stated length [N],
            world axes, about the object's centre of mass.
        epsilon: Their exact Ferrari-Canny epsilon.
        contacts: Number of contacts.
    """

    force: float
    wrenches: Array
    epsilon: float
    contacts: int


@dataclass(frozen=True, eq=False)
class Holding:
    """What was held after the lift.

    Attributes:
        before: After the lift, before the first pulse.
        pulses: After the rest that follows each pulse; empty if the object was not lifted.
    """

    before: Moment
    pulses: tuple[Moment, ...]


def moment(world: World, force: float = 0.0) -> Moment:
    """Return the true contacts of a world now."""
    pressing = [contact for contact in world.contacts() if contact.normal_force > PRESSING]
    if not pressing:
        return Moment(force, np.zeros((0, 6)), 0.0, 0)
    points = torch.tensor(np.stack([contact.position for contact in pressing]))
    normals = torch.tensor(np.stack([contact.normal for contact in pressing]))
    centre = torch.tensor(world.data.xipos[world.object_body].copy())
    wrenches = edge_wrenches(points, normals, world.friction, centre, TORQUE_LENGTH).reshape(-1, 6).numpy()
    return Moment(force, wrenches, epsilon_hull(wrenches) if len(pressing) > 1 else 0.0, len(pressing))


class LiftedWatcher:
    """An observer that keeps the lifted state. The pulses are run from it when the trial is over: nothing of the trial
    itself is touched, to the bit.
    """

    def __init__(self) -> None:
        self._world: World | None = None

    def snap(self, world: World, name: str) -> None:
        """See :class:`vnb_sim_bridge.render.observed.Observer`."""
        if name == "lifted":
            self._world, self._state, self._before = world, world.save(), moment(world)

    def frame(self, world: World) -> None:
        """See :class:`vnb_sim_bridge.render.observed.Observer`."""

    def holding(self, pulses: bool, scale: float = 1.0) -> Holding:
        """Return what is held, before and after the pulses of the nominal test.

        Args:
            pulses: Whether to push; not where nothing was lifted.
            scale: Factor on the forces.
        """
        assert self._world is not None, "the trial has had no lift"
        world, found = self._world, []
        if pulses:
            world.restore(self._state)
            recorder = Recorder(world, world.object_pose())
            for force in (scale * force for force in PULSE_FORCES):
                for sign in (1.0, -1.0):
                    recorder.run(PULSE_DURATION, np.array([0.0, sign * force, 0.0, 0.0, 0.0, 0.0]))
                    recorder.run(NOMINAL_REST)
                    found.append(moment(world, force))
        return Holding(self._before, tuple(found))


def hold_again(document: dict[str, Any], where: Path, checkpoint: Path | None = None) -> Holding:
    """Run a trial again and return what it held.

    Args:
        document: Content of its ``result.json``.
        where: Where that came from, for messages.
        checkpoint: Checkpoint of its belief; None is the shipped one.

    Raises:
        ConfigError: If the trial ended by an error or ran on devices, its checkpoint is another one, or it does not
            come out the same.
    """
    if document["verdict"] is None:
        raise ConfigError(f"{where}: the trial ended before its verdict, so nothing was pushed; run it again")
    if "robot" in document["versions"]:
        raise ConfigError(
            f"{where}: the trial ran on {document['versions']['robot']}, whose trials are never quite the same; "
            "run ./vnb trial without --hardware for a figure of its contacts"
        )
    mine = checkpoint_hash(document["belief"], checkpoint)
    if mine != document["checkpoint"]:
        raise ConfigError(
            f"{where}: got a belief of checkpoint {mine[:12] or 'none'}, expected {document['checkpoint'][:12]}, which "
            "the trial ran with; give that file with --checkpoint, or run the trial again"
        )
    settings, watcher = settings_of(document, checkpoint), LiftedWatcher()
    record = run_local_trial(_scenario(document["scenario"]), settings, observers=(watcher,))
    _require_same(document, json.loads(result_json(record)), where)
    return watcher.holding(bool(document["verdict"]["lifted"]), settings.conditions.disturbance_scale)


def settings_of(document: dict[str, Any], checkpoint: Path | None = None) -> TrialSettings:
    """Return the settings that a ``result.json`` tells, without the battery: no decision depends on it."""
    return TrialSettings(
        document["method"],
        document["belief"],
        document["beta"],
        checkpoint,
        battery=False,
        rule=AttemptRule(**document.get("rule", {})),  # builds before this one did not record it
        conditions=_conditions(document["conditions"]),
    )


def _scenario(drawn: dict[str, Any]) -> Scenario:
    values = {item.name: drawn[item.name] for item in fields(Scenario)}
    return Scenario(**{**values, "pose_bias": tuple(values["pose_bias"])})


def _conditions(given: dict[str, Any]) -> Conditions:
    return Conditions(**{**given, "parameters": WorldParameters(**given["parameters"])})


def _require_same(recorded: dict[str, Any], again: dict[str, Any], where: Path) -> None:
    verdict = ("lifted", "lift_height", "nominal", "peak_slip")
    same = recorded["steps"] == again["steps"] and all(
        recorded["verdict"][name] == again["verdict"][name] for name in verdict
    )
    if same:
        return
    mine = versions()
    other = [
        f"{name} {was}, here {mine.get(name)}" for name, was in recorded["versions"].items() if was != mine.get(name)
    ]
    if other:
        why = f"it was recorded with {'; '.join(other)}"
    elif "rule" not in recorded:
        why = "it does not tell its --delta and --attempts, as builds before this one did not record them"
    else:
        why = "the code is another one"
    raise ConfigError(
        f"{where}: the trial came out differently when it was run again to see its contacts under the pulses ({why}); "
        "run ./vnb trial again, and draw the figures with the same code"
    )
