"""How good the pose estimates of the cameras are, on simulated images of known poses."""
