"""Depth cameras behind one interface."""
