"""ROS-free mechanics of grasping: frames, descriptions, kinematics, contacts, wrench space, grasp quality."""
