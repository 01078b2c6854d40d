"""Scenarios as data: what every method is given, drawn once, saved, and replayed one by one."""
