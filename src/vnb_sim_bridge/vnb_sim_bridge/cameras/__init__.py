"""Simulated depth cameras: the world drawn off screen, with each device's intrinsics, place and noise."""
