"""The MuJoCo stand-in for the robot: world, sensors, arm motion, stress tests, and the bridge around them."""
