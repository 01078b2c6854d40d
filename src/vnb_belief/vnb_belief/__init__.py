"""Beliefs over what a hand cannot see: latent layout, Gaussian mixtures, learned dynamics, training."""
