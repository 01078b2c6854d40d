"""Running episodes: methods, workers, the crash-safe store, Ray."""
