"""Pinhole cameras: rays, projection and place, for whoever draws pictures and whoever reads them."""
