"""Simulated sensors: tactile pads, joint encoders, and the pose sensor that stands in for the cameras."""
