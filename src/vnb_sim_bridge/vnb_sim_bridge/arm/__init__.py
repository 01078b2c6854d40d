"""Arm motion: inverse kinematics, collision checks, joint trajectories."""
