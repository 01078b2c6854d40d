"""Shapes as unions of primitives, and their signed distance."""
