"""Recording and playing as ROS 2 nodes."""
