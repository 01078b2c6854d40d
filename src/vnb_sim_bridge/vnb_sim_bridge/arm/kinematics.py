"""Inverse kinematics of the arm (mink) and collision checks, on a scratch copy of the world's state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.errors import MotionError
from vnb_sim_bridge.world.world import World

Array = NDArray[np.float64]

_POSITION_TOLERANCE = 2e-4
_ROTATION_TOLERANCE = 2e-3


class ArmKinematics:
    """Solves for arm joint angles that put the hand's base at a pose, and says whether a configuration is free.

    Args:
        world: Its model is shared; its state is read when a check starts, never written.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.model = world.model
        self._data = mujoco.MjData(self.model)
        self._configuration = mink.Configuration(self.model)
        self._task = mink.FrameTask(world.hand.base, "body", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-3)
        self._limits = [mink.ConfigurationLimit(self.model)]
        joints = world.arm.joints
        self.lower = np.array([j.lower for j in joints]) + 0.02
        self.upper = np.array([j.upper for j in joints]) - 0.02
        self._robot_geoms = self._geoms(lambda body: body not in (0, world.object_body))
        self._arm_geoms = {name: self._geoms_of(name) for name in [link.name for link in world.arm.links]}

    def _geoms(self, keep: object) -> list[int]:
        return [i for i in range(self.model.ngeom) if keep(int(self.model.geom_bodyid[i]))]  # type: ignore[operator]

    def _geoms_of(self, body: str) -> list[int]:
        number = self.model.body(body).id
        return [i for i in range(self.model.ngeom) if self.model.geom_bodyid[i] == number]

    def solve(self, target: Array, seed: Array, iterations: int = 120) -> Array | None:
        """Return arm angles (6,) that put ``T_world_hand`` at ``target`` (4, 4), from ``seed``; None if not found."""
        world = self.world
        q = world.data.qpos.copy()
        q[world.arm_qpos] = np.clip(seed, self.lower, self.upper)
        self._configuration.update(q)
        self._task.set_target(mink.SE3.from_matrix(target))
        for _ in range(iterations):
            error = self._task.compute_error(self._configuration)
            if np.linalg.norm(error[:3]) < _POSITION_TOLERANCE and np.linalg.norm(error[3:]) < _ROTATION_TOLERANCE:
                return self._configuration.q[world.arm_qpos].copy()
            velocity = mink.solve_ik(self._configuration, [self._task], 1.0, "daqp", damping=1e-6, limits=self._limits)
            arm = q[world.arm_qpos] + np.clip(velocity[world.arm_dof], -0.4, 0.4)
            q[world.arm_qpos] = np.clip(arm, self.lower, self.upper)
            self._configuration.update(q)
        return None

    def hand_pose(self, arm_q: Array) -> Array:
        """Return ``T_world_hand`` (4, 4) at arm angles ``arm_q`` (6,) [rad]."""
        world, data = self.world, self._data
        data.qpos[:] = world.data.qpos
        data.qpos[world.arm_qpos] = arm_q
        mujoco.mj_kinematics(self.model, data)
        pose = np.eye(4)
        pose[:3, :3] = data.xmat[world.hand_body].reshape(3, 3)
        pose[:3, 3] = data.xpos[world.hand_body]
        return pose

    def solve_free(self, target: Array, seeds: Iterable[Array], hand_q: Array, clearance: float = 0.0) -> Array:
        """Return the solution nearest to the first seed whose configuration is free of collisions.

        Raises:
            MotionError: If no seed leads to a reachable and free configuration; says which of the two failed.
        """
        seeds = [np.asarray(seed, dtype=float) for seed in seeds]
        found, reasons = [], set()
        for seed in seeds:
            q = self.solve(target, seed)
            if q is None:
                reasons.add("not reachable within the joint limits")
                continue
            hit = self.collision(q, hand_q, clearance)
            if hit is not None:
                reasons.add(f"collision of {hit[0]} with {hit[1]}")
                continue
            found.append(q)
        if not found:
            raise MotionError(
                f"no arm configuration for hand position {np.round(target[:3, 3], 4).tolist()} m: "
                f"{'; '.join(sorted(reasons))}; choose another pre-grasp or move the object"
            )
        return min(found, key=lambda q: float(np.abs(q - seeds[0]).sum()))

    def collision(
        self, arm_q: Array, hand_q: Array, clearance: float = 0.0, check_object: bool = True
    ) -> tuple[str, str] | None:
        """Return the first pair of bodies nearer than ``clearance`` [m], or None.

        Checks robot against table, robot against object, and arm links against each other and the hand.
        """
        world, model, data = self.world, self.model, self._data
        data.qpos[:] = world.data.qpos
        data.qpos[world.arm_qpos] = arm_q
        data.qpos[world.hand_qpos] = hand_q
        mujoco.mj_kinematics(model, data)
        static = set(self._arm_geoms[world.arm.links[0].name] + self._arm_geoms[world.arm.links[1].name])
        for geom in self._robot_geoms:
            if geom in static:
                continue
            if mujoco.mj_geomDistance(model, data, geom, world.table_geom, 1.0, None) < clearance:
                return self._body_of(geom), "table"
            if not check_object:
                continue
            for other in world.object_geoms:
                if mujoco.mj_geomDistance(model, data, geom, other, 1.0, None) < clearance:
                    return self._body_of(geom), "object"
        return self._self_collision(data)

    def _self_collision(self, data: mujoco.MjData) -> tuple[str, str] | None:
        links = [link.name for link in self.world.arm.links]
        hand = self._geoms_of(self.world.hand.base)
        pairs = [(links[i], self._arm_geoms[links[j]]) for i in range(len(links)) for j in range(i + 3, len(links))]
        pairs += [(name, hand) for name in links[:4]]
        for name, others in pairs:
            for a in self._arm_geoms[name]:
                for b in others:
                    if mujoco.mj_geomDistance(self.model, data, a, b, 1.0, None) < 0.0:
                        return name, self._body_of(b)
        return None

    def _body_of(self, geom: int) -> str:
        return str(self.model.body(int(self.model.geom_bodyid[geom])).name)

    def seeds(self, extra: Sequence[Array] = ()) -> list[Array]:
        """Return a fixed set of start configurations that covers the arm's elbow and wrist branches."""
        arm = self.world.arm
        ready, home = np.array(arm.ready), np.array(arm.home)
        flips = [
            ready * np.array([1, 1, 1, 1, s5, 1]) + np.array([0, 0, 0, 0, 0, s6])
            for s5 in (1, -1)
            for s6 in (0.0, -2.0, -3.5)
        ]
        elbow_up = [np.array([-1.6, -1.1, -1.9, -0.2, s5, s6]) for s5 in (-1.2, 1.2) for s6 in (-1.5, 0.5, 2.0)]
        return [*extra, *flips, home, *elbow_up]
