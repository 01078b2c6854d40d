"""Statistics of paired episodes: intervals, tests between methods, calibration."""
