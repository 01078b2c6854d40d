"""Drive the emulated arm by the vendor's own Python SDK: what it accepts, a driver for the real arm may be tried on.

Usage, with the packages on PYTHONPATH: ``python benchmarks/arm_vendor_sdk.py FOLDER``, where FOLDER holds the vendor's
``Robot.py`` (FAIR-INNOVATION/fairino-python-sdk, ``linux/fairino``; Apache 2.0, not part of this project). The SDK uses
the controller's own ports on this machine, so nothing else may listen there. Prints one markdown row per step.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vnb_grasp.description import load_arm
from vnb_hardware.arm import units
from vnb_hardware.emulators.arm import ArmEmulator

LONGEST = 120.0
COARSE = 0.01
"""The older stream has numbers with few digits, so that the oldest clients can check its sum [deg, mm]."""


def near(value: Any, expected: Any, tolerance: float = COARSE) -> bool:
    """Whether an answer is ``(0, expected)``."""
    return bool(value[0] == 0 and np.abs(np.array(value[1]) - np.array(expected)).max() < tolerance)


class Session:
    """The SDK and the arm that it drives.

    Args:
        robot: The SDK's connection.
        arm: The emulated arm.
    """

    def __init__(self, robot: Any, arm: ArmEmulator) -> None:
        self.robot, self.arm = robot, arm
        self.failed = 0

    @property
    def joints(self) -> list[float]:
        """Where the emulated arm is [deg]."""
        return np.degrees(self.arm.model.position).tolist()

    @property
    def pose(self) -> list[float]:
        """Where its flange is [mm, deg]."""
        return units.pose_to_wire(self.arm.model.kinematics.flange(self.arm.model.position))

    def step(self, what: str, call: Callable[[], Any], right: Callable[[Any], bool]) -> None:
        """Make one call and print whether its answer is right."""
        try:
            answer = call()
            good = right(answer)
        except Exception as error:  # noqa: BLE001 - the SDK raises whatever it likes
            answer, good = f"{type(error).__name__}: {error}", False
        self.failed += not good
        print(f"| {what} | {str(answer)[:80]} | {'yes' if good else 'NO'} |", flush=True)

    def moved(self, call: Callable[[], int], goal: list[float], of: str) -> Callable[[], Any]:
        """Return a call that answers with its code and how far from the goal the arm then is."""

        def run() -> tuple[int, float]:
            code = call()
            time.sleep(0.1)
            return code, float(np.abs(np.array(getattr(self, of)) - goal).max())

        return run


def arrived(answer: tuple[int, float]) -> bool:
    """Whether a motion's code is 0 and its goal was reached."""
    return answer[0] == 0 and answer[1] < 0.3


def run(session: Session) -> None:
    """Make all steps."""
    robot, step = session.robot, session.step
    zero = lambda code: code == 0  # noqa: E731
    step("link", robot.GetSDKComState, lambda a: a == (0, 0))
    step("address", robot.GetControllerIP, lambda a: a == (0, "127.0.0.1"))
    step("versions", robot.GetSoftwareVersion, lambda a: a[0] == 0 and a[1] == "FR3-V6.0")
    for name, value in (("Mode", 0), ("RobotEnable", 1), ("SetSpeed", 100)):
        step(name, lambda name=name, value=value: getattr(robot, name)(value), zero)
    step("joints", robot.GetActualJointPosDegree, lambda a: near(a, session.joints))
    step("tool pose", robot.GetActualTCPPose, lambda a: near(a, session.pose))
    step("DH compensation", robot.GetDHCompensation, lambda a: near(a, [0.0] * 6))
    step("soft limits", robot.GetJointSoftLimitDeg, lambda a: near(a, session.arm.model.soft_limits))
    step("forward kinematics", lambda: robot.GetForwardKin(session.joints), lambda a: near(a, session.pose))
    step("inverse kinematics", lambda: robot.GetInverseKin(0, session.pose, -1), lambda a: near(a, session.joints))
    goal = [session.joints[0] + 10, *session.joints[1:]]
    step("MoveJ", session.moved(lambda: robot.MoveJ(goal, 0, 0), goal, "joints"), arrived)
    pose = session.pose
    pose[2] += 30
    step("MoveL", session.moved(lambda: robot.MoveL(pose, 0, 0), pose, "pose"), arrived)
    pose = [*pose[:2], pose[2] - 20, *pose[3:]]
    step("MoveCart", session.moved(lambda: robot.MoveCart(pose, 0, 0), pose, "pose"), arrived)
    stream(session)
    step("StopMotion", robot.StopMotion, zero)
    session.arm.inject("joint_limit")
    time.sleep(0.2)
    step("error codes", robot.GetRobotErrorCode, lambda a: near(a, [12, 3]))
    step("ResetAllError", robot.ResetAllError, zero)
    session.arm.inject("safety_stop")
    time.sleep(0.2)
    step("motion on a safety stop", lambda: robot.MoveJ(goal, 0, 0), lambda code: code == 99)
    session.arm.clear()
    step("CloseRPC", robot.CloseRPC, lambda answer: answer is None)


def stream(session: Session) -> None:
    """Stream thirty joint targets, eight milliseconds apart."""
    joints = session.joints

    def targets() -> int:
        code = 0
        for _ in range(30):
            joints[5] += 0.1
            code = code or session.robot.ServoJ(joints, [0.0] * 4)
            time.sleep(0.008)
        return code

    session.step("ServoMoveStart", session.robot.ServoMoveStart, lambda code: code == 0)
    session.step("ServoJ", session.moved(targets, [*joints[:5], joints[5] + 3], "joints"), arrived)
    session.step("ServoMoveEnd", session.robot.ServoMoveEnd, lambda code: code == 0)


def main() -> None:
    """Connect, make all steps, and leave with 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.folder))
    end = threading.Timer(LONGEST, os._exit, (2,))  # the SDK can wait for ever
    end.daemon = True
    end.start()
    with ArmEmulator(start=np.array(load_arm("fr3").ready)) as arm:
        import Robot  # the vendor's

        robot = Robot.RPC("127.0.0.1")
        time.sleep(1.0)
        print("\n| step | answer | right |\n|---|---|---|")
        session = Session(robot, arm)
        run(session)
        failed = session.failed
    sys.stdout.flush()
    os._exit(min(failed, 1))  # the SDK's threads never end


if __name__ == "__main__":
    main()
