"""From a cluster of points to a pose with a covariance."""
