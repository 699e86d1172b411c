"""Pipelines: stages run here in their order, or rendered for what a team runs already."""
