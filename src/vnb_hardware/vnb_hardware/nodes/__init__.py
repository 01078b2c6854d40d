"""Drivers and supervisor as ROS 2 nodes."""
