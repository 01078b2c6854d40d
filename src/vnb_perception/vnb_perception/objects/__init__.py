"""What an object looks like: surface, symmetries, and the start rotations of its registration."""
