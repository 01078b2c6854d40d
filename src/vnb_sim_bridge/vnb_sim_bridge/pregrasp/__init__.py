"""Pre-grasps: a small library per object and hand, how it was generated, and how one is reached."""
