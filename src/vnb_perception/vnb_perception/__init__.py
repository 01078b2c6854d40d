"""What the robot senses, made into quantities of the grasp: tactile forces, contacts, and grasp quality."""
