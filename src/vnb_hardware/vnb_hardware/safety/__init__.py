"""What keeps the robot still when something dies: heartbeats, deadlines, hold, emergency stop."""
