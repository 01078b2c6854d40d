"""The simulated world: model built from the descriptions, its state, and what can be read from it."""
