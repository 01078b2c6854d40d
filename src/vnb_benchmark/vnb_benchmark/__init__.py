"""ROS-free episodes: the same parts as the node graph, called directly."""
