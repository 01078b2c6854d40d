"""Differentiable forward kinematics of hand and arm."""

from vnb_grasp.kinematics.arm_kinematics import ArmKinematics
from vnb_grasp.kinematics.hand_kinematics import HandKinematics
from vnb_grasp.kinematics.tree import KinematicTree

__all__ = ["ArmKinematics", "HandKinematics", "KinematicTree"]
