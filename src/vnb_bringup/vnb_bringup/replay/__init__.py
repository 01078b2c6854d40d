"""Computes beliefs and decisions of a bag again, as they were or with another method, and compares."""
