"""Stress tests of a held object: the nominal lateral pulses and the battery of 28 independent perturbations."""
