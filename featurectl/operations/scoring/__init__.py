"""Batch scores: a spine, the features that a model version is bound to, the model, an output that is whole or not."""
