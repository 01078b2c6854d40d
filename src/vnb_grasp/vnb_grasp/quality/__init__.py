"""Grasp quality measures on the wrench space."""
