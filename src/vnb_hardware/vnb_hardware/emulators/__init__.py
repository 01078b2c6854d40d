"""Devices that speak the vendors' protocols, with fault injection."""
