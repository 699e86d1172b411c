"""Repository files -> specs and problems."""
