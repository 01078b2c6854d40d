"""The graph on hardware: its nodes, the emulated robot behind the drivers, trials and their report."""
