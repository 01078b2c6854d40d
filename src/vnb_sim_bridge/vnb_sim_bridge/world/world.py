"""The running world: reset to a scenario, step, read, save and restore."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from vnb_grasp.description import (
    FINGERS,
    ArmDescription,
    HandDescription,
    ObjectDescription,
    load_arm,
    load_hand,
    load_object,
)
from vnb_grasp.errors import SimulationError, UnknownNameError
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.model import TABLE_HEIGHT, build_spec
from vnb_sim_bridge.world.parameters import WorldParameters

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WorldState:
    """A saved state: everything that the future depends on."""

    physics: Array
    hand_target: Array
    effort_limit: Array
    friction: float
    wrench: Array


@dataclass(frozen=True)
class FingerContact:
    """One contact of the hand with the object.

    Attributes:
        finger: Index into ``FINGERS``, or -1 for the palm.
        position: World [m].
        normal: World, unit, from the hand into the object.
        normal_force: [N], non-negative.
        tangential_force: World vector [N], force on the object.
        slip_speed: Tangential speed of the finger on the object [m/s].
        friction: Sliding friction that the engine uses.
        on_pad: True if the finger's distal link touches.
    """

    finger: int
    position: Array
    normal: Array
    normal_force: float
    tangential_force: Array
    slip_speed: float
    friction: float
    on_pad: bool


class World:
    """Arm, hand, table and one object in MuJoCo, deterministic for a given scenario and command sequence."""

    def __init__(self, scenario: Scenario, parameters: WorldParameters | None = None) -> None:
        parameters = parameters or WorldParameters()
        self.parameters = replace(parameters, torque_scale=parameters.torque_scale * scenario.torque_scale)
        self.hand: HandDescription = load_hand(scenario.hand)
        self.arm: ArmDescription = load_arm("fr3")
        self.object: ObjectDescription = load_object(scenario.object_name)
        self.model: mujoco.MjModel = build_spec(self.hand, self.arm, self.object, self.parameters).compile()
        self.data = mujoco.MjData(self.model)
        self._index()
        self._nominal_mass = float(self.model.body_mass[self.object_body])
        self._nominal_inertia = self.model.body_inertia[self.object_body].copy()
        self.reset(scenario)

    # --- set-up -------------------------------------------------------------------------------------------------

    def _index(self) -> None:
        model = self.model
        joint = {name: model.joint(name) for name in (*self.arm.joint_names, *self.hand.joint_names)}
        self.arm_qpos = np.array([joint[n].qposadr[0] for n in self.arm.joint_names])
        self.arm_dof = np.array([joint[n].dofadr[0] for n in self.arm.joint_names])
        self.hand_qpos = np.array([joint[n].qposadr[0] for n in self.hand.joint_names])
        self.hand_dof = np.array([joint[n].dofadr[0] for n in self.hand.joint_names])
        self.object_qpos = model.joint("object").qposadr[0] + np.arange(7)
        self.object_dof = model.joint("object").dofadr[0] + np.arange(6)
        self.object_body = model.body("object").id
        self.hand_body = model.body(self.hand.base).id
        self.arm_act = np.array([model.actuator(n).id for n in self.arm.joint_names])
        self.hand_act = np.array([model.actuator(j.name).id for j in self.hand.actuated])
        self.torque_limit = np.array([j.torque_limit for j in self.hand.actuated]) * self.parameters.torque_scale
        self.joint_lower = np.array([j.lower for j in self.hand.actuated])
        self.joint_upper = np.array([j.upper for j in self.hand.actuated])
        self.speed_limit = np.array([j.speed_limit for j in self.hand.actuated])
        self.object_geoms = {i for i in range(model.ngeom) if model.geom_bodyid[i] == self.object_body}
        self.geom_finger = {}
        self.geom_distal = set()
        for link in self.hand.links:
            finger = FINGERS.index(link.name.split("_")[0]) if link.name != self.hand.base else -1
            for k in range(len(link.geoms)):
                geom = model.geom(f"{link.name}:{k}").id
                self.geom_finger[geom] = finger
                if link.name.endswith("distal"):
                    self.geom_distal.add(geom)
        self._finger_of_geom = np.full(model.ngeom, -1)
        for geom, finger in self.geom_finger.items():
            self._finger_of_geom[geom] = finger
        self._is_object_geom = np.isin(np.arange(model.ngeom), list(self.object_geoms))
        names = [model.pair(i).name for i in range(model.npair)]
        self.hand_pairs = np.array([i for i, n in enumerate(names) if n.startswith("hand:")])
        self.table_pairs = np.array([i for i, n in enumerate(names) if n.startswith("table:")])
        self.pad_site = [model.site(f"pad:{f}").id for f in FINGERS]
        self.table_geom = model.geom("table").id

    def reset(self, scenario: Scenario) -> None:
        """Put the world into the scenario's first state: arm at home, hand open, object at rest on the table."""
        if scenario.object_name != self.object.name or scenario.hand != self.hand.name:
            raise SimulationError(
                f"this world holds {self.hand.name} and {self.object.name}, the scenario asks for {scenario.hand} and "
                f"{scenario.object_name}; make a new World"
            )
        self.scenario = scenario
        mujoco.mj_resetData(self.model, self.data)
        self.model.body_mass[self.object_body] = self._nominal_mass * scenario.mass_scale
        self.model.body_inertia[self.object_body] = self._nominal_inertia * scenario.mass_scale
        mujoco.mj_setConst(self.model, mujoco.MjData(self.model))
        mujoco.mj_resetData(self.model, self.data)
        self._push: tuple[int, int] | None = None
        self._set_contact_law(scenario)
        self.effort_limit = self.torque_limit.copy()
        self.hand_target = np.zeros(6)
        self.set_object_pose(
            np.array([scenario.object_x, scenario.object_y, TABLE_HEIGHT + self.object.half_height]),
            np.array([np.cos(scenario.object_yaw / 2), 0.0, 0.0, np.sin(scenario.object_yaw / 2)]),
        )
        self.teleport_arm(np.array(self.arm.home))
        self.teleport_hand(np.zeros(6))

    def _set_contact_law(self, scenario: Scenario) -> None:
        """Give every hand-object pair the scenario's stiffness and damping [N/m, N s/m].

        MuJoCo's direct ``solref`` is mass-normalised. At rest a contact of depth r carries f = -solref0 r / ((1-d) A)
        with d the impedance and A the sum of the two bodies' inverse weights, so solref0 = -stiffness (1-d) A.
        """
        d = self.parameters.contact_impedance
        for i in self.hand_pairs:
            bodies = [
                self.model.geom_bodyid[self.model.pair_geom1[i]],
                self.model.geom_bodyid[self.model.pair_geom2[i]],
            ]
            inverse_weight = float(self.model.body_invweight0[bodies, 0].sum())
            self.model.pair_solref[i] = [
                -scenario.stiffness * (1 - d) * inverse_weight,
                -scenario.damping * (1 - d) * inverse_weight,
            ]
        self.set_friction(scenario.friction_effective)
        table = float(np.sqrt(self.parameters.friction_table * scenario.friction_object))
        self.model.pair_friction[self.table_pairs] = self._pair_friction(table)

    def set_friction(self, friction: float) -> None:
        """Set the sliding friction of every hand-object contact from now on."""
        self.friction = float(friction)
        self.model.pair_friction[self.hand_pairs] = self._pair_friction(self.friction)

    def _pair_friction(self, sliding: float) -> Array:
        torsion = max(self.parameters.torsional_ratio * sliding, 1e-6)
        return np.array([sliding, sliding, torsion, 1e-5, 1e-5])

    # --- commands -----------------------------------------------------------------------------------------------

    def teleport_arm(self, q: Array) -> None:
        """Place the arm at joint angles ``q`` (6,) [rad] at rest, servo targets included."""
        self.data.qpos[self.arm_qpos] = q
        self.data.qvel[self.arm_dof] = 0.0
        self.data.ctrl[self.arm_act] = q
        mujoco.mj_forward(self.model, self.data)

    def teleport_hand(self, q: Array) -> None:
        """Place the six actuated finger joints (and their passive ones) at ``q`` [rad] at rest."""
        self.hand_target = np.clip(q, self.joint_lower, self.joint_upper)
        self.data.qpos[self.hand_qpos] = self.expand_hand(self.hand_target)
        self.data.qvel[self.hand_dof] = 0.0
        self._apply_hand_target()
        mujoco.mj_forward(self.model, self.data)

    def set_object_pose(self, position: Array, quaternion: Array, twist: Array | None = None) -> None:
        """Place the object: position [m], quaternion (w, x, y, z), velocity (6,) [m/s, rad/s], world axes."""
        self.data.qpos[self.object_qpos] = np.concatenate([position, quaternion])
        self.data.qvel[self.object_dof] = 0.0 if twist is None else twist
        mujoco.mj_kinematics(self.model, self.data)
        # A free joint's angular velocity is in the axes of its body.
        self.data.qvel[self.object_dof[3:]] = self.object_pose()[:3, :3].T @ self.data.qvel[self.object_dof[3:]]
        mujoco.mj_forward(self.model, self.data)

    def set_arm_target(self, q: Array) -> None:
        """Set the arm servos' targets (6,) [rad]."""
        self.data.ctrl[self.arm_act] = q

    def drive_hand(self, velocity: Array, effort_limit: Array | None, duration: float) -> None:
        """Integrate finger velocities (6,) [rad/s] over ``duration`` [s] into the servo targets.

        The velocity is clipped to the joints' speed limits, the target to the joint limits and to the overdrive at
        which the servo's torque reaches the effort limit: further winding up would only delay opening.
        """
        if effort_limit is not None:
            self.effort_limit = np.clip(effort_limit, 0.0, self.torque_limit)
        velocity = np.clip(velocity, -self.speed_limit, self.speed_limit)
        q = self.data.qpos[self.hand_qpos[:6]]
        overdrive = self.effort_limit / self.hand.servo.kp + 0.02
        target = self.hand_target + duration * velocity
        target = np.clip(target, q - overdrive, q + overdrive)
        # Closing against a stop of the joint itself is limited by the joint, not by its range.
        self.hand_target = np.clip(target, self.joint_lower, self.joint_upper + overdrive)
        self._apply_hand_target()

    def hold_hand(self) -> None:
        """Hold the fingers where they are with the torque that they have, at the servos' full effort.

        A servo that presses with all the effort it is allowed is a constant torque without stiffness: whatever moves
        the object moves the finger, and a ball rolls out. Holding moves the target to where the same torque is the
        servo's answer to a position error, so that the finger resists both ways.
        """
        q = self.data.qpos[self.hand_qpos[:6]]
        self.hand_target = q + self.data.actuator_force[self.hand_act] / self.hand.servo.kp
        self.effort_limit = self.torque_limit.copy()
        self._apply_hand_target()

    def _apply_hand_target(self) -> None:
        self.data.ctrl[self.hand_act] = self.hand_target
        self.model.actuator_forcerange[self.hand_act, 0] = -self.effort_limit
        self.model.actuator_forcerange[self.hand_act, 1] = self.effort_limit

    def apply_object_wrench(self, wrench: Array) -> None:
        """Apply force [N] and torque [N m] (6,), world axes, at the object's centre of mass until changed."""
        self.data.xfrc_applied[self.object_body] = wrench

    def push(self, body: str, wrench: Array, duration: float) -> None:
        """Push ``body`` at its centre of mass with force [N] and torque [N m] (6,), world axes, for ``duration`` [s].

        A new push ends the last one.

        Raises:
            UnknownNameError: If there is no such body; lists the known ones.
        """
        names = [self.model.body(i).name for i in range(1, self.model.nbody)]
        if body not in names:
            raise UnknownNameError("body", body, names)
        self._end_push()
        number = self.model.body(body).id
        self.data.xfrc_applied[number] = wrench
        self._push = (number, max(round(duration / self.parameters.timestep), 1))

    def _end_push(self) -> None:
        if self._push is not None:
            self.data.xfrc_applied[self._push[0]] = 0.0
            self._push = None

    def step(self, n: int = 1) -> None:
        """Advance by ``n`` simulation steps; raises :class:`SimulationError` if the state diverged."""
        if self._push is not None:
            body, left = self._push
            pushed = min(n, left)
            mujoco.mj_step(self.model, self.data, pushed)
            n -= pushed
            self._push = (body, left - pushed)
            if left == pushed:
                self._end_push()
        if n > 0:
            mujoco.mj_step(self.model, self.data, n)
        if self.data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number or not np.isfinite(self.data.qpos).all():
            raise SimulationError(f"the simulation diverged at t = {self.data.time:.3f} s; scenario {self.scenario}")

    # --- state --------------------------------------------------------------------------------------------------

    def save(self) -> WorldState:
        """Return the full state, warm-start included: restoring it gives the same future, bit for bit."""
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.zeros(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, physics, kind)
        return WorldState(
            physics,
            self.hand_target.copy(),
            self.effort_limit.copy(),
            self.friction,
            self.data.xfrc_applied[self.object_body].copy(),
        )

    def restore(self, state: WorldState) -> None:
        """Return to a saved state."""
        mujoco.mj_setState(self.model, self.data, state.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        self.hand_target = state.hand_target.copy()
        self.effort_limit = state.effort_limit.copy()
        self.set_friction(state.friction)
        self._apply_hand_target()
        self.data.xfrc_applied[self.object_body] = state.wrench
        mujoco.mj_forward(self.model, self.data)

    # --- readings -----------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Simulated time [s]."""
        return float(self.data.time)

    def object_pose(self) -> Array:
        """Return ``T_world_object`` (4, 4)."""
        return self._body_pose(self.object_body)

    def object_twist(self) -> Array:
        """Return the velocity of the object's origin (6,) [m/s, rad/s], world axes."""
        velocity = self.data.qvel[self.object_dof].copy()
        velocity[3:] = self.object_pose()[:3, :3] @ velocity[3:]
        return velocity

    def hand_pose(self) -> Array:
        """Return ``T_world_hand`` (4, 4) of the hand's base."""
        return self._body_pose(self.hand_body)

    def _body_pose(self, body: int) -> Array:
        pose = np.eye(4)
        pose[:3, :3] = self.data.xmat[body].reshape(3, 3)
        pose[:3, 3] = self.data.xpos[body]
        return pose

    def object_mass(self) -> float:
        """Return the object's mass in this scenario [kg]."""
        return float(self.model.body_mass[self.object_body])

    def hand_q(self) -> Array:
        """Return the hand's joint angles (11,) [rad], description order."""
        return self.data.qpos[self.hand_qpos].copy()

    def expand_hand(self, actuated: Array) -> Array:
        """Return the eleven joint values that follow from six actuated ones."""
        return np.asarray(self.hand.expand(actuated.tolist()), dtype=np.float64)

    def hand_qd(self) -> Array:
        """Return the hand's joint velocities (11,) [rad/s]."""
        return self.data.qvel[self.hand_dof].copy()

    def hand_torque(self) -> Array:
        """Return the torques of the six finger servos [N m]."""
        return self.data.actuator_force[self.hand_act].copy()

    def arm_q(self) -> Array:
        """Return the arm's joint angles (6,) [rad]."""
        return self.data.qpos[self.arm_qpos].copy()

    def contacts(self) -> list[FingerContact]:
        """Return the hand's contacts with the object."""
        result = []
        force = np.zeros(6)
        for k in range(self.data.ncon):
            contact = self.data.contact[k]
            g1, g2 = int(contact.geom1), int(contact.geom2)
            if g2 not in self.object_geoms and g1 not in self.object_geoms:
                continue
            hand_geom = g1 if g2 in self.object_geoms else g2
            if hand_geom not in self.geom_finger:
                continue
            sign = 1.0 if hand_geom == g1 else -1.0  # the contact normal points from geom1 to geom2
            mujoco.mj_contactForce(self.model, self.data, k, force)
            frame = contact.frame.reshape(3, 3)
            relative = self._point_velocity(self.object_body, contact.pos) - self._point_velocity(
                int(self.model.geom_bodyid[hand_geom]), contact.pos
            )
            tangential = relative - frame[0] * (frame[0] @ relative)
            result.append(
                FingerContact(
                    finger=self.geom_finger[hand_geom],
                    position=contact.pos.copy(),
                    normal=sign * frame[0],
                    normal_force=max(float(force[0]), 0.0),
                    tangential_force=sign * (force[1] * frame[1] + force[2] * frame[2]),
                    slip_speed=float(np.linalg.norm(tangential)),
                    friction=float(contact.friction[0]),
                    on_pad=hand_geom in self.geom_distal,
                )
            )
        return result

    def _point_velocity(self, body: int, point: Array) -> Array:
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
        return velocity[3:] + np.cross(velocity[:3], point - self.data.xpos[body])

    def finger_forces(self) -> Array:
        """Return the summed normal force of each finger's contacts with the object (5,) [N]."""
        contact = self.data.contact
        geom, address = contact.geom, contact.efc_address
        # Elliptic cones: a contact's first constraint row is its normal force. One geom of a pair is the object's.
        finger = np.maximum(self._finger_of_geom[geom[:, 0]], self._finger_of_geom[geom[:, 1]])
        touching = (self._is_object_geom[geom].any(axis=1)) & (finger >= 0) & (address >= 0)
        forces = np.bincount(finger[touching], weights=self.data.efc_force[address[touching]], minlength=5)
        return np.asarray(forces, dtype=np.float64)

    def object_on_table(self) -> bool:
        """Return True while the object touches the table."""
        pairs = {(int(c.geom1), int(c.geom2)) for c in self.data.contact[: self.data.ncon]}
        return any(self.table_geom in pair and (set(pair) & self.object_geoms) for pair in pairs)
