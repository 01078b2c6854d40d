"""Hardware: drivers of hand, arm and cameras, the emulators that stand in for them, and their supervision."""
