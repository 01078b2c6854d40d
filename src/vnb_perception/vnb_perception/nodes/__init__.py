"""Perception as ROS 2 nodes."""
