"""The L6 hand: codec, joint table, transport and driver core, without ROS."""
