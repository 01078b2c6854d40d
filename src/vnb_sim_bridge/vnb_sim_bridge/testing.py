"""Grasps for tests and benchmarks: close on an object from its pre-grasp by a fixed script, and lift."""

from __future__ import annotations

from vnb_sim_bridge.bridge import SimBridge
from vnb_sim_bridge.pregrasp.approach import reach
from vnb_sim_bridge.pregrasp.evaluate import effort_of, scripted_close
from vnb_sim_bridge.pregrasp.library import load_pregrasps
from vnb_sim_bridge.pregrasp.scene import LIFT_HEIGHT
from vnb_sim_bridge.scenario import FRICTION_FINGER, Scenario
from vnb_sim_bridge.world.parameters import WorldParameters


def lift(bridge: SimBridge) -> None:
    """Lift 5 cm in 1 s and rest."""
    goal = bridge.world.hand_pose()
    goal[2, 3] += LIFT_HEIGHT
    for _ in bridge.run_arm(bridge.plan_linear_motion(goal, 1.0, 1.0)):
        pass
    bridge.settle(0.2)


def closed(object_name: str, friction: float, parameters: WorldParameters | None = None) -> SimBridge:
    """Return a bridge whose hand has closed around the object at effective friction ``friction``, not yet lifted."""
    bridge = SimBridge(Scenario(object_name, friction_object=friction**2 / FRICTION_FINGER), parameters)
    world = bridge.world
    pregrasp = load_pregrasps(object_name, world.hand.name)[0]
    world.teleport_arm(reach(bridge.kinematics, pregrasp, world.object_pose()))
    world.teleport_hand(pregrasp.preshape())
    bridge.settle(0.05)
    bridge.begin_grasp()
    scripted_close(world, effort_of(world, 0.9, pregrasp.finger_ratio))
    return bridge
