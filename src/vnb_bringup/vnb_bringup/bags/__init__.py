"""Real rosbag2 bags (MCAP or sqlite3), written and read without rosbag2; only ``nodes`` knows ROS."""
