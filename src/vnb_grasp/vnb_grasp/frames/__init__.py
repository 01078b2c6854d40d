"""Rigid transforms: SE(3) and its tangent, rotation conversions."""
