"""Observation and belief as ROS 2 nodes."""
