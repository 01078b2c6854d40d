"""Differentiable forward kinematics of hand and arm."""
