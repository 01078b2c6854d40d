"""Conditional densities over the normalised shared latent ``u`` given the embedding ``h`` of the learned dynamics."""
