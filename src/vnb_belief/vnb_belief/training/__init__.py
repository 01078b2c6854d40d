"""Training of the belief dynamics: data sets, the training loop, evaluation against rivals that do not learn."""
